//! Who hears what: channels, their members, and what is carried to them. What a channel says within a tick is encoded
//! once per dialect that has a listener, and the bytes are shared. Never waits for a subscriber, never lets a publisher
//! wait, never holds two channels.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;

use crate::batch::{Batch, Dialect, Encoded, Item};
use crate::channel::{Channel, Left};
use crate::error::{Disconnect, Unsubscribe};
use crate::fanout::{self, Agenda, Clock};
use crate::limits;
use crate::outbox::{Gap, Verdict};
use crate::peer::{Attachment, Offered, Peer, Written, lock, wake};
use crate::publication::{Class, ClientInfo, PresenceStats, Publication, Urgency};
use crate::stats::{Losses, Stats};

/// Why a publication was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Its payload is larger than [`limits::PUBLICATION_BYTES_MAX`].
    #[error(
        "publication of {bytes} bytes is over the limit of {}",
        limits::PUBLICATION_BYTES_MAX
    )]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
    },
    /// Its offset is 0 or over [`limits::OFFSET_MAX`].
    #[error("offset {offset} is out of range")]
    Offset {
        /// The offset.
        offset: u64,
    },
}

/// The switchboard shared by all sockets and publishers of one server.
#[derive(Debug)]
pub struct Hub {
    channels: DashMap<Arc<str>, Arc<Channel>>,
    peers: DashMap<Arc<str>, Arc<Peer>>,
    users: DashMap<Arc<str>, Vec<Arc<Peer>>>,
    next_channel: AtomicU64,
    draining: AtomicBool,
    stats: Stats,
    agenda: Arc<Agenda>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.agenda.stop();
    }
}

impl Hub {
    /// An empty hub with its [`limits::FANOUT_THREADS`] threads, which end with it. Panics if the system has none to give.
    pub fn new() -> Arc<Self> {
        Self::with_clock(Clock::Real(Instant::now()))
    }

    pub(crate) fn with_clock(clock: Clock) -> Arc<Self> {
        let is_real = matches!(clock, Clock::Real(_));
        let agenda = Agenda::new(clock);
        Arc::new_cyclic(|hub: &Weak<Self>| {
            if is_real {
                fanout::start(&agenda, hub);
            }
            Self {
                channels: DashMap::new(),
                peers: DashMap::new(),
                users: DashMap::new(),
                next_channel: AtomicU64::new(1),
                draining: AtomicBool::new(false),
                stats: Stats::default(),
                agenda,
            }
        })
    }

    /// Says something to everyone in a channel, within a tick or as soon as it is urgent; returns the number of its
    /// subscriptions now, open or being opened. Publications of one channel are delivered in the order of the calls;
    /// offsets must grow with them. Encodes nothing and waits for nobody.
    pub fn publish(
        &self,
        channel: &str,
        class: Class,
        publication: &Publication,
    ) -> Result<usize, PublishError> {
        if publication.data.len() > limits::PUBLICATION_BYTES_MAX {
            return Err(PublishError::TooLarge {
                bytes: publication.data.len(),
            });
        }
        if let Some(offset) = publication.offset.filter(|o| *o == 0 || *o > limits::OFFSET_MAX) {
            return Err(PublishError::Offset { offset });
        }
        Stats::add(&self.stats.published, 1);
        let Some(channel) = self.find(channel) else {
            return Ok(0);
        };
        let item = Item::publication(class, publication.clone());
        self.say(&channel, item, publication.handling.urgency);
        Ok(channel.subscribers())
    }

    /// Is anyone listening? Lets a publisher skip building what nobody would get.
    pub fn has_subscribers(&self, channel: &str) -> bool {
        self.channels.contains_key(channel)
    }

    /// Who is in a channel (open subscriptions).
    pub fn presence(&self, channel: &str) -> Vec<Arc<ClientInfo>> {
        self.find(channel)
            .map_or_else(Vec::new, |channel| lock(&channel.members).present())
    }

    /// How many are in a channel (open subscriptions).
    pub fn presence_stats(&self, channel: &str) -> PresenceStats {
        self.find(channel).map_or_else(PresenceStats::default, |channel| {
            let (num_users, num_clients) = lock(&channel.members).counts();
            PresenceStats {
                num_clients,
                num_users,
            }
        })
    }

