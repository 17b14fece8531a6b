//! What an operator may set about recharges: what can be bought, and who takes the money.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use domain::{PackId, ProviderName};
use serde::{Deserialize, Serialize};

use super::Secret;

/// Packs that may be for sale at once.
const PACKS_MAX: usize = 100;
/// Providers that may be there at once.
const PROVIDERS_MAX: usize = 16;
/// Secrets of one provider that may be live at once.
const SECRETS_MAX: usize = 8;
/// Secrets of webhooks are at least this long: shorter ones can be guessed.
const SECRET_BYTES_MIN: usize = 32;
/// Coins and minor units of one pack: far below the highest balance, far above what anybody pays.
const PACK_AMOUNT_MAX: u64 = 1_000_000_000;

/// So many coins for so much money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Its id.
    pub id: PackId,
    /// What it gives, in coins, at least 1.
    pub coins: u64,
    /// What it costs, in minor units of `currency`, at least 1.
    pub price: u64,
}

/// Who takes the money.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentsConfig {
    /// The providers; new orders are paid at the first, webhooks are taken from all.
    pub providers: Vec<ProviderConfig>,
}

/// One provider with signed webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Its name, as in `/payments/webhook/NAME`. It is part of every payment's identity: never change it.
    pub name: ProviderName,
    /// The secrets that its webhooks may be signed with.
    pub secrets: Vec<Secret>,
    /// The page where users pay, with `{order}` and, if it wants them, `{amount}` and `{currency}`.
    pub pay_url: String,
}

impl PaymentsConfig {
    /// Says what is wrong, if something is.
    pub fn check(&self) -> Result<()> {
        if self.providers.len() > PROVIDERS_MAX {
            bail!("payments.providers: at most {PROVIDERS_MAX} may be listed");
        }
        let mut names = BTreeSet::new();
        for provider in &self.providers {
            let name = &provider.name;
            if !names.insert(name) {
                bail!("payments.providers: {name} is listed twice");
            }
            let secrets = &provider.secrets;
            if !(1..=SECRETS_MAX).contains(&secrets.len()) {
                bail!("payments.providers: {name}: secrets must be 1 to {SECRETS_MAX}");
            }
            if secrets.iter().any(|s| s.reveal().len() < SECRET_BYTES_MIN) {
                bail!(
                    "payments.providers: {name}: secrets must have at least {SECRET_BYTES_MIN} bytes, as from `openssl rand -hex 32`"
                );
            }
            if !provider.pay_url.contains("{order}") {
                bail!("payments.providers: {name}: pay_url must contain {{order}}");
            }
        }
        Ok(())
    }
}

/// Says what is wrong with the packs, if something is.
pub(super) fn check_packs(packs: &[Pack]) -> Result<()> {
    if packs.len() > PACKS_MAX {
        bail!("packs: at most {PACKS_MAX} may be listed");
    }
    let mut ids = BTreeSet::new();
    for Pack { id, coins, price } in packs {
        if !ids.insert(id) {
            bail!("packs: {id} is listed twice");
        }
        let amounts = 1..=PACK_AMOUNT_MAX;
        if !amounts.contains(coins) || !amounts.contains(price) {
            bail!("packs: {id}: coins and price must be 1 to {PACK_AMOUNT_MAX}");
        }
    }
    Ok(())
}

/// A coin for 0.1 yuan.
pub(super) fn default_packs() -> Vec<Pack> {
    [60, 300, 980, 2_980, 6_480]
        .into_iter()
        .map(|coins| Pack {
            id: format!("coins-{coins}")
                .parse()
                .expect("the ids above are well formed"),
            coins,
            price: coins * 10,
        })
        .collect()
}
