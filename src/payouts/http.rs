//! A payout provider over HTTP: `POST URL` with what is to be paid, `GET URL/ID` to ask what became of it.
//!
//! Only words that are agreed on are an answer ([`read`]); everything else, an error of HTTP among it, is *unknown*. It
//! never takes silence, or a refusal that it does not understand, for "not paid".

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::{ProviderName, WithdrawalId};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use ureq::tls::{RootCerts, TlsConfig};

use super::{Answer, Payout, PayoutProvider};
use crate::config::Secret;
use crate::signature;

/// Longest answer that is read, in bytes; a longer one is no answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// A call ends after so many times the patience, so that also a late answer is heard.
const HEARD_WITHIN_PATIENCES: u32 = 2;

/// The provider behind one address.
pub struct HttpProvider {
    agent: ureq::Agent,
    url: String,
    secret: Secret,
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    account: &'a str,
    amount: u64,
    currency: &'a str,
}

#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Said {
    Paid {
        #[serde(default)]
        reference: String,
    },
    Failed {
        #[serde(default)]
        reason: String,
    },
    Pending,
    NotFound,
}

impl HttpProvider {
    /// The provider at `url`. Calls end by themselves after twice the patience.
    pub fn new(url: &str, secret: &Secret, patience: Duration) -> Result<Self> {
        ensure!(
            url.starts_with("https://") || url.starts_with("http://"),
            "payouts.url must begin with https:// (or http:// within one's own network)"
        );
        url.parse::<ureq::http::Uri>()
            .context("payouts.url is no address")?;
        let crypto = rustls::crypto::aws_lc_rs::default_provider();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(crypto.into())
            .build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(patience * HEARD_WITHIN_PATIENCES))
            .tls_config(tls)
            .build();
        Ok(Self {
            agent: agent.into(),
            url: url.trim_end_matches('/').to_owned(),
            secret: secret.clone(),
        })
    }

    /// Runs a call where it may block.
    fn call(
        &self,
        call: impl FnOnce(&ureq::Agent) -> Result<(u16, String), ureq::Error> + Send + 'static,
    ) -> BoxFuture<'static, Answer> {
        let agent = self.agent.clone();
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || call(&agent)).await {
                Ok(Ok((status, body))) => read(status, &body),
                Ok(Err(error)) => unknown(error.to_string()),
                Err(_) => unknown("the call fell over".into()),
            }
        })
    }
}

impl PayoutProvider for HttpProvider {
    fn name(&self) -> ProviderName {
        "http".parse().expect("the name above is well formed")
    }

    fn submit<'a>(&'a self, payout: &'a Payout) -> BoxFuture<'a, Answer> {
        let body = serde_json::to_vec(&Request {
            id: payout.id.as_str(),
            account: &payout.account,
            amount: payout.amount,
            currency: payout.currency.as_str(),
        })
        .expect("a request is plain data");
        let signature = signature::sign(&self.secret, signature::now(), &body);
        let url = self.url.clone();
        self.call(move |agent| {
            let request = agent
                .post(&url)
                .header("content-type", "application/json")
                .header(signature::HEADER, signature);
            text(request.send(&body[..])?)
        })
    }

    fn status<'a>(&'a self, id: &'a WithdrawalId) -> BoxFuture<'a, Answer> {
        let signature = signature::sign(&self.secret, signature::now(), id.as_str().as_bytes());
        let url = format!("{}/{id}", self.url);
        self.call(move |agent| text(agent.get(&url).header(signature::HEADER, signature).call()?))
    }
}

fn text(mut response: ureq::http::Response<ureq::Body>) -> Result<(u16, String), ureq::Error> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    Ok((status, body.read_to_string()?))
}

fn unknown(why: String) -> Answer {
    Answer::Unknown { why }
}

/// What an answer means: 200 to 299 with a known `state`, or 404 for a payout that never arrived.
fn read(status: u16, body: &str) -> Answer {
    if status == 404 {
        return Answer::NotFound;
    }
    if !(200..300).contains(&status) {
        return unknown(format!("the provider answered with status {status}"));
    }
    match serde_json::from_str(body) {
        Ok(Said::Paid { reference }) => Answer::Paid { reference },
        Ok(Said::Failed { reason }) => Answer::Failed { reason },
        Ok(Said::Pending) => Answer::Pending,
        Ok(Said::NotFound) => Answer::NotFound,
        Err(error) => unknown(format!("the provider's answer cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agreed_words_are_an_answer_and_everything_else_is_unknown() {
        let reference = "r".to_owned();
        assert_eq!(
            read(200, r#"{"state":"paid","reference":"r"}"#),
            Answer::Paid { reference }
        );
        let reason = "closed".to_owned();
        assert_eq!(
            read(201, r#"{"state":"failed","reason":"closed"}"#),
            Answer::Failed { reason }
        );
        assert_eq!(read(202, r#"{"state":"pending"}"#), Answer::Pending);
        assert_eq!(read(404, "no such payout"), Answer::NotFound);
        for (status, body) in [
            (200, ""),
            (200, "ok"),
            (200, r#"{"state":"settled"}"#),
            (302, r#"{"state":"failed"}"#),
            (400, r#"{"state":"failed"}"#),
            (401, ""),
            (500, r#"{"state":"paid"}"#),
        ] {
            let answer = read(status, body);
            assert!(
                matches!(answer, Answer::Unknown { .. }),
                "{status} {body}: {answer:?}"
            );
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_before_anything_is_paid() {
        let secret = Secret::random();
        for bad in ["", "ftp://x", "payout.example", "http://a b"] {
            assert!(
                HttpProvider::new(bad, &secret, Duration::from_secs(1)).is_err(),
                "{bad}"
            );
        }
        assert!(HttpProvider::new("https://payout.example/v1/", &secret, Duration::from_secs(1)).is_ok());
    }
}
