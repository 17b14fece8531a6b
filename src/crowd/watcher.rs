//! One person's eyes in one room, across connections: what the last known position is, what is asked for after a loss, and
//! whether everything durable came exactly once and in order.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::crowd::books::{Fault, RoomBook, SeatNumber};
use crate::crowd::tally::{Tally, add};
use crate::crowd::wire::{Publication, Push, Subscribed};

/// Bit 0: the client takes channels by number, as every SDK does.
const COMPACTION: u8 = 1;

/// The eyes of one person.
#[derive(Debug)]
pub(super) struct Watcher {
    person: String,
    channel: String,
    book: Arc<RoomBook>,
    seat: SeatNumber,
    tally: Arc<Tally>,
    /// Whether what it hears tells how fast the server is: not for who turns deaf on purpose.
    keeps_time: bool,
    place: Mutex<Place>,
}

#[derive(Debug, Default)]
struct Place {
    /// None before the first entrance, and after one was left for good.
    epoch: Option<String>,
    /// The channel's number on this connection; 0 where it goes by its name.
    number: u64,
    inside: bool,
    /// Counts connections: what an older one still had to say is not heard any more.
    connection: u64,
    /// What was written before this time was recovered: it says nothing about how fast the server is.
    live_since_ms: u64,
}

impl Watcher {
    /// `keeps_time` tells whether what this person hears says how fast the server is.
    pub fn new(person: &str, room: &str, book: Arc<RoomBook>, tally: Arc<Tally>, keeps_time: bool) -> Self {
        Self {
            keeps_time,
            person: person.to_owned(),
            channel: format!("room:{room}"),
            seat: book.sit(),
            book,
            tally,
            place: Mutex::default(),
        }
    }

    /// The subscribe request: from the last known position where there is one.
    pub fn request(&self) -> Value {
        let place = self.place.lock();
        match &place.epoch {
            Some(epoch) => {
                json!({ "channel": self.channel, "flag": COMPACTION, "recover": true, "epoch": epoch, "offset": self.book.known(self.seat) })
            }
            None => json!({ "channel": self.channel, "flag": COMPACTION }),
        }
    }

    /// Whether this person is in the room now.
    pub fn is_inside(&self) -> bool {
        self.place.lock().inside
    }

    /// A new connection begins; it names itself by this number from now on.
    pub fn begin(&self) -> u64 {
        let mut place = self.place.lock();
        place.connection += 1;
        place.inside = false;
        place.connection
    }

    /// This connection is gone, or its subscription is to be made again; what comes meanwhile is asked for later.
    pub fn lost(&self, connection: u64) {
        let mut place = self.place.lock();
        if place.connection == connection {
            place.inside = false;
        }
    }

    /// Left on purpose or sent out: the next entrance begins anew.
    pub fn left(&self) {
        let mut place = self.place.lock();
        *place = Place {
            connection: place.connection,
            ..Place::default()
        };
    }

    /// In the room (again).
    pub fn subscribed(&self, connection: u64, answer: &Subscribed<'_>) {
        let mut place = self.place.lock();
        if place.connection != connection {
            return;
        }
        place.inside = true;
        place.number = answer.id;
        place.live_since_ms = unix_ms();
        if answer.recovered {
            add(&self.tally.recovered, 1);
            add(
                &self.tally.recovered_publications,
                answer.publications.len() as u64,
            );
            for publication in &answer.publications {
                self.take(&place, publication);
            }
            return;
        }
        if answer.was_recovering {
            add(&self.tally.not_recovered, 1);
            let words = format!(
                "{} was not recovered in {} from {}",
                self.person,
                self.channel,
                self.book.known(self.seat)
            );
            self.tally.violations.add(words);
        }
        place.epoch = Some(answer.epoch.clone().into_owned());
        self.book.enter(self.seat, answer.offset);
    }

    /// Whether a push is of this room.
    pub fn is_of(&self, push: &Push<'_>) -> bool {
        push.channel == Cow::Borrowed(self.channel.as_str())
            || (push.channel.is_empty() && push.id != 0 && push.id == self.place.lock().number)
    }

    /// Something was published here.
    pub fn published(&self, connection: u64, publication: &Publication<'_>) {
        let place = self.place.lock();
        if place.connection == connection {
            self.take(&place, publication);
        }
    }

    fn take(&self, place: &Place, publication: &Publication<'_>) {
        let data = &publication.data;
        self.tally.heard(&data.kind);
        let lost = [data.skipped.ephemeral, data.skipped.state];
        for (count, lost) in self.tally.skipped.iter().zip(lost) {
            if lost > 0 {
                count.fetch_add(lost, Ordering::Relaxed);
            }
        }
        let position = publication.offset;
        if position == 0 {
            return;
        }
        if self.keeps_time && data.time >= place.live_since_ms {
            self.tally
                .broadcast(Duration::from_millis(unix_ms().saturating_sub(data.time)));
        }
        let seen = self.book.see(self.seat, position);
        if let Err(fault) = seen {
            let (person, channel) = (&self.person, &self.channel);
            self.tally.violations.add(match fault {
                Fault::SeenBefore => format!("{person} saw {position} in {channel} twice or late"),
                Fault::Missed { first, count } => {
                    format!(
                        "{person} missed {count} publications in {channel}, from {first}, before {position}"
                    )
                }
                Fault::OthersMissed { count } => {
                    format!("{person} saw {position} in {channel}, which {count} others have missed")
                }
            });
        }
    }

