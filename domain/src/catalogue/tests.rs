//! Given, when, then for the catalogue.

use alloc::format;
use alloc::vec::Vec;

use super::*;
use crate::testkit::{check, check_refused, given, id};

const KEY: &str = "gifts";

fn gift(name: &str, coins: u64, tickets: u64) -> Gift {
    Gift {
        id: id(name),
        name: "Rose".into(),
        coins,
        tickets,
    }
}

fn listed(gift: Gift) -> Event {
    GiftListed { gift }.into()
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    use Rejection as R;
    let full: Vec<_> = (0..GIFTS_MAX)
        .map(|n| listed(gift(&format!("g{n}"), 1, 1)))
        .collect();
    let unnamed = Gift {
        name: "\u{7}".into(),
        ..gift("rose", 1, 1)
    };
    let table: Vec<(&[Event], Command, R)> = Vec::from([
        (&[][..], Command::List(unnamed), R::TextEmpty),
        (&[], Command::List(gift("rose", 0, 1)), R::BadPrice),
        (&[], Command::List(gift("rose", PRICE_MAX + 1, 1)), R::BadPrice),
        (&[], Command::List(gift("rose", 1, PRICE_MAX + 1)), R::BadPrice),
        (&full, Command::List(gift("rose", 1, 1)), R::CatalogueFull),
        (&[], Command::Delist { gift: id("rose") }, R::UnknownGift),
    ]);
    for (given, when, then) in &table {
        check_refused::<Catalogue>(KEY, given, when, *then);
    }
    table.into_iter().map(|(.., refusal)| refusal).collect()
}

#[test]
fn a_gift_is_listed_repriced_and_delisted() {
    let (rose, dear) = (gift("rose", 10, 5), gift("rose", 12, 5));
    let delist = Command::Delist { gift: id("rose") };
    let delisted = Event::from(GiftDelisted { gift: id("rose") });
    check::<Catalogue>(KEY, &[], &Command::List(rose.clone()), &[listed(rose.clone())]);
    check::<Catalogue>(KEY, &[listed(rose.clone())], &Command::List(rose.clone()), &[]);
    let repriced = [listed(rose.clone()), listed(dear.clone())];
    check::<Catalogue>(KEY, &repriced[..1], &Command::List(dear.clone()), &repriced[1..]);
    check::<Catalogue>(KEY, &repriced, &delist, core::slice::from_ref(&delisted));
    let catalogue = given::<Catalogue>(KEY, &repriced);
    assert_eq!(catalogue.by_price(), [&dear]);
    assert!(given::<Catalogue>(KEY, &[listed(rose), delisted]).is_empty());
}
