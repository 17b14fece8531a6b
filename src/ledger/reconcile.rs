//! A payment provider's own file of a day against the journal: what is missing on either side, what differs, and what was
//! set aside.
//!
//! A line of the file is looked up by its payment's id, whatever day the journal has it on. A payment of the day that
//! is not in the file is missing there.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use domain::{Event, ProviderName};
use journal::{Reader, Record, codec};
use projections::{Day, Zone};
use serde::Serialize;

use super::calendar::{begins_ms, ends_ms, stamp};
use super::limits::{RECONCILE_EDGE_MS, RECONCILE_LINES_MAX};
use super::provider::{Kind, Movement, known, movements, stream_of};

/// One line of the provider's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theirs {
    /// Its number in the file, counted from 1; the head is line 1.
    pub line: u64,
    /// The payment.
    pub payment: String,
    /// The order, if the file names it.
    pub order: Option<String>,
    /// Which way.
    pub kind: Kind,
    /// How much, in minor units.
    pub amount: u64,
    /// In which currency.
    pub currency: String,
    /// When, in the provider's words.
    pub time: Option<String>,
}

/// Why a file cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// It is not CSV.
    #[error("the file is not CSV: {0}")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error(
        "the file's first line names no column `{0}`: it needs payment, type, amount and currency, and may have order and time"
    )]
    Column(&'static str),
    /// A field has no meaning.
    #[error("line {line}: {what}")]
    Field {
        /// Which line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// It is too long.
    #[error("the file has more than {RECONCILE_LINES_MAX} lines: compare it in parts")]
    TooLong,
}

/// Reads a provider's file. Columns come in any order and any case; others than those above are not looked at.
pub fn read(mut file: impl Read) -> Result<Vec<Theirs>, BadFile> {
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(csv::Error::from)?;
    let mut lines = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(&*text);
    let head = lines.headers()?.clone();
    let named = |name: &str| {
        let matches = |column: &str| column.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name);
        head.iter().position(matches)
    };
    let column = |name: &'static str| named(name).ok_or(BadFile::Column(name));
    let (payment, kind) = (column("payment")?, column("type")?);
    let (amount, currency) = (column("amount")?, column("currency")?);
    let (order, time) = (named("order"), named("time"));
    let mut found = Vec::new();
    for record in lines.records() {
        let record = record?;
        if found.len() >= RECONCILE_LINES_MAX {
            return Err(BadFile::TooLong);
        }
        let line = record.position().map_or(0, |at| line_of(&text, at));
        let field = |at: usize| record.get(at).unwrap_or_default();
        let bad = |what: String| BadFile::Field { line, what };
        let optional = |at: Option<usize>| at.map(field).filter(|text| !text.is_empty()).map(str::to_owned);
        if field(payment).is_empty() {
            return Err(bad("no payment is named".into()));
        }
        found.push(Theirs {
            line,
            payment: field(payment).to_owned(),
            order: optional(order),
            kind: kind_of(field(kind))
                .ok_or_else(|| bad(format!("type is {:?}: it must be payment or refund", field(kind))))?,
            amount: field(amount).parse().map_err(|_| {
                bad(format!(
                    "amount is {:?}: it must be whole minor units, as in 1250 for 12.50",
                    field(amount)
                ))
            })?,
            currency: field(currency).to_ascii_uppercase(),
            time: optional(time),
        });
    }
    Ok(found)
}

/// The line of a record: its position is where the one before it ended, with the empty lines between them still to come.
fn line_of(text: &[u8], at: &csv::Position) -> u64 {
    let rest = usize::try_from(at.byte()).ok().and_then(|from| text.get(from..));
    let between = rest
        .unwrap_or_default()
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    at.line() + between.filter(|byte| **byte == b'\n').count() as u64
}

