//! Who hears what: channels, their members, and the fan-out. A publication is encoded once per format that has a
//! listener, and the bytes are shared. Never encodes for a subscriber, never waits for one, never holds two channels.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;

use crate::error::{Disconnect, Unsubscribe};
use crate::limits;
use crate::outbox::{Gap, Verdict};
use crate::peer::{Attachment, Peer, Written, lock, wake};
use crate::protocol::{Format, Push, encode_push};
use crate::publication::{Class, ClientInfo, PresenceStats, Publication};
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
#[derive(Debug, Default)]
pub struct Hub {
    channels: DashMap<Arc<str>, Arc<Channel>>,
    peers: DashMap<Arc<str>, Arc<Peer>>,
    users: DashMap<Arc<str>, Vec<Arc<Peer>>>,
    next_channel: AtomicU64,
    draining: AtomicBool,
    stats: Stats,
}

/// One channel with at least one member (or about to have one).
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    json: AtomicUsize,
    protobuf: AtomicUsize,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    slots: Vec<Option<Member>>,
    free: Vec<usize>,
    users: HashMap<Arc<str>, u32>,
    clients: u32,
    /// Empty and off the map: whoever still holds it must look again.
    retired: bool,
}

#[derive(Debug)]
struct Member {
    peer: Arc<Peer>,
    /// Set once the subscription is open.
    info: Option<Arc<ClientInfo>>,
    announce: bool,
}

/// A member that left, as far as others care.
struct Left {
    info: Arc<ClientInfo>,
    announce: bool,
}

/// One message, encoded when first needed in a format.
struct Encoded<'a> {
    channel: &'a str,
    push: Push<'a>,
    json: OnceCell<Bytes>,
    protobuf: OnceCell<Bytes>,
}

impl Encoded<'_> {
    fn get(&self, format: Format) -> &Bytes {
        let cell = match format {
            Format::Json => &self.json,
            Format::Protobuf => &self.protobuf,
        };
        cell.get_or_init(|| encode_push(format, self.channel, &self.push))
    }
}

