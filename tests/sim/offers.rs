//! The gifts on offer as a plain list over time, written a second time.

use std::collections::BTreeMap;

use domain::event::{GiftDelisted, GiftListed};
use domain::{Event, Gift, Rejection};

use crate::life::id;
use crate::model::{Seen, Verdict};
use crate::script::{Body, GIFTS};

const GIFTS_HIGHEST: usize = 1_000;
const PRICE_HIGHEST: u64 = 1_000_000_000;

/// Coins and tickets of one.
pub type Price = (u64, u64);

/// See the module.
#[derive(Debug, Default, Clone)]
pub struct Offers {
    now: BTreeMap<String, (String, Price)>,
    /// By gift: place and offer from there on.
    changes: BTreeMap<String, Vec<(u64, Option<Price>)>>,
}

impl Offers {
    /// What a house without a catalogue of its own has on offer from the beginning.
    pub fn built_in() -> Self {
        let mut offers = Self::default();
        for (gift, coins, tickets) in GIFTS {
            offers
                .now
                .insert(gift.to_owned(), (gift.to_owned(), (coins, tickets)));
            offers
                .changes
                .insert(gift.to_owned(), vec![(0, Some((coins, tickets)))]);
        }
        offers
    }

    /// Every offer of a gift that held at some moment between two places.
    pub fn between(&self, gift: &str, from: u64, upto: u64) -> Vec<Option<Price>> {
        let changes = self.changes.get(gift).map_or(&[][..], Vec::as_slice);
        let before = changes.iter().rev().find(|(place, _)| *place <= from);
        let mut offers = vec![before.and_then(|(_, offer)| *offer)];
        let meanwhile = changes
            .iter()
            .filter(|(place, _)| (from + 1..=upto).contains(place));
        offers.extend(meanwhile.map(|(_, offer)| *offer));
        offers
    }

    /// What the rules make of an order of staff.
    pub fn verdict(&self, body: &Body) -> Verdict {
        match body {
            Body::List {
                gift,
                name,
                coins,
                tickets,
            } => {
                let name = name.kept.clone()?;
                if !(1..=PRICE_HIGHEST).contains(coins) || *tickets > PRICE_HIGHEST {
                    return Err(Rejection::BadPrice);
                }
                match self.now.get(gift) {
                    Some(known) if *known == (name.clone(), (*coins, *tickets)) => return Ok(Vec::new()),
                    None if self.now.len() >= GIFTS_HIGHEST => return Err(Rejection::CatalogueFull),
                    _ => {}
                }
                let (coins, tickets) = (*coins, *tickets);
                let gift = Gift {
                    id: id(gift),
                    name,
                    coins,
                    tickets,
                };
                Ok(vec![GiftListed { gift }.into()])
            }
            Body::Delist { gift } if !self.now.contains_key(gift) => Err(Rejection::UnknownGift),
            Body::Delist { gift } => Ok(vec![GiftDelisted { gift: id(gift) }.into()]),
            other => panic!("{other:?} is nothing for the catalogue"),
        }
    }

    /// Takes an event.
    pub fn apply(&mut self, seen: &Seen) {
        let (gift, offer) = match &seen.event {
            Event::GiftListed(e) => {
                let price = (e.gift.coins, e.gift.tickets);
                self.now
                    .insert(e.gift.id.to_string(), (e.gift.name.clone(), price));
                (e.gift.id.to_string(), Some(price))
            }
            Event::GiftDelisted(e) => {
                self.now.remove(e.gift.as_str());
                (e.gift.to_string(), None)
            }
            _ => return,
        };
        self.changes.entry(gift).or_default().push((seen.sequence, offer));
    }
}
