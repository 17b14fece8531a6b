//! The gifts on offer and what they cost. Prices are copied into every event: a change never rewrites history.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::GiftId;

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

/// The gifts on offer, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue(BTreeMap<GiftId, Gift>);

impl Catalogue {
    /// A catalogue of these gifts.
    pub fn new(gifts: impl IntoIterator<Item = Gift>) -> Result<Self, CatalogueError> {
        let mut by_id = BTreeMap::new();
        for gift in gifts {
            if gift.coins == 0 || gift.coins > PRICE_MAX || gift.tickets > PRICE_MAX {
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
}