    /// Sockets open now, connected or not yet.
    pub fn connections(&self) -> usize {
        self.peers.len()
    }

    /// Channels with a subscriber.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// The numbers.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Closes all connections of a user; returns how many.
    pub fn disconnect_user(&self, user: &str, why: &Disconnect) -> usize {
        let peers = self.peers_of(user);
        peers.iter().for_each(|peer| peer.close(why.clone()));
        peers.len()
    }

    /// Closes one connection by its id. False = there is none.
    pub fn disconnect_client(&self, client: &str, why: &Disconnect) -> bool {
        let peer = self.peers.get(client).map(|entry| entry.value().clone());
        peer.inspect(|peer| peer.close(why.clone())).is_some()
    }

    /// Ends a user's subscriptions to a channel, also those being opened, and tells the clients; returns how many.
    pub fn unsubscribe_user(&self, user: &str, channel: &str, why: &Unsubscribe) -> usize {
        let peers = self.peers_of(user);
        peers
            .iter()
            .filter(|peer| self.detach(peer, channel, Some(why)))
            .count()
    }

    /// Takes no new sockets and closes those there are with 3001, evenly spread over `spread` so that they do not all
    /// come back at once. Returns when the last has been told.
    pub async fn shutdown(&self, spread: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        self.draining.store(true, Relaxed);
        let peers: Vec<Arc<Peer>> = self.peers.iter().map(|entry| entry.value().clone()).collect();
        let steps = (spread.as_millis() / STEP.as_millis()).max(1) as usize;
        for batch in peers.chunks(peers.len().div_ceil(steps).max(1)) {
            batch.iter().for_each(|peer| peer.close(Disconnect::SHUTDOWN));
            if !spread.is_zero() {
                tokio::time::sleep(STEP).await;
            }
        }
    }

