//! The combo that a gift was a step of: its steps around the command, and its end.

use domain::{ComboId, Event};
use journal::{Position, Reader, Record, codec};
use projections::Zone;
use serde::Serialize;

use crate::ledger::calendar::stamp;
use crate::ledger::history::Backwards;
use crate::ledger::limits::{COMBO_RECORDS_MAX, STREAM_PAGE_RECORDS};

/// Steps that come so long after a combo's end, in ms, are another combo of the same name.
const AFTER_END_MS: i64 = 60_000;

/// A combo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Combo {
    /// Its name.
    pub id: String,
    /// In which room.
    pub room: String,
    /// Of which gift.
    pub gift: String,
    /// The total that it has reached.
    pub total: u32,
    /// Its steps, in order.
    pub steps: Vec<ComboStep>,
    /// Whether its first step is among them; else it began farther back than was looked.
    pub complete: bool,
    /// Its end; none when it runs, or ended farther on than was looked.
    pub end: Option<ComboEnd>,
}

/// One step of a combo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComboStep {
    /// Where it stands.
    pub position: u64,
    /// Server time, unix ms.
    pub time: i64,
    /// How many it added; 0 for one that was there already.
    pub count: u32,
    /// The total after it.
    pub total: u32,
    /// What it cost.
    pub coins: u64,
}

/// The end of a combo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComboEnd {
    /// Where it stands.
    pub position: u64,
    /// Server time, unix ms.
    pub time: i64,
    /// The same, for people.
    pub at: String,
    /// The final total.
    pub total: u32,
    /// Who said so.
    pub by: String,
}

fn id_of(event: &Event) -> Option<&ComboId> {
    match event {
        Event::GiftSent(e) => e.combo.as_ref().map(|step| &step.id),
        Event::ComboRepeated(e) => Some(&e.combo.id),
        Event::ComboEnded(e) => Some(&e.combo.id),
        _ => None,
    }
}

/// The combo of an event, if it is of one.
pub(super) async fn of(
    reader: &dyn Reader,
    first: &Record,
    event: &Event,
    zone: Zone,
) -> journal::Result<Option<Combo>> {
    let Some(id) = id_of(event) else { return Ok(None) };
    let mut combo = Combo {
        id: id.to_string(),
        room: String::new(),
        gift: String::new(),
        total: 0,
        steps: Vec::new(),
        complete: false,
        end: None,
    };
    combo.look_back(reader, first, id, zone).await?;
    combo.look_ahead(reader, first, id, zone).await?;
    combo.steps.sort_by_key(|step| step.position);
    Ok(Some(combo))
}

impl Combo {
    /// From the command back to the first step, whose total is its own count.
    async fn look_back(
        &mut self,
        reader: &dyn Reader,
        first: &Record,
        id: &ComboId,
        zone: Zone,
    ) -> journal::Result<()> {
        let mut records = Backwards::open(reader, first.stream.clone(), Some(first.version)).await?;
        for _ in 0..COMBO_RECORDS_MAX {
            if self.complete {
                break;
            }
            let Some(record) = records.next().await? else {
                break;
            };
            self.note(&record, id, zone)?;
        }
        Ok(())
    }

    /// From the command on to the end, and to steps that came a little later.
    async fn look_ahead(
        &mut self,
        reader: &dyn Reader,
        first: &Record,
        id: &ComboId,
        zone: Zone,
    ) -> journal::Result<()> {
        let (mut version, last) = (first.version, first.version + COMBO_RECORDS_MAX);
        while version < last {
            let many = STREAM_PAGE_RECORDS.min((last - version) as usize);
            let records = reader
                .read_stream(&first.stream, version, Position::start(0), many)
                .await?;
            let Some(newest) = records.last() else { break };
            version = newest.version;
            for record in &records {
                let ended = self.end.as_ref().map(|end| end.time + AFTER_END_MS);
                if ended.is_some_and(|ended| record.recorded_at_ms > ended) {
                    return Ok(());
                }
                self.note(record, id, zone)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, record: &Record, id: &ComboId, zone: Zone) -> journal::Result<()> {
        let event = codec::decode(&record.as_ref())?;
        if id_of(&event) != Some(id) {
            return Ok(());
        }
        let (count, total, coins) = match &event {
            Event::GiftSent(e) => {
                (self.room, self.gift) = (e.room.to_string(), e.gift.to_string());
                let total = e.combo.as_ref().map_or(0, |step| step.total);
                self.complete |= total == e.count;
                (e.count, total, e.coins)
            }
            Event::ComboRepeated(e) => (0, e.combo.total, 0),
            Event::ComboEnded(e) => {
                (self.room, self.gift) = (e.room.to_string(), e.gift.to_string());
                self.total = self.total.max(e.combo.total);
                self.end = Some(ComboEnd {
                    position: record.position.sequence,
                    time: record.recorded_at_ms,
                    at: stamp(record.recorded_at_ms, zone),
                    total: e.combo.total,
                    by: record.cause.actor.to_string(),
                });
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.total = self.total.max(total);
        self.steps.push(ComboStep {
            position: record.position.sequence,
            time: record.recorded_at_ms,
            count,
            total,
            coins,
        });
        Ok(())
    }
}
