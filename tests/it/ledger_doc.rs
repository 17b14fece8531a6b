//! Keeps docs/ledger.md true: its table of postings names exactly the events that post, and the accounts they post to.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::EventType;
use domain::ledger::postings;
use projections::ledger::Invariant;

use crate::events_doc::sample;

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ledger.md");
    std::fs::read_to_string(path).expect("docs/ledger.md")
}

/// The rows of the table below a heading: their cells.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = text.split_once(heading).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    lines.map(cells).collect()
}

/// What stands between backticks.
fn names(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_table_of_postings_is_true() {
    let said: BTreeMap<String, BTreeSet<String>> = rows(&document(), "## Postings")
        .iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), names(&row[2..].join(" "))))
        .collect();
    let accounts: BTreeSet<String> = rows(&document(), "## Accounts")
        .iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let mut posting = BTreeSet::new();
    for &event_type in EventType::ALL {
        let event = sample(event_type);
        let mut posted = BTreeSet::new();
        postings(&event, "ann", |line| {
            _ = posted.insert(line.account.word().to_owned())
        });
        if posted.is_empty() {
            continue;
        }
        posting.insert(event_type.name().to_owned());
        let row = said
            .get(event_type.name())
            .unwrap_or_else(|| panic!("no row for {}", event_type.name()));
        assert!(
            posted.is_subset(row),
            "{}: {posted:?}, said are {row:?}",
            event_type.name()
        );
        assert!(row.is_subset(&accounts), "{row:?} are not all accounts");
    }
    let said: BTreeSet<_> = said.into_keys().collect();
    assert_eq!(posting, said, "the events that post");
}

#[test]
fn the_table_of_promises_has_every_invariant() {
    let numbers: Vec<_> = rows(&document(), "## The promises")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    let all: Vec<_> = Invariant::ALL.iter().map(|i| i.number().to_string()).collect();
    assert_eq!(numbers, all);
}
