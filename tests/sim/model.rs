//! The platform as plain sums: what the rules of the business make of a list of records. Written a second time, from the
//! rules and not from the code, so that the two can disagree. It must never ask the code under test anything.

use std::collections::BTreeMap;

use domain::event::{
    CoinsAdjusted, ComboEnded, ComboRepeated, ComboStep, CommandRefused, Followed, GiftSent, LiveStarted,
    LiveStopped, TicketsCredited, Unfollowed,
};
use domain::{Event, Rejection, SessionNumber};

use crate::rooms::{Room, without_time};
use crate::script::{Body, GIFTS};

const COINS_HIGHEST: u64 = 4_503_599_627_370_496;
const COMBOS_KEPT: usize = 16;
const COMBO_HIGHEST: u32 = 1_000_000;
const COUNT_HIGHEST: u32 = 9_999;
const FOLLOWS_HIGHEST: usize = 5_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const SHANGHAI_MS: i64 = 8 * 60 * 60 * 1_000;

/// One record of the journal, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its place, counted from 1.
    pub sequence: u64,
    /// Kind and key of its stream, as in `viewer-ann`.
    pub stream: String,
    /// Its place in the stream, counted from 1.
    pub version: u64,
    /// Server time, unix ms.
    pub at_ms: i64,
    /// The command's id as the journal has it.
    pub command_id: Option<String>,
    /// Tells bodies of one id apart.
    pub hash: u64,
    /// Who caused it.
    pub actor: String,
    /// What happened.
    pub event: Event,
}

impl Seen {
    /// The key of its stream.
    pub fn key(&self) -> &str {
        self.stream.split_once('-').map_or("", |(_, key)| key)
    }
}

/// A combo of a viewer.
#[derive(Debug, Clone)]
pub struct Combo {
    /// Its name.
    pub id: String,
    room: String,
    gift: String,
    /// The total reached.
    pub total: u32,
    /// Whether it has ended.
    pub ended: bool,
}

/// One viewer.
#[derive(Debug, Default)]
pub struct Viewer {
    /// Coins left.
    pub coins: u64,
    /// Whom they follow, and the place and time of the follow.
    pub following: BTreeMap<String, (u64, i64)>,
    /// The combo with the newest gift last.
    pub combos: Vec<Combo>,
}

/// One streamer.
#[derive(Debug, Default)]
pub struct Streamer {
    sessions: u32,
    /// The session that runs: its number, title, place, time and tickets.
    pub live: Option<(u32, String, u64, i64, u64)>,
    /// Tickets credited.
    pub tickets: u64,
    settled: u64,
    /// Gifts that are not credited yet: place and tickets.
    pub owed: Vec<(u64, u64)>,
}

/// A score and the place of the record that reached it.
pub type Score = (u64, u64);

/// Everything.
#[derive(Debug, Default)]
pub struct Model {
    /// By name.
    pub viewers: BTreeMap<String, Viewer>,
    /// By name.
    pub streamers: BTreeMap<String, Streamer>,
    /// By the name of the streamer.
    pub rooms: BTreeMap<String, Room>,
    empty_room: Room,
    /// Boards: day, board, who.
    pub boards: BTreeMap<(i64, String), BTreeMap<String, Score>>,
    /// Places of what was shown in each room.
    pub feeds: BTreeMap<String, Vec<u64>>,
    /// Sums: granted, taken, spent, earned, credited.
    pub sums: [u64; 5],
    versions: BTreeMap<String, u64>,
    head: u64,
    last_ms: i64,
    settled_upto: u64,
    /// Ends of combos that came with the gift before them.
    expected_next: Option<(u64, Event)>,
    /// How often a combo was pushed out by a newer one.
    pub pushed_out: u64,
}

/// What the rules make of a command.
pub type Verdict = Result<Vec<Event>, Rejection>;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("the script writes well-formed ids")
}

/// The day of a moment, counted from 1970, in Shanghai.
pub fn day(at_ms: i64) -> i64 {
    (at_ms + SHANGHAI_MS).div_euclid(DAY_MS)
}

