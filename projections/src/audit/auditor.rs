//! The checks, record by record: order, commands, corrections, payments, credits, and the ledger's own.

use std::fmt::Write as _;

use compact_str::CompactString;
use domain::event::EventType;
use domain::{Event, StreamKind};
use journal::{JournalId, Reader, RecordRef};

use super::commands::{Appends, Commands, confirm};
use super::lanes::Lanes;
use super::provider::Provider;
use super::report::{Compared, InFlight, Report, Verdict};
use super::source::Checked;
use crate::Result;
use crate::fact::{Fact, Place, place};
use crate::ledger::{Break, Breaks, Invariant, Ledger, StoredLedger, concerns};
use crate::names::{Names, Number};

/// Is told every record of a journal in order, and says what is broken.
#[derive(Default)]
pub struct Auditor {
    names: Names,
    ledger: Ledger,
    breaks: Breaks,
    /// Versions of the streams, by kind and number.
    versions: [Vec<u32>; StreamKind::ALL.len()],
    appends: Appends,
    commands: Commands,
    provider: Provider,
    lanes: Lanes,
    records: u64,
    at_ms: i64,
    stored: Option<StoredLedger>,
    compared: Option<Compared>,
    checked: Option<Checked>,
}

impl Auditor {
    /// Before the first record. `stored` is compared when its place is reached.
    pub fn new(stored: Option<StoredLedger>) -> Self {
        Self {
            stored,
            at_ms: i64::MIN,
            ..Self::default()
        }
    }

    /// Takes ids that were given the next numbers.
    pub(crate) fn learn(&mut self, ids: &[CompactString]) {
        for id in ids {
            self.names.intern(id);
        }
    }

    /// Touches what the fold of records with these numbers will need, see [`Ledger::look_ahead`].
    pub(crate) fn look_ahead(&self, numbers: &[(Number, Number)]) {
        let of_viewers = &self.versions[StreamKind::Viewer as usize - 1];
        let touched = numbers.iter().fold(0, |touched, &(who, _)| {
            touched ^ of_viewers.get(who as usize).copied().unwrap_or_default()
        });
        std::hint::black_box(touched);
        self.ledger
            .look_ahead(numbers.iter().flat_map(|&(who, whom)| [who, whom]));
    }

    /// Takes a record and what it says; `print` stands for its command, see [`super::commands`]. The numbers are those of its
    /// stream's key, and of the gift's streamer or the order's user.
    pub(crate) fn take(
        &mut self,
        record: &RecordRef<'_>,
        event: &Event,
        print: u64,
        (who, whom): (Number, Number),
    ) {
        self.in_order(record, who);
        let at = place(record.position);
        if print > 0 {
            self.command(record, print);
        }
        let event_type = record.event_type;
        if !concerns(event_type) && !beside_the_ledger(event_type) {
            return;
        }
        self.caused(record, at);
        self.correction(record, event, at);
        if let Some(looked) = self
            .provider
            .take((who, whom), record.position.sequence, event, &self.names)
        {
            let wrong = looked.err();
            self.breaks
                .check(Invariant::ProviderReconciles, wrong.is_none(), at, || {
                    wrong.unwrap_or_default()
                });
        }
        match event {
            Event::GiftSent(gift) => self.lanes.gift(whom, record.position.sequence, gift.tickets),
            Event::TicketsCredited(credit) => {
                let wrong = self.lanes.credit(who, credit);
                self.breaks
                    .check(Invariant::GiftsArrive, wrong.is_none(), at, || {
                        wrong.unwrap_or_default()
                    });
            }
            _ => {}
        }
        self.ledger.take(&Fact {
            place: at,
            at_ms: record.recorded_at_ms,
            key: record.key,
            who,
            whom,
            event,
        });
    }

    /// Takes a record that nobody can read: what it says cannot be compared with anything.
    pub(crate) fn undecodable(&mut self, record: &RecordRef<'_>, who: Number, what: &str) {
        self.in_order(record, who);
        self.breaks
            .note(Invariant::StatedIsPosted, place(record.position), what.to_owned());
    }

    /// Position, time and version follow the last ones. `who` is the number of the stream's key.
    fn in_order(&mut self, record: &RecordRef<'_>, who: Number) {
        let (position, at) = (record.position, place(record.position));
        if self
            .stored
            .as_ref()
            .is_some_and(|stored| position.sequence > stored.position)
        {
            self.compare();
        }
        let versions = &mut self.versions[record.kind as usize - 1];
        if who as usize >= versions.len() {
            versions.resize(who as usize + 1, 0);
        }
        let version = u64::from(versions[who as usize]) + 1;
        let (sequence, at_ms) = (self.records + 1, self.at_ms);
        let follows = position.shard == 0
            && position.sequence == sequence
            && record.recorded_at_ms >= at_ms
            && record.version == version;
        self.breaks.check(Invariant::InOrder, follows, at, || {
            format!(
                "record {} of version {} of {} at {} ms stands where {sequence} of version {version} belongs, not before {at_ms} ms",
                position.sequence,
                record.version,
                record.stream(),
                record.recorded_at_ms
            )
        });
        versions[who as usize] = u32::try_from(record.version).unwrap_or(u32::MAX);
        self.records = position.sequence;
        self.at_ms = record.recorded_at_ms.max(at_ms);
    }

