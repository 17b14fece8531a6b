//! Payment providers: where a user pays for an order, and what a provider's webhook says, once it is known to be genuine.
//!
//! Nothing is decided here: a notification becomes a command to the payment's own actor, and the cashier does the rest.
//! It must never believe a body whose signature does not hold, and never say more about one than why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::HeaderMap;
use anyhow::Result;
use domain::event::PaymentReceived;
use domain::{Currency, OrderId, PackId, PaymentId, ProviderName};
use serde::Serialize;

use crate::config::{Config, Pack};

mod sandbox;
mod signed;

pub use sandbox::Sandbox;
pub use signed::SignedWebhooks;

/// The longest webhook that is read, in bytes; a longer one is answered with 413.
pub const WEBHOOK_BYTES_MAX: usize = 65_536;

/// What a user is to pay.
#[derive(Debug, Clone)]
pub struct Bill {
    /// For which order.
    pub order: OrderId,
    /// How much, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
}

/// A webhook as it came.
pub struct Webhook<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, byte for byte: the signature is over it.
    pub body: &'a [u8],
    /// Server time, unix ms.
    pub now_ms: i64,
}

/// What a genuine webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Money has come in.
    Received(PaymentReceived),
    /// A whole payment was given back.
    Refunded {
        /// Which.
        payment: PaymentId,
        /// How much, in minor units.
        amount: u64,
        /// In which currency.
        currency: Currency,
    },
    /// Something that does not concern us. The provider need not say it again.
    Other,
}

/// Why a webhook is not believed, or not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The signature is missing, malformed or of no live secret.
    #[error("{0}")]
    Forged(&'static str),
    /// The signature holds and its time lies too far from ours.
    #[error("the signature is {0} s away from the server's time, and at most 300 are taken")]
    Stale(u64),
    /// It is genuine, and no notification.
    #[error("{0}")]
    Malformed(String),
}

/// The port of a payment provider.
pub trait PaymentProvider: Send + Sync {
    /// Its name, as in `/payments/webhook/NAME`.
    fn name(&self) -> &ProviderName;

    /// Where the user pays.
    fn pay_url(&self, bill: &Bill) -> String;

    /// Checks who sent a webhook, then reads it.
    fn read(&self, webhook: &Webhook<'_>) -> Result<Notification, Unread>;
}

/// What can be bought, and how it is paid.
#[derive(Default)]
pub struct Payments {
    packs: Vec<Pack>,
    currency: Option<Currency>,
    providers: Vec<Arc<dyn PaymentProvider>>,
    /// What became of webhooks.
    pub webhooks: Webhooks,
}

/// A pack as clients see it.
#[derive(Debug, Clone, Serialize)]
pub struct Offer {
    /// Its id.
    pub id: PackId,
    /// What it gives, in coins.
    pub coins: u64,
    /// What it costs, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
}

impl Payments {
    /// What the configuration says.
    pub fn new(config: &Config) -> Result<Self> {
        config.payments.check()?;
        let signed = |provider| -> Arc<dyn PaymentProvider> { Arc::new(SignedWebhooks::new(provider)) };
        Ok(Self {
            packs: config.packs.clone(),
            currency: Some(config.currency.clone()),
            providers: config.payments.providers.iter().map(signed).collect(),
            webhooks: Webhooks::default(),
        })
    }

    /// What can be bought now: nothing while there is nobody to pay.
    pub fn offers(&self) -> impl Iterator<Item = Offer> {
        let currency = self.currency.clone().filter(|_| !self.providers.is_empty());
        currency.into_iter().flat_map(|currency| {
            self.packs.iter().map(move |pack| Offer {
                id: pack.id.clone(),
                coins: pack.coins,
                price: pack.price,
                currency: currency.clone(),
            })
        })
    }

    /// Where new orders are paid: the first of the configuration.
    pub fn first(&self) -> Option<&dyn PaymentProvider> {
        self.providers.first().map(|provider| &**provider)
    }

    /// The provider of a name.
    pub fn provider(&self, name: &str) -> Option<&dyn PaymentProvider> {
        let of_name = self.providers.iter().find(|p| p.name().as_str() == name)?;
        Some(&**of_name)
    }
}

macro_rules! fates {
    ($($(#[$doc:meta])* $name:ident, $word:literal;)*) => {
        /// What became of one webhook.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fate {
            $($(#[$doc])* $name,)*
        }

        impl Fate {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its short name, as in metrics.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }

        /// Webhooks by what became of them.
        #[derive(Debug, Default)]
        pub struct Webhooks([AtomicU64; [$($word,)*].len()]);
    };
}

fates! {
    /// Its event is durable, now or before.
    Taken, "taken";
    /// It was of a type that does not concern us.
    Ignored, "ignored";
    /// It names no provider of ours.
    UnknownProvider, "unknown_provider";
    /// Its signature does not hold.
    Forged, "forged";
    /// It was signed too long ago, or by a clock that goes wrong.
    Stale, "stale";
    /// It is genuine and cannot be read.
    Malformed, "malformed";
    /// It contradicts what was said before.
    Contradicting, "contradicting";
    /// A refund of a payment that has not come yet.
    Early, "early";
    /// It could not be made durable now.
    Busy, "busy";
}

impl Webhooks {
    /// One more.
    pub fn count(&self, fate: Fate) {
        self.0[fate as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many, by name.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let count = |fate: &Fate| (fate.word(), self.0[*fate as usize].load(Ordering::Relaxed));
        Fate::ALL.iter().map(count).collect()
    }
}
