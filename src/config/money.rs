//! How tickets are paid out, and who of staff may look after it.

use anyhow::{Context, Result, bail, ensure};
use domain::StaffId;
use domain::streamer::PayoutTerms;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::admin::{Role, password};

/// Secrets that payouts are signed with are at least this long.
const SECRET_BYTES_MIN: usize = 32;
/// Most of staff.
const STAFF_MAX: usize = 1_000;

/// How tickets are paid out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayoutsConfig {
    /// In which money, by its three letters.
    pub currency: domain::Currency,
    /// What one ticket is worth, in minor units.
    pub minor_per_ticket: u64,
    /// How much of a thousand tickets the platform keeps.
    pub fee_per_mille: u32,
    /// Fewest tickets of one withdrawal.
    pub tickets_min: u64,
    /// Most tickets of one withdrawal.
    pub tickets_max: u64,
    /// From so many tickets on, two of staff have to approve.
    pub two_approvals_from: u64,
    /// Who pays.
    pub provider: PayoutsProvider,
    /// Where the provider `http` takes payouts.
    pub url: Option<String>,
    /// What payouts are signed with, at least 32 bytes.
    pub secret: Option<Secret>,
    /// A provider that has not answered after so long, in seconds, is asked what became of it.
    pub patience_seconds: u64,
}

/// Who pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayoutsProvider {
    /// Nobody: what is approved waits.
    #[default]
    None,
    /// A service of one's own, over HTTP.
    Http,
    /// Nobody, but it says that it did. Only a demo has it.
    #[serde(skip)]
    Sandbox,
}

impl Default for PayoutsConfig {
    fn default() -> Self {
        let terms = PayoutTerms::default();
        Self {
            currency: terms.currency,
            minor_per_ticket: terms.minor_per_ticket,
            fee_per_mille: terms.fee_per_mille,
            tickets_min: terms.tickets_min,
            tickets_max: terms.tickets_max,
            two_approvals_from: terms.two_approvals_from,
            provider: PayoutsProvider::None,
            url: None,
            secret: None,
            patience_seconds: 10,
        }
    }
}

impl PayoutsConfig {
    /// The terms as the domain wants them.
    pub fn terms(&self) -> PayoutTerms {
        PayoutTerms {
            currency: self.currency.clone(),
            minor_per_ticket: self.minor_per_ticket,
            fee_per_mille: self.fee_per_mille,
            tickets_min: self.tickets_min,
            tickets_max: self.tickets_max,
            two_approvals_from: self.two_approvals_from,
        }
    }

    /// Address and secret of the provider `http`.
    pub fn http(&self) -> Result<(&str, &Secret)> {
        let url = self.url.as_deref();
        let secret = self.secret.as_ref();
        let url = url.context("payouts.url must be set for the provider http")?;
        let secret = secret.filter(|secret| secret.reveal().len() >= SECRET_BYTES_MIN);
        let secret = secret.with_context(|| {
            format!("payouts.secret must be set, with at least {SECRET_BYTES_MIN} bytes, as from `openssl rand -hex 32`")
        })?;
        Ok((url, secret))
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            self.minor_per_ticket >= 1,
            "payouts.minor_per_ticket must be at least 1"
        );
        ensure!(
            self.fee_per_mille <= 1_000,
            "payouts.fee_per_mille must be 0 to 1000"
        );
        ensure!(self.tickets_min >= 1, "payouts.tickets_min must be at least 1");
        ensure!(
            self.tickets_min <= self.tickets_max,
            "payouts.tickets_max must be at least payouts.tickets_min"
        );
        if !(1..=300).contains(&self.patience_seconds) {
            bail!("payouts.patience_seconds must be 1 to 300");
        }
        if self.terms().pays(self.tickets_max).is_none() {
            bail!(
                "payouts.tickets_max is worth more than can be written: make it or minor_per_ticket smaller"
            );
        }
        if self.provider == PayoutsProvider::Http {
            self.http()?;
        }
        Ok(())
    }
}

/// Who may use the console.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// How long one who logged in stays so, in seconds.
    pub session_seconds: u64,
    /// Who. Without anybody there is no console.
    pub staff: Vec<StaffConfig>,
}

/// One of staff.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffConfig {
    /// The name to log in with; it stands in the journal beside what they did.
    pub name: StaffId,
    /// What they may do.
    pub roles: Vec<Role>,
    /// The password's hash, as `livehouse staff hash` prints it.
    pub password_hash: Secret,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            session_seconds: 43_200,
            staff: Vec::new(),
        }
    }
}

impl AdminConfig {
    pub(super) fn check(&self) -> Result<()> {
        if !(1..=86_400).contains(&self.session_seconds) {
            bail!("admin.session_seconds must be 1 to 86400");
        }
        ensure!(
            self.staff.len() <= STAFF_MAX,
            "admin.staff may have at most {STAFF_MAX} entries"
        );
        for (at, staff) in self.staff.iter().enumerate() {
            let name = &staff.name;
            if !password::is_hash(staff.password_hash.reveal()) {
                bail!("admin.staff {name}: password_hash must be what `livehouse staff hash` prints");
            }
            if self.staff[..at].iter().any(|other| other.name == *name) {
                bail!("admin.staff {name} is there twice");
            }
        }
        Ok(())
    }
}