impl Model {
    /// Takes the next record: its place, version and time must follow, and what it says must be what the rules make of
    /// the command that `asked` finds behind its id.
    pub fn take(&mut self, seen: &Seen, asked: Option<&Body>) {
        assert_eq!(seen.sequence, self.head + 1, "a gap in the journal at {seen:?}");
        self.head = seen.sequence;
        let version = self.versions.entry(seen.stream.clone()).or_default();
        *version += 1;
        assert_eq!(seen.version, *version, "versions of a stream: {seen:?}");
        assert!(
            seen.at_ms >= self.last_ms,
            "time went back from {} at {seen:?}",
            self.last_ms
        );
        self.last_ms = seen.at_ms;
        match self.expected_next.take() {
            Some((place, event)) => {
                assert_eq!((place, &event), (seen.sequence, &seen.event), "half of an append");
            }
            None => self.check(seen, asked),
        }
        self.apply(seen);
    }

    /// Whether the last append is whole.
    pub fn is_whole(&self) -> bool {
        self.expected_next.is_none()
    }

    fn check(&mut self, seen: &Seen, asked: Option<&Body>) {
        let Some(body) = asked else {
            assert_eq!(seen.command_id, None, "nobody asked for {seen:?}");
            return self.check_system(seen);
        };
        let session = match &seen.event {
            Event::GiftSent(sent) => Some(sent.session.0),
            Event::CommandRefused(refused) if refused.rejection == Rejection::RoomNotLive => None,
            _ => Some(1),
        };
        let events = match self.verdict(seen.key(), &seen.actor, body, session) {
            Ok(events) => events,
            Err(rejection) => vec![CommandRefused { rejection }.into()],
        };
        let happened = without_time(&seen.event);
        assert_eq!(events[0], happened, "the rules make something else of {body:?}");
        if let Some(next) = events.get(1) {
            self.pushed_out += u64::from(matches!(next, Event::ComboEnded(_)));
            self.expected_next = Some((seen.sequence + 1, next.clone()));
        }
    }