    /// New sockets are turned away.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    pub(crate) fn enter(&self, peer: &Arc<Peer>) {
        self.peers.insert(peer.client.clone(), peer.clone());
        Stats::add(&self.stats.connections, 1);
        Stats::add(&self.stats.connections_opened, 1);
        if self.is_draining() {
            peer.close(Disconnect::SHUTDOWN);
        }
    }

    pub(crate) fn identify(&self, peer: &Arc<Peer>, user: &Arc<str>) {
        if !user.is_empty() {
            self.users.entry(user.clone()).or_default().push(peer.clone());
        }
    }

    /// Takes a connection off everything; announces its leaving where it was announced.
    pub(crate) fn leave(&self, peer: &Arc<Peer>, user: Option<&Arc<str>>) {
        for attachment in peer.detach_all() {
            self.remove_member(&attachment, peer);
        }
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            if let Some(mut peers) = self.users.get_mut(user) {
                peers.retain(|other| !Arc::ptr_eq(other, peer));
            }
            self.users.remove_if(user, |_, peers| peers.is_empty());
        }
        if self.peers.remove(&peer.client).is_some() {
            Stats::sub(&self.stats.connections, 1);
        }
    }

    /// Registers a connection in a channel, held back until [`Hub::go_live`]. `compact`: pushes name the channel by
    /// number.
    pub(crate) fn attach(&self, peer: &Arc<Peer>, name: &str, server_side: bool, compact: bool) {
        loop {
            let channel = self.find_or_create(name);
            let mut members = lock(&channel.members);
            if members.retired {
                continue;
            }
            let dialect = Dialect {
                format: peer.format,
                compact,
            };
            let slot = members.add(peer.clone(), dialect);
            channel.count_in();
            Stats::add(&self.stats.subscriptions, 1);
            peer.attach(Attachment {
                channel: channel.clone(),
                slot,
                dialect,
                server_side,
                recoverable: false,
            });
            return;
        }
    }

    /// Takes a connection out of a channel. False = it was not in it.
    pub(crate) fn detach(&self, peer: &Arc<Peer>, name: &str, why: Option<&Unsubscribe>) -> bool {
        let Some(attachment) = peer.detach(name, why) else {
            return false;
        };
        self.remove_member(&attachment, peer);
        true
    }

    /// Counts an open subscription and announces it if it is to be announced.
    pub(crate) fn join(&self, peer: &Arc<Peer>, name: &str, info: ClientInfo, announce: bool) {
        let Some(attachment) = peer.attachment(name) else {
            return;
        };
        let info = Arc::new(info);
        let opened = lock(&attachment.channel.members).open(attachment.slot, peer, &info, announce);
        if opened && announce {
            self.say(&attachment.channel, Item::join(info), Urgency::Tick);
        }
    }

    /// Lets a subscription hear what was held back behind `floor`. `Err` = read on from the stream first.
    pub(crate) fn go_live(&self, peer: &Arc<Peer>, name: &str, floor: u64) -> Result<(), Gap> {
        let Some(attachment) = peer.attachment(name) else {
            return Ok(());
        };
        let mut losses = Losses::default();
        let verdict = peer.go_live(&attachment.channel, floor, &mut losses);
        self.stats.losses(&losses);
        if verdict? == Verdict::Lost {
            Stats::add(&self.stats.lost_durable_subscriptions, 1);
            self.remove_member(&attachment, peer);
        }
        Ok(())
    }

    /// Queues recovered publications right behind the reply, before anything that is held back.
    pub(crate) fn push_recovered(&self, peer: &Arc<Peer>, name: &str, publications: &[Publication]) {
        let Some(attachment) = peer.attachment(name) else {
            return;
        };
        let mut rest = publications;
        while !rest.is_empty() {
            let fitting = one_frame(name, rest, Publication::weight_bytes);
            let (some, behind) = rest.split_at(fitting);
            let items: Vec<_> = some
                .iter()
                .filter(|publication| publication.offset.is_some())
                .map(|publication| Item::publication(Class::Durable, publication.clone()))
                .collect();
            let channel = &attachment.channel;
            if !items.is_empty() {
                let batch = Batch::encode(&channel.name, channel.id, attachment.dialect, &items);
                peer.push_recovered(channel.id, batch);
            }
            rest = behind;
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.agenda.clock()
    }

    /// Adds to what a channel has to say.
    fn say(&self, channel: &Arc<Channel>, item: Item, urgency: Urgency) {
        let mut losses = Losses::default();
        let now_ms = self.agenda.clock().now_ms();
        let due_ms = lock(&channel.pending).push(item, urgency, channel.subscribers(), now_ms, &mut losses);
        self.stats.losses(&losses);
        if let Some(due_ms) = due_ms {
            self.agenda.add(channel.clone(), due_ms);
        }
    }

    /// Carries what a channel has to say to its members, if it is due and nobody else is at it.
    pub(crate) fn tell(&self, channel: &Arc<Channel>) {
        let Some(telling) = lock(&channel.pending).take(self.agenda.clock().now_ms()) else {
            return;
        };
        let mut round = Round::default();
        if telling.lapsed || !telling.skipped.is_empty() {
            Stats::add(&self.stats.lapsed_channels, u64::from(telling.lapsed));
            self.walk(channel, &mut round, |peer, _, losses| {
                peer.lapse(channel, &telling, losses)
            });
        }
        let mut rest = &telling.items[..];
        while !rest.is_empty() {
            let fitting = one_frame(&channel.name, rest, Item::weight_bytes);
            let (items, behind) = rest.split_at(fitting);
            let encoded = Encoded::new(&channel.name, channel.id, items);
            round = Round::default();
            self.walk(channel, &mut round, |peer, dialect, losses| {
                peer.offer(channel, encoded.get(dialect), losses)
            });
            Stats::add(&self.stats.ticks, 1);
            rest = behind;
        }
        if let Some(due_ms) = lock(&channel.pending).told(round.reached, round.behind) {
            self.agenda.add(channel.clone(), due_ms);
        }
    }

    /// Carries whatever is due now.
    #[cfg(test)]
    pub(crate) fn turn(&self) -> Option<u64> {
        loop {
            match self.agenda.take() {
                Ok(channel) => fanout::carry(&self.agenda, self, &channel),
                Err(next_ms) => return next_ms,
            }
        }
    }

    /// Moves the clock until nothing waits for it.
    #[cfg(test)]
    pub(crate) fn settle(&self) {
        while let Some(next_ms) = self.turn() {
            self.agenda.clock().advance_to(next_ms);
        }
    }

    /// Moves the clock.
    #[cfg(test)]
    pub(crate) fn pass(&self, ms: u64) {
        let clock = self.agenda.clock();
        clock.advance_to(clock.now_ms() + ms);
        self.turn();
    }

    /// Offers something to every member, in strides, so that who comes or goes need not wait for all of it.
    fn walk(
        &self,
        channel: &Arc<Channel>,
        round: &mut Round,
        offer: impl Fn(&Peer, Dialect, &mut Losses) -> Offered,
    ) {
        let mut losses = Losses::default();
        let mut lost = Vec::new();
        let mut wakers = Vec::new();
        let mut next = 0;
        loop {
            let mut members = lock(&channel.members);
            let end = members.places().min(next + limits::FANOUT_STRIDE_MEMBERS);
            for slot in next..end {
                let Some(member) = members.at(slot) else { continue };
                let offered = offer(&member.peer, member.dialect, &mut losses);
                wakers.extend(offered.waker);
                round.reached += 1;
                round.written.add(offered.written);
                round.behind += usize::from(offered.behind);
                match offered.verdict {
                    Verdict::Taken(copies) => round.copies += u64::from(copies),
                    Verdict::Lost => lost.extend(members.remove(slot)),
                    Verdict::Dropped | Verdict::Unknown => {}
                }
            }
            let done = end == members.places();
            drop(members);
            wakers.drain(..).for_each(|waker| wake(Some(waker)));
            if done {
                break;
            }
            next = end;
        }
        Stats::add(&self.stats.deliveries, std::mem::take(&mut round.copies));
        let written = std::mem::take(&mut round.written);
        Stats::add(&self.stats.messages_sent, written.frames);
        Stats::add(&self.stats.bytes_sent, written.bytes);
        Stats::add(&self.stats.lost_durable_subscriptions, lost.len() as u64);
        self.stats.losses(&losses);
        lost.into_iter()
            .for_each(|left| self.after_removal(channel, left));
    }

    fn find(&self, name: &str) -> Option<Arc<Channel>> {
        self.channels.get(name).map(|entry| entry.value().clone())
    }

    fn find_or_create(&self, name: &str) -> Arc<Channel> {
        if let Some(channel) = self.find(name) {
            return channel;
        }
        let name: Arc<str> = name.into();
        let entry = self.channels.entry(name.clone()).or_insert_with(|| {
            let id = self.next_channel.fetch_add(1, Relaxed);
            Arc::new(Channel::new(id, name))
        });
        entry.value().clone()
    }

    fn remove_member(&self, attachment: &Attachment, peer: &Arc<Peer>) {
        let channel = &attachment.channel;
        let mut members = lock(&channel.members);
        if !members.holds(attachment.slot, peer) {
            return;
        }
        let left = members.remove(attachment.slot);
        drop(members);
        left.into_iter()
            .for_each(|left| self.after_removal(channel, left));
    }

    /// Bookkeeping for one removed member: counts, the map, the leave push.
    fn after_removal(&self, channel: &Arc<Channel>, left: Left) {
        channel.count_out();
        Stats::sub(&self.stats.subscriptions, 1);
        let retired = {
            let mut members = lock(&channel.members);
            members.is_empty() && !std::mem::replace(&mut members.retired, true)
        };
        if retired {
            self.channels
                .remove_if(&channel.name, |_, other| Arc::ptr_eq(other, channel));
        } else if let Some(info) = left.announced {
            self.say(channel, Item::leave(info), Urgency::Tick);
        }
    }

    fn peers_of(&self, user: &str) -> Vec<Arc<Peer>> {
        self.users
            .get(user)
            .map(|peers| peers.value().clone())
            .unwrap_or_default()
    }
}

/// How one walk over a channel went.
#[derive(Default)]
struct Round {
    reached: usize,
    /// Members that had not taken what was said before.
    behind: usize,
    copies: u64,
    written: Written,
}

/// How many things of a channel go into one frame: at least one.
fn one_frame<T>(channel: &str, things: &[T], weight_bytes: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    let fitting = things.iter().take_while(|thing| {
        bytes += channel.len() + weight_bytes(thing);
        bytes <= limits::FRAME_BYTES_TARGET
    });
    fitting.count().max(1)
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
