//! The gifts on offer and what they cost, as staff list and delist them. Prices are copied into every gift's event: a
//! change never rewrites history.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::{GiftDelisted, GiftListed};
use crate::limits::{GIFT_NAME_CHARS_MAX, GIFTS_MAX};
use crate::{Aggregate, Context, Decision, Event, GiftId, Rejection, StreamKind, UserId, text};

/// What the catalogue can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Offer a gift, or offer it otherwise from here on.
    List(Gift),
    /// Offer it no more.
    Delist {
        /// Which.
        gift: GiftId,
    },
}

/// What the catalogue says when it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The offer is so, now or before.
    Changed,
}

/// One entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    /// Its id.
    pub id: GiftId,
    /// What people see.
    pub name: String,
    /// Price of one, in coins; at least 1.
    pub coins: u64,
    /// What the streamer earns by one, in tickets (1 ticket = 0.1 yuan); may be 0.
    pub tickets: u64,
}

/// Why a list of gifts is no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Two gifts of one id.
    #[error("gift {0} is listed twice")]
    Twice(GiftId),
    /// A gift without a price, or one too large to multiply by a combo.
    #[error("gift {0}: coins must be 1 to 1000000000 and tickets 0 to 1000000000")]
    Price(GiftId),
}

const PRICE_MAX: u64 = 1_000_000_000;

impl Gift {
    fn has_a_price(&self) -> bool {
        (1..=PRICE_MAX).contains(&self.coins) && self.tickets <= PRICE_MAX
    }
}

/// The gifts on offer, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Catalogue(BTreeMap<GiftId, Gift>);

impl Catalogue {
    /// A catalogue of these gifts.
    pub fn new(gifts: impl IntoIterator<Item = Gift>) -> Result<Self, CatalogueError> {
        let mut by_id = BTreeMap::new();
        for gift in gifts {
            if !gift.has_a_price() {
                return Err(CatalogueError::Price(gift.id));
            }
            if let Some(twice) = by_id.insert(gift.id.clone(), gift) {
                return Err(CatalogueError::Twice(twice.id));
            }
        }
        Ok(Self(by_id))
    }

    /// The gift of this id.
    pub fn get(&self, id: &GiftId) -> Option<&Gift> {
        self.0.get(id)
    }

    /// All gifts, cheapest first.
    pub fn by_price(&self) -> Vec<&Gift> {
        let mut gifts: Vec<_> = self.0.values().collect();
        gifts.sort_by(|a, b| (a.coins, &a.id).cmp(&(b.coins, &b.id)));
        gifts
    }

    /// Whether nothing is on offer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn list(&self, gift: &Gift) -> Result<Decision<Answer>, Rejection> {
        let name = text::clean(&gift.name, GIFT_NAME_CHARS_MAX)?;
        if !gift.has_a_price() {
            return Err(Rejection::BadPrice);
        }
        let gift = Gift { name, ..gift.clone() };
        match self.get(&gift.id) {
            Some(known) if *known == gift => return Ok(Decision::Already(Answer::Changed)),
            None if self.0.len() >= GIFTS_MAX => return Err(Rejection::CatalogueFull),
            _ => {}
        }
        Ok(Decision::happens(GiftListed { gift }))
    }

    fn delist(&self, gift: &GiftId) -> Result<Decision<Answer>, Rejection> {
        if self.get(gift).is_none() {
            return Err(Rejection::UnknownGift);
        }
        Ok(Decision::happens(GiftDelisted { gift: gift.clone() }))
    }
}

impl Aggregate for Catalogue {
    const KIND: StreamKind = StreamKind::Catalogue;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Command;
    type Answer = Answer;

    fn new(_: &UserId) -> Self {
        Self::default()
    }

    fn decide(&self, command: &Command, _: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::List(gift) => self.list(gift),
            Command::Delist { gift } => self.delist(gift),
        }
    }

    fn evolve(&mut self, event: &Event, _: i64) {
        match event {
            Event::GiftListed(e) => _ = self.0.insert(e.gift.id.clone(), e.gift.clone()),
            Event::GiftDelisted(e) => _ = self.0.remove(&e.gift),
            _ => {}
        }
    }

    fn answer(_: &Event) -> Result<Answer, Rejection> {
        Ok(Answer::Changed)
    }

    fn refused(_: &Command, _: Rejection) -> Option<Event> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