    /// Records that no client asked for.
    fn check_system(&mut self, seen: &Seen) {
        match &seen.event {
            Event::ComboEnded(end) => {
                let viewer = self.viewers.entry(seen.key().to_owned()).or_default();
                let combo = viewer.combos.iter().find(|c| c.id == end.combo.id.as_str());
                let combo = combo.unwrap_or_else(|| panic!("no such combo: {seen:?}"));
                assert_eq!(Event::from(combo.end()), seen.event);
                assert!(!combo.ended, "a combo ended twice: {seen:?}");
            }
            Event::TicketsCredited(credit) => {
                let streamer = self.streamers.entry(seen.key().to_owned()).or_default();
                let due = streamer.owed.iter().filter(|(place, _)| *place <= credit.upto);
                let (gifts, tickets) = due.fold((0, 0), |(n, sum), (_, tickets)| (n + 1, sum + tickets));
                assert!(
                    gifts > 0 && credit.upto < seen.sequence,
                    "a credit of nothing: {seen:?}"
                );
                let wanted = TicketsCredited {
                    shard: 0,
                    after: streamer.settled,
                    upto: credit.upto,
                    gifts,
                    tickets,
                    tickets_total: streamer.tickets + tickets,
                };
                assert_eq!(wanted, *credit, "a credit is wrong: {seen:?}");
            }
            Event::SettlementAdvanced(advanced) => {
                assert!(
                    advanced.upto > self.settled_upto && advanced.upto < seen.sequence,
                    "{seen:?}"
                );
                let owes = |s: &Streamer| s.owed.first().is_some_and(|(place, _)| *place <= advanced.upto);
                assert!(
                    !self.streamers.values().any(owes),
                    "the cursor passed a gift that is owed: {seen:?}"
                );
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// What the rules make of a command now. `session` is the room's, as the one who decided knew it.
    pub fn verdict(&self, key: &str, actor: &str, body: &Body, session: Option<u32>) -> Verdict {
        let nobody = Viewer::default();
        let viewer = self.viewers.get(key).unwrap_or(&nobody);
        match body {
            Body::Adjust { amount, reason } => {
                let reason = reason.kept.clone()?;
                let after = i128::from(viewer.coins) + i128::from(*amount);
                let coins_left = match u64::try_from(after) {
                    _ if *amount == 0 => return Err(Rejection::BadAmount),
                    Err(_) => return Err(Rejection::BadAmount),
                    Ok(coins) if coins > COINS_HIGHEST => return Err(Rejection::BalanceLimit),
                    Ok(coins) => coins,
                };
                let amount = *amount;
                Ok(vec![
                    CoinsAdjusted {
                        amount,
                        coins_left,
                        reason,
                    }
                    .into(),
                ])
            }
            Body::Gift {
                room,
                gift,
                count,
                combo,
            } => viewer.gift(key, (room, gift), *count, combo.as_ref(), session),
            Body::EndCombo { combo } => match viewer.combo(combo) {
                None => Err(Rejection::UnknownCombo),
                Some(combo) if combo.ended => Ok(Vec::new()),
                Some(combo) => Ok(vec![combo.end().into()]),
            },
            Body::Follow { whom } if whom == key => Err(Rejection::FollowSelf),
            Body::Follow { whom } if viewer.following.contains_key(whom) => Ok(Vec::new()),
            Body::Follow { .. } if viewer.following.len() >= FOLLOWS_HIGHEST => Err(Rejection::FollowLimit),
            Body::Follow { whom } => Ok(vec![Followed { streamer: id(whom) }.into()]),
            Body::Unfollow { whom } if viewer.following.contains_key(whom) => {
                Ok(vec![Unfollowed { streamer: id(whom) }.into()])
            }
            Body::Unfollow { .. } => Ok(Vec::new()),
            Body::StartLive { title } => {
                let title = title.kept.clone()?;
                if self.session(key).is_some() {
                    return Err(Rejection::AlreadyLive);
                }
                let sessions = self.streamers.get(key).map_or(0, |s| s.sessions);
                Ok(vec![
                    LiveStarted {
                        session: SessionNumber(sessions + 1),
                        title,
                    }
                    .into(),
                ])
            }
            Body::StopLive => {
                let session = self.session(key).ok_or(Rejection::NotLive)?;
                Ok(vec![
                    LiveStopped {
                        session: SessionNumber(session),
                    }
                    .into(),
                ])
            }
            Body::Chat { .. } | Body::Order { .. } => self.room(key).verdict(key, actor, body),
        }
    }

    /// A room as it stands.
    pub fn room(&self, name: &str) -> &Room {
        self.rooms.get(name).unwrap_or(&self.empty_room)
    }

    /// Whether somebody follows somebody.
    pub fn follows(&self, who: &str, whom: &str) -> bool {
        self.viewers
            .get(who)
            .is_some_and(|viewer| viewer.following.contains_key(whom))
    }

    /// The session that runs in a room now.
    pub fn session(&self, room: &str) -> Option<u32> {
        self.streamers.get(room)?.live.as_ref().map(|live| live.0)
    }

    /// Coins of everybody.
    pub fn coins(&self) -> u64 {
        self.viewers.values().map(|viewer| viewer.coins).sum()
    }

    fn apply(&mut self, seen: &Seen) {
        let (place, key) = (seen.sequence, seen.key().to_owned());
        match &seen.event {
            Event::CoinsAdjusted(e) => {
                self.viewers.entry(key).or_default().coins = e.coins_left;
                self.sums[usize::from(e.amount < 0)] += e.amount.unsigned_abs();
            }
            Event::GiftSent(e) => {
                self.viewers.entry(key.clone()).or_default().sent(e);
                self.gift(&key, e, seen);
            }
            Event::ComboEnded(e) => {
                let viewer = self.viewers.entry(key).or_default();
                let combo = viewer.combos.iter_mut().find(|c| c.id == e.combo.id.as_str());
                // One that was pushed out is known no more.
                if let Some(combo) = combo {
                    combo.ended = true;
                }
                self.show(e.room.as_str(), place);
            }
            Event::Followed(e) => {
                let following = &mut self.viewers.entry(key).or_default().following;
                following.insert(e.streamer.to_string(), (place, seen.at_ms));
            }
            Event::Unfollowed(e) => {
                _ = self
                    .viewers
                    .entry(key)
                    .or_default()
                    .following
                    .remove(e.streamer.as_str())
            }
            Event::LiveStarted(e) => {
                let streamer = self.streamers.entry(key.clone()).or_default();
                streamer.sessions = e.session.0;
                streamer.live = Some((e.session.0, e.title.clone(), place, seen.at_ms, 0));
                self.show(&key, place);
            }
            Event::LiveStopped(_) => {
                self.streamers.entry(key.clone()).or_default().live = None;
                self.show(&key, place);
            }
            Event::TicketsCredited(e) => {
                let streamer = self.streamers.entry(key).or_default();
                (streamer.tickets, streamer.settled) = (e.tickets_total, e.upto);
                streamer.owed.retain(|(place, _)| *place > e.upto);
                self.sums[4] += e.tickets;
            }
            Event::SettlementAdvanced(e) => self.settled_upto = e.upto,
            Event::LikesCounted(_) | Event::ComboRepeated(_) | Event::CommandRefused(_) => {}
            // What else there is stands in rooms, and is shown there.
            said_or_ordered => {
                self.rooms.entry(key.clone()).or_default().apply(said_or_ordered);
                self.show(&key, place);
            }
        }
    }

    fn show(&mut self, room: &str, place: u64) {
        self.feeds.entry(room.to_owned()).or_default().push(place);
    }

    fn gift(&mut self, sender: &str, e: &GiftSent, seen: &Seen) {
        let room = e.room.as_str();
        self.show(room, seen.sequence);
        self.sums[2] += e.coins;
        self.sums[3] += e.tickets;
        let streamer = self.streamers.entry(room.to_owned()).or_default();
        streamer.owed.push((seen.sequence, e.tickets));
        if let Some(live) = streamer.live.as_mut().filter(|live| live.0 == e.session.0) {
            live.4 += e.tickets;
        }
        let day = day(seen.at_ms);
        let scores = [
            ("tickets".to_owned(), room, e.tickets),
            ("coins".to_owned(), sender, e.coins),
            (format!("room:{room}"), sender, e.coins),
        ];
        for (board, who, score) in scores {
            if score > 0 {
                let board = self.boards.entry((day, board)).or_default();
                let entry = board.entry(who.to_owned()).or_default();
                *entry = (entry.0 + score, seen.sequence);
            }
        }
    }
}

impl Viewer {
    fn combo(&self, id: &str) -> Option<&Combo> {
        self.combos.iter().find(|c| c.id == id)
    }

    fn gift(
        &self,
        user: &str,
        (room, gift): (&str, &str),
        count: u32,
        combo: Option<&(String, u32)>,
        session: Option<u32>,
    ) -> Verdict {
        let Some((_, price, worth)) = GIFTS.into_iter().find(|(known, ..)| *known == gift) else {
            return Err(Rejection::UnknownGift);
        };
        let mut count = count;
        let mut known = None;
        if let Some((name, total)) = combo {
            known = self.combo(name);
            if !(1..=COMBO_HIGHEST).contains(total) {
                return Err(Rejection::BadCount);
            }
            count = *total;
            if let Some(combo) = known {
                if (combo.room.as_str(), combo.gift.as_str()) != (room, gift) {
                    return Err(Rejection::ComboMismatch);
                }
                if *total <= combo.total {
                    let coins_left = self.coins;
                    return Ok(vec![
                        ComboRepeated {
                            combo: combo.step(),
                            coins_left,
                        }
                        .into(),
                    ]);
                }
                count = total - combo.total;
            }
        }
        if !(1..=COUNT_HIGHEST).contains(&count) {
            return Err(Rejection::BadCount);
        }
        if room == user {
            return Err(Rejection::GiftToSelf);
        }
        let session = SessionNumber(session.ok_or(Rejection::RoomNotLive)?);
        let coins = price * u64::from(count);
        if coins > self.coins {
            return Err(Rejection::NotEnoughCoins);
        }
        let sent = GiftSent {
            room: id(room),
            session,
            gift: id(gift),
            count,
            coins,
            tickets: worth * u64::from(count),
            coins_left: self.coins - coins,
            combo: combo.map(|(name, total)| ComboStep {
                id: id(name),
                total: *total,
            }),
        };
        let mut events = vec![Event::from(sent)];
        if combo.is_some() && known.is_none() && self.combos.len() == COMBOS_KEPT && !self.combos[0].ended {
            events.push(self.combos[0].end().into());
        }
        Ok(events)
    }

    fn sent(&mut self, e: &GiftSent) {
        self.coins = e.coins_left;
        let Some(step) = &e.combo else { return };
        let name = step.id.as_str();
        let before = self.combos.iter().position(|c| c.id == name);
        let ended = before.is_some_and(|at| self.combos.remove(at).ended);
        if self.combos.len() == COMBOS_KEPT {
            self.combos.remove(0);
        }
        let (room, gift) = (e.room.to_string(), e.gift.to_string());
        self.combos.push(Combo {
            id: name.to_owned(),
            room,
            gift,
            total: step.total,
            ended,
        });
    }
}

impl Combo {
    fn step(&self) -> ComboStep {
        ComboStep {
            id: id(&self.id),
            total: self.total,
        }
    }

    fn end(&self) -> ComboEnded {
        ComboEnded {
            room: id(&self.room),
            gift: id(&self.gift),
            combo: self.step(),
        }
    }
}