fn kind_of(text: &str) -> Option<Kind> {
    [Kind::Payment, Kind::Refund]
        .into_iter()
        .find(|kind| text.eq_ignore_ascii_case(kind.word()))
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The payment.
    pub payment: String,
    /// Which way.
    pub r#type: Kind,
    /// What exactly, for people.
    pub what: String,
    /// The line of the file; none for what is not in it.
    pub line: Option<u64>,
    /// Where it stands in the journal; none for what is not in it.
    pub position: Option<u64>,
    /// The amount in minor units, theirs where it is in the file.
    pub amount: u64,
    /// Its currency.
    pub currency: String,
}

/// What the comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Lines of the file.
    pub lines: u64,
    /// Payments and refunds of the day in the journal.
    pub records: u64,
    /// Lines that agree with the journal.
    pub agree: u64,
    /// In the file, not in the journal.
    pub missing_here: Vec<Finding>,
    /// In the journal, not in the file.
    pub missing_there: Vec<Finding>,
    /// In both, with another amount, currency or order.
    pub other: Vec<Finding>,
    /// In the file more than once.
    pub twice: Vec<Finding>,
    /// Payments of the day that fit no order, were set aside, and were not given back.
    pub set_aside: Vec<Finding>,
    /// Lines that agree with a record of another day; no difference.
    pub other_day: Vec<Finding>,
}

impl Differences {
    /// Whether nothing is left to look at.
    pub fn is_clean(&self) -> bool {
        let lists = [
            &self.missing_here,
            &self.missing_there,
            &self.other,
            &self.twice,
            &self.set_aside,
        ];
        lists.iter().all(|list| list.is_empty())
    }
}

/// Compares a file with the journal.
pub async fn compare(
    reader: &dyn Reader,
    provider: &ProviderName,
    theirs: &[Theirs],
    when: (Day, Zone),
    progress: impl FnMut(u64, u64),
) -> Result<Differences, super::statement::Error> {
    let ours = movements(reader, provider, when, progress).await?;
    let mut found = Differences {
        lines: theirs.len() as u64,
        records: ours.len() as u64,
        ..Differences::default()
    };
    let mut seen: HashMap<(&str, Kind), u64> = HashMap::new();
    for line in theirs {
        if let Some(earlier) = seen.insert((line.payment.as_str(), line.kind), line.line) {
            let what = format!("stands in line {earlier} already");
            found.twice.push(of_theirs(line, None, what));
            continue;
        }
        found.look_up(reader, provider, line, when).await?;
    }
    for movement in &ours {
        if !seen.contains_key(&(movement.payment.as_str(), movement.kind)) {
            found
                .missing_there
                .push(of_ours(movement, missing_there(movement, when)));
        }
    }
    found.look_for_set_aside(reader, provider, &ours).await?;
    Ok(found)
}

impl Differences {
    async fn look_up(
        &mut self,
        reader: &dyn Reader,
        provider: &ProviderName,
        line: &Theirs,
        (day, zone): (Day, Zone),
    ) -> journal::Result<()> {
        let records = match stream_of(provider, &line.payment) {
            Some(stream) => known(reader, &stream).await?,
            None => Vec::new(),
        };
        let mut ours = None;
        for record in &records {
            let movement = Movement::of(provider, record)?;
            ours = ours.or(movement.filter(|movement| movement.kind == line.kind));
        }
        let Some(ours) = ours else {
            let what = if records.is_empty() {
                "no such payment came here"
            } else {
                "the payment is here, its refund is not"
            };
            self.missing_here.push(of_theirs(line, None, what.into()));
            return Ok(());
        };
        let apart = apart(line, &ours);
        let position = Some(ours.position);
        if !apart.is_empty() {
            self.other.push(of_theirs(line, position, apart.join(", ")));
        } else if Day::of(ours.at_ms, zone) == day {
            self.agree += 1;
        } else {
            self.agree += 1;
            let what = format!("recorded here at {}", stamp(ours.at_ms, zone));
            self.other_day.push(of_theirs(line, position, what));
        }
        Ok(())
    }