    fn command(&mut self, record: &RecordRef<'_>, print: u64) {
        if !self.appends.begins(record, print) {
            return;
        }
        self.commands.add(print);
        self.breaks.checked(Invariant::ExactlyOnce);
        if matches!(
            record.event_type,
            EventType::CommandRefused | EventType::WithdrawalRefused
        ) {
            self.breaks.checked(Invariant::RefusedStays);
        }
    }

    /// What somebody asked for has the id under which it was asked, and what its user asked for the digest of the request.
    fn caused(&mut self, record: &RecordRef<'_>, at: Place) {
        let by_user = matches!(
            record.event_type,
            EventType::GiftSent | EventType::WithdrawalRequested
        );
        let by_cashier = matches!(
            record.event_type,
            EventType::CoinsRecharged | EventType::CoinsTakenBack
        );
        if !by_user && !by_cashier {
            return;
        }
        let known = record.command_id.is_some() && (by_cashier || record.request_hash != 0);
        if !known {
            let what = format!(
                "{} of {} has no command id, or no digest of its request",
                record.event_type.name(),
                record.stream()
            );
            self.breaks.note(Invariant::ExactlyOnce, at, what);
        }
    }

    fn correction(&mut self, record: &RecordRef<'_>, event: &Event, at: Place) {
        let reason = match event {
            Event::CoinsAdjusted(e) => &e.reason,
            Event::TicketsAdjusted(e) => &e.reason,
            Event::DebtForgiven(e) => &e.reason,
            Event::WithdrawalRejected(e) => &e.reason,
            _ => return,
        };
        let explained = !reason.trim().is_empty() && !record.actor.is_empty() && record.actor != record.key;
        self.breaks.check(Invariant::NothingEdited, explained, at, || {
            format!(
                "{} of {} by \"{}\" for the reason \"{reason}\"",
                record.event_type.name(),
                record.stream(),
                record.actor
            )
        });
    }

    /// Compares the stored ledger with the fold, which has reached its place.
    fn compare(&mut self) {
        let Some(stored) = self.stored.take() else { return };
        let equal = self.records == stored.position && self.ledger.digest(&self.names) == stored.digest;
        self.compared = Some(Compared {
            position: stored.position,
            equal,
        });
        let at = stored.position;
        self.breaks.check(Invariant::Deterministic, equal, at, || {
            "the stored view `balances` differs from this fold: `livehouse rebuild --check` says where".into()
        });
    }

    /// Takes what was found about the bytes.
    pub(crate) fn chain(&mut self, checked: Option<Checked>, damage: Option<Break>) {
        self.breaks.checks[usize::from(Invariant::ChainUnbroken.number()) - 1] =
            checked.map_or(0, |checked| checked.batches);
        if let Some(damage) = damage {
            self.breaks
                .note(Invariant::ChainUnbroken, damage.position, damage.what);
        }
        self.checked = checked;
    }

    /// Looks up commands that were there twice, if any were.
    pub(crate) fn confirm(&mut self, reader: &dyn Reader) -> Result<()> {
        let suspects = self.commands.suspects();
        if suspects.is_empty() {
            return Ok(());
        }
        for found in confirm(reader, &suspects, self.records)? {
            if let Some(invariant) = Invariant::from_number(found.invariant) {
                self.breaks.note(invariant, found.position, found.what);
            }
        }
        Ok(())
    }

    /// Adds everything up.
    pub(crate) fn finish(mut self, journal: JournalId, seconds: f64) -> Report {
        self.compare();
        let accounts = self.ledger.totals();
        let [coins, tickets] = [domain::ledger::Asset::Coin, domain::ledger::Asset::Ticket].map(|asset| {
            accounts
                .iter()
                .filter(|t| t.asset == asset)
                .map(|t| t.total)
                .sum::<i128>()
        });
        // After another break this one says nothing new.
        let sums_to_zero = (coins, tickets) == (0, 0) || self.ledger.broken_records() > 0;
        self.breaks
            .check(Invariant::Conservation, sums_to_zero, self.records, || {
                format!("all accounts together hold {coins} coins and {tickets} tickets")
            });
        let (gifts, tickets, streamers) = self.lanes.in_flight();
        let (owed, to_take_back) = self.provider.open(&self.names);
        Report {
            journal: journal.to_string(),
            records: self.records,
            seconds,
            chain: self.checked.map(|checked| hex(&checked.chain)),
            accounts,
            invariants: Invariant::ALL.map(|invariant| self.verdict(invariant)).into(),
            in_flight: InFlight {
                gifts,
                tickets,
                streamers,
            },
            open_withdrawals: self.ledger.open_holds(&self.names),
            owed,
            to_take_back,
            digest: hex(&self.ledger.digest(&self.names)),
            stored: self.compared,
        }
    }

    fn verdict(&self, invariant: Invariant) -> Verdict {
        let at = usize::from(invariant.number()) - 1;
        let both = [&self.breaks, self.ledger.breaks()];
        let firsts = both.iter().filter_map(|breaks| breaks.firsts[at].as_ref());
        Verdict {
            number: invariant.number(),
            promise: invariant.words(),
            checks: both.iter().map(|breaks| breaks.checks[at]).sum(),
            broken: firsts.min_by_key(|found| found.position).cloned(),
        }
    }
}

/// Events that the ledger does not post and the audit looks at all the same.
const fn beside_the_ledger(event: EventType) -> bool {
    matches!(
        event,
        EventType::OrderCreated
            | EventType::OrderPaid
            | EventType::OrderRefunded
            | EventType::PaymentReceived
            | EventType::PaymentRefunded
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