    /// The first position that others have seen and this person has not; none for who is not in the room.
    pub fn behind(&self) -> Option<u64> {
        if !self.is_inside() {
            return None;
        }
        self.book.next_for(self.seat)
    }

    /// The newest position that anybody has seen in this person's room.
    pub fn newest(&self) -> u64 {
        self.book.newest()
    }

    /// Whether this person has seen everything up to a position, or is not in the room.
    pub fn has_seen(&self, position: u64) -> bool {
        self.book.known(self.seat) >= position || !self.is_inside()
    }

    /// At the end: says so if something did not come.
    pub fn check(&self) {
        if let Some(position) = self.behind() {
            let words = format!("{} has not seen {position} in {}", self.person, self.channel);
            self.tally.violations.add(words);
        }
    }
}

/// The time of day as publications carry it.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seat {
        watcher: Watcher,
        tally: Arc<Tally>,
    }

    fn seats() -> [Seat; 2] {
        let book = Arc::new(RoomBook::default());
        ["ann", "bo"].map(|person| {
            let tally = Arc::new(Tally::default());
            let watcher = Watcher::new(person, "star", book.clone(), tally.clone(), true);
            Seat { watcher, tally }
        })
    }

    impl Seat {
        fn enter(&self, answer: &str) {
            self.watcher
                .subscribed(0, &serde_json::from_str(answer).expect("a subscription"));
        }
        fn hear(&self, positions: &[u64]) {
            for offset in positions {
                let text = format!(r#"{{"offset":{offset},"data":{{"type":"chat","time":1}}}}"#);
                self.watcher
                    .published(0, &serde_json::from_str(&text).expect("a publication"));
            }
        }
        fn faults(&self) -> Vec<String> {
            self.tally.violations.read().1
        }
    }

    #[test]
    fn who_saw_everything_once_has_no_faults_and_who_did_not_is_named() {
        let [ann, bo] = seats();
        ann.enter(r#"{"epoch":"e","offset":2}"#);
        bo.enter(r#"{"epoch":"e","offset":2}"#);
        ann.hear(&[3, 5, 8]);
        bo.hear(&[3]);
        assert_eq!(bo.watcher.behind(), Some(5));
        bo.hear(&[8, 8]);
        assert_eq!(ann.faults(), Vec::<String>::new());
        assert_eq!(
            bo.faults(),
            [
                "bo missed 1 publications in room:star, from 5, before 8",
                "bo saw 8 in room:star twice or late"
            ]
        );
    }

    #[test]
    fn a_recovery_continues_where_the_connection_was_lost() {
        let [ann, bo] = seats();
        for seat in [&ann, &bo] {
            seat.enter(r#"{"epoch":"e","offset":2}"#);
            seat.hear(&[3]);
        }
        ann.watcher.lost(0);
        bo.hear(&[5, 8]);
        assert_eq!(ann.watcher.behind(), None);
        let request = ann.watcher.request();
        assert_eq!(
            (&request["recover"], &request["epoch"], &request["offset"]),
            (&true.into(), &"e".into(), &3.into())
        );
        let missed = r#"[{"offset":5,"data":{"type":"chat"}},{"offset":8,"data":{"type":"chat"}}]"#;
        ann.enter(&format!(
            r#"{{"epoch":"e","offset":3,"was_recovering":true,"recovered":true,"publications":{missed}}}"#
        ));
        assert_eq!(ann.watcher.behind(), None);
        assert_eq!(ann.faults(), Vec::<String>::new());
    }

    #[test]
    fn a_recovery_that_failed_is_a_fault_and_one_that_left_on_purpose_begins_anew() {
        let [ann, _] = seats();
        ann.enter(r#"{"epoch":"e","offset":2}"#);
        ann.watcher.left();
        assert_eq!(ann.watcher.request().get("recover"), None);
        ann.enter(r#"{"epoch":"e","offset":9}"#);
        assert_eq!(ann.faults().len(), 0);
        ann.enter(r#"{"epoch":"e","offset":40,"was_recovering":true}"#);
        assert_eq!(ann.faults(), ["ann was not recovered in room:star from 9"]);
    }

    #[test]
    fn what_an_older_connection_had_to_say_is_not_heard() {
        let [ann, _] = seats();
        ann.enter(r#"{"epoch":"e","offset":2}"#);
        let newer = ann.watcher.begin();
        ann.hear(&[3]);
        let recovered = r#"{"epoch":"e","offset":2,"was_recovering":true,"recovered":true,"publications":[{"offset":3,"data":{}}]}"#;
        ann.watcher
            .subscribed(newer, &serde_json::from_str(recovered).expect("a subscription"));
        ann.watcher.lost(0);
        assert!(ann.watcher.is_inside());
        assert_eq!(ann.faults(), Vec::<String>::new());
    }

    #[test]
    fn pushes_of_the_room_are_known_by_name_or_by_number() {
        let [ann, _] = seats();
        ann.enter(r#"{"epoch":"e","offset":2,"id":4}"#);
        let is_of = |push: &str| ann.watcher.is_of(&serde_json::from_str(push).expect("a push"));
        assert!(is_of(r#"{"channel":"room:star"}"#) && is_of(r#"{"id":4}"#));
        assert!(!is_of(r#"{"channel":"user:ann"}"#) && !is_of(r#"{"id":5}"#) && !is_of("{}"));
    }
}