    async fn look_for_set_aside(
        &mut self,
        reader: &dyn Reader,
        provider: &ProviderName,
        ours: &[Movement],
    ) -> journal::Result<()> {
        let mut looked_at = HashSet::new();
        for movement in ours {
            let Some(stream) = stream_of(provider, &movement.payment) else {
                continue;
            };
            if !looked_at.insert(movement.payment.as_str()) {
                continue;
            }
            if let Some(why) = set_aside(&known(reader, &stream).await?)? {
                self.set_aside.push(of_ours(movement, why));
            }
        }
        Ok(())
    }
}

/// What a line and a record do not agree on.
fn apart(theirs: &Theirs, ours: &Movement) -> Vec<String> {
    let mut apart = Vec::new();
    if theirs.amount != ours.amount {
        apart.push(format!("amount {} there, {} here", theirs.amount, ours.amount));
    }
    if theirs.currency != ours.currency {
        apart.push(format!(
            "currency {} there, {} here",
            theirs.currency, ours.currency
        ));
    }
    if let Some(order) = theirs
        .order
        .as_deref()
        .filter(|order| *order != ours.order.as_str())
    {
        apart.push(format!("order {order} there, {} here", ours.order));
    }
    apart
}

/// Why a payment was set aside, unless it was given back since.
fn set_aside(records: &[Record]) -> journal::Result<Option<String>> {
    let mut why = None;
    for record in records {
        match codec::decode(&record.as_ref())? {
            Event::PaymentUnmatched(e) => {
                why = Some(format!(
                    "fits no order ({}): {}, {}",
                    e.order,
                    e.rejection.code(),
                    e.rejection
                ));
            }
            Event::PaymentRefunded(_) => return Ok(None),
            _ => {}
        }
    }
    Ok(why)
}

fn missing_there(movement: &Movement, (day, zone): (Day, Zone)) -> String {
    let edge = |ms: i64| (movement.at_ms - ms).abs() <= RECONCILE_EDGE_MS;
    let at = stamp(movement.at_ms, zone);
    if edge(begins_ms(day, zone)) || edge(ends_ms(day, zone)) {
        return format!(
            "recorded here at {at}, close to the day's edge: look into the file of the day beside it"
        );
    }
    format!("recorded here at {at}")
}

fn of_theirs(line: &Theirs, position: Option<u64>, what: String) -> Finding {
    Finding {
        payment: line.payment.clone(),
        r#type: line.kind,
        what,
        line: Some(line.line),
        position,
        amount: line.amount,
        currency: line.currency.clone(),
    }
}

fn of_ours(movement: &Movement, what: String) -> Finding {
    Finding {
        payment: movement.payment.clone(),
        r#type: movement.kind,
        what,
        line: None,
        position: Some(movement.position),
        amount: movement.amount,
        currency: movement.currency.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_in_any_order_and_case() {
        let file = "Currency, AMOUNT,extra,type,payment\ncny,1250,x,Payment,p1\n\nUSD,7,,refund,p2\n";
        let found = read(file.as_bytes()).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|t| {
                (
                    t.line,
                    &*t.payment,
                    t.kind,
                    t.amount,
                    &*t.currency,
                    t.order.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (2, "p1", Kind::Payment, 1_250, "CNY", None),
                (4, "p2", Kind::Refund, 7, "USD", None)
            ]
        );
    }

    #[test]
    fn a_mistake_in_a_file_is_named_with_its_line() {
        for (file, word) in [
            ("", "payment"),
            ("payment,type,currency\n", "amount"),
            ("payment,type,amount,currency\np1,payment,12.50,CNY\n", "line 2"),
            ("payment,type,amount,currency\np1,payment,-1,CNY\n", "minor units"),
            (
                "payment,type,amount,currency\np1,gift,1,CNY\n",
                "payment or refund",
            ),
            ("payment,type,amount,currency\n,payment,1,CNY\n", "no payment"),
        ] {
            let error = read(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{file:?}: {error}");
        }
    }
}