impl Hub {
    /// An empty hub.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            next_channel: AtomicU64::new(1),
            ..Self::default()
        })
    }

    /// Sends to everyone in a channel; returns the number of sockets it was queued for. Publications of one channel
    /// are delivered in the order of the calls; offsets must grow with them. Never blocks on a reader.
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
        Ok(self.fan_out(channel, class, publication.offset, Push::Publication(publication)))
    }

    /// Is anyone listening? Lets a publisher skip building what nobody would get.
    pub fn has_subscribers(&self, channel: &str) -> bool {
        self.channels.contains_key(channel)
    }

    /// Who is in a channel (open subscriptions).
    pub fn presence(&self, channel: &str) -> Vec<Arc<ClientInfo>> {
        self.find(channel).map_or_else(Vec::new, |channel| {
            let members = lock(&channel.members);
            members
                .slots
                .iter()
                .flatten()
                .filter_map(|member| member.info.clone())
                .collect()
        })
    }

    /// How many are in a channel (open subscriptions).
    pub fn presence_stats(&self, channel: &str) -> PresenceStats {
        self.find(channel).map_or_else(PresenceStats::default, |channel| {
            let members = lock(&channel.members);
            PresenceStats {
                num_clients: members.clients,
                num_users: members.users.len() as u32,
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

    /// Registers a connection in a channel, held back until [`Hub::go_live`].
    pub(crate) fn attach(&self, peer: &Arc<Peer>, name: &str, server_side: bool) {
        loop {
            let channel = self.find_or_create(name);
            let mut members = lock(&channel.members);
            if members.retired {
                continue;
            }
            let member = Member {
                peer: peer.clone(),
                info: None,
                announce: false,
            };
            let slot = match members.free.pop() {
                Some(slot) => {
                    members.slots[slot] = Some(member);
                    slot
                }
                None => {
                    members.slots.push(Some(member));
                    members.slots.len() - 1
                }
            };
            channel.listeners(peer.format).fetch_add(1, Relaxed);
            Stats::add(&self.stats.subscriptions, 1);
            peer.attach(Attachment {
                channel: channel.clone(),
                slot,
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
        {
            let mut members = lock(&attachment.channel.members);
            let members = &mut *members;
            let Some(Some(member)) = members.slots.get_mut(attachment.slot) else {
                return;
            };
            if !Arc::ptr_eq(&member.peer, peer) {
                return;
            }
            member.announce = announce;
            if member.info.replace(info.clone()).is_none() {
                members.clients += 1;
                *members.users.entry(info.user.clone()).or_default() += 1;
            }
        }
        if announce {
            self.fan_out(name, Class::Ephemeral, None, Push::Join(&info));
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
        for publication in publications {
            if let Some(offset) = publication.offset {
                let encoded = encode_push(peer.format, name, &Push::Publication(publication));
                peer.push_recovered(attachment.channel.id, offset, encoded);
            }
        }
    }

    fn fan_out(&self, name: &str, class: Class, offset: Option<u64>, push: Push<'_>) -> usize {
        let Some(channel) = self.find(name) else { return 0 };
        let encoded = Encoded {
            channel: name,
            push,
            json: OnceCell::new(),
            protobuf: OnceCell::new(),
        };
        for format in [Format::Json, Format::Protobuf] {
            if channel.listeners(format).load(Relaxed) > 0 {
                encoded.get(format);
            }
        }
        let mut losses = Losses::default();
        let (mut taken, mut wakers, mut lost) = (0, Vec::new(), Vec::new());
        let mut written = Written::default();
        let mut members = lock(&channel.members);
        for slot in 0..members.slots.len() {
            let Some(member) = &members.slots[slot] else {
                continue;
            };
            let peer = &member.peer;
            let offered = peer.offer(&channel, class, offset, encoded.get(peer.format), &mut losses);
            wakers.extend(offered.waker);
            written.frames += offered.written.frames;
            written.bytes += offered.written.bytes;
            match offered.verdict {
                Verdict::Taken => taken += 1,
                Verdict::Lost => {
                    let format = peer.format;
                    lost.push((format, members.remove(slot)));
                }
                Verdict::Dropped | Verdict::Unknown => {}
            }
        }
        drop(members);
        wakers.into_iter().for_each(|waker| wake(Some(waker)));
        Stats::add(&self.stats.deliveries, taken as u64);
        Stats::add(&self.stats.messages_sent, written.frames);
        Stats::add(&self.stats.bytes_sent, written.bytes);
        Stats::add(&self.stats.lost_durable_subscriptions, lost.len() as u64);
        self.stats.losses(&losses);
        for (format, left) in lost {
            self.after_removal(&channel, format, left.into_iter());
        }
        taken
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
            Arc::new(Channel {
                id: self.next_channel.fetch_add(1, Relaxed),
                name,
                json: AtomicUsize::new(0),
                protobuf: AtomicUsize::new(0),
                members: Mutex::default(),
            })
        });
        entry.value().clone()
    }

    fn remove_member(&self, attachment: &Attachment, peer: &Arc<Peer>) {
        let channel = &attachment.channel;
        let mut members = lock(&channel.members);
        let ours = matches!(members.slots.get(attachment.slot),
            Some(Some(member)) if Arc::ptr_eq(&member.peer, peer));
        if !ours {
            return;
        }
        let left = members.remove(attachment.slot);
        drop(members);
        self.after_removal(channel, peer.format, left.into_iter());
    }

    /// Bookkeeping for one removed member: counts, the map, the leave push.
    fn after_removal(&self, channel: &Arc<Channel>, format: Format, left: impl Iterator<Item = Left>) {
        channel.listeners(format).fetch_sub(1, Relaxed);
        Stats::sub(&self.stats.subscriptions, 1);
        let retired = {
            let mut members = lock(&channel.members);
            let empty = members.free.len() == members.slots.len();
            empty && !std::mem::replace(&mut members.retired, true)
        };
        if retired {
            self.channels
                .remove_if(&channel.name, |_, other| Arc::ptr_eq(other, channel));
            return;
        }
        for left in left.filter(|left| left.announce) {
            self.fan_out(&channel.name, Class::Ephemeral, None, Push::Leave(&left.info));
        }
    }

    fn peers_of(&self, user: &str) -> Vec<Arc<Peer>> {
        self.users
            .get(user)
            .map(|peers| peers.value().clone())
            .unwrap_or_default()
    }
}

impl Channel {
    fn listeners(&self, format: Format) -> &AtomicUsize {
        match format {
            Format::Json => &self.json,
            Format::Protobuf => &self.protobuf,
        }
    }
}

impl Members {
    /// Frees a slot; says who left if the subscription was open.
    fn remove(&mut self, slot: usize) -> Option<Left> {
        let member = self.slots[slot].take()?;
        self.free.push(slot);
        let info = member.info?;
        self.clients -= 1;
        if let Some(count) = self.users.get_mut(&info.user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&info.user);
            }
        }
        Some(Left {
            info,
            announce: member.announce,
        })
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
