//! A provider whose webhooks are signed as those of the large payment services: HMAC-SHA256 over time and raw body, in a
//! header `Livehouse-Signature: t=UNIX_SECONDS,v1=HEX[,v1=HEX...]`.
//!
//! Several secrets may be live at once, so that one can be changed without a webhook being lost. Signatures are compared
//! in constant time; nothing of a body is read before its signature holds.

use aws_lc_rs::hmac;
use domain::event::PaymentReceived;
use domain::{Currency, OrderId, PaymentId, ProviderName};
use serde::Deserialize;

use crate::config::ProviderConfig;
use crate::payments::{Bill, Notification, PaymentProvider, Unread, Webhook};
use crate::signature::{self, signed_text};

/// How far the time of a signature may lie from the server's, in seconds, before or after.
const TOLERANCE_SECONDS: u64 = 300;
/// Signatures in one header that are looked at; more are ignored. A provider that changes its secret sends two.
const SIGNATURES_MAX: usize = 8;

/// A provider with signed webhooks.
pub struct SignedWebhooks {
    name: ProviderName,
    pay_url: String,
    keys: Vec<hmac::Key>,
}

/// A SHA-256 in hexadecimal digits.
fn read_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
}

/// What stands in the header.
#[derive(Debug, PartialEq, Eq)]
struct Signature<'a> {
    time: &'a str,
    unix_seconds: i64,
    tags: Vec<[u8; 32]>,
}

impl<'a> Signature<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let (mut time, mut tags) = (None, Vec::new());
        for part in header.split(',') {
            match part.trim().split_once('=')? {
                ("t", text) => time = Some(text),
                ("v1", hex) if tags.len() < SIGNATURES_MAX => tags.extend(read_hex(hex)),
                // Schemes that we do not know.
                _ => {}
            }
        }
        let time = time.filter(|time| time.bytes().all(|b| b.is_ascii_digit()))?;
        Some(Self {
            time,
            unix_seconds: time.parse().ok()?,
            tags,
        })
    }
}

/// The body of a notification. Fields that we do not know are ignored: providers add some.
#[derive(Deserialize)]
struct Body {
    r#type: String,
    payment: Option<PaymentId>,
    order: Option<OrderId>,
    amount: Option<u64>,
    currency: Option<Currency>,
}

impl SignedWebhooks {
    /// The provider of a configuration that has been checked.
    pub fn new(config: &ProviderConfig) -> Self {
        Self {
            name: config.name.clone(),
            pay_url: config.pay_url.clone(),
            keys: config.secrets.iter().map(signature::key).collect(),
        }
    }

    fn verify(&self, webhook: &Webhook<'_>) -> Result<(), Unread> {
        let header = webhook
            .headers
            .get(signature::HEADER)
            .ok_or(Unread::Forged("there is no signature"))?;
        let signature = header.to_str().ok().and_then(Signature::read);
        let signature = signature.ok_or(Unread::Forged("the signature cannot be read"))?;
        let text = signed_text(signature.time, webhook.body);
        let holds = |key: &hmac::Key| {
            signature
                .tags
                .iter()
                .any(|tag| hmac::verify(key, &text, tag).is_ok())
        };
        if !self.keys.iter().any(holds) {
            return Err(Unread::Forged("the signature is of no live secret"));
        }
        let away = signature.unix_seconds.abs_diff(webhook.now_ms.div_euclid(1_000));
        if away > TOLERANCE_SECONDS {
            return Err(Unread::Stale(away));
        }
        Ok(())
    }

    fn notification(&self, body: &[u8]) -> Result<Notification, Unread> {
        let malformed = |error: serde_json::Error| Unread::Malformed(error.to_string());
        let body: Body = serde_json::from_slice(body).map_err(malformed)?;
        let missing = |field: &str| Unread::Malformed(format!("missing field `{field}`"));
        let payment = || body.payment.clone().ok_or_else(|| missing("payment"));
        let amount = body.amount.ok_or_else(|| missing("amount"));
        let currency = || body.currency.clone().ok_or_else(|| missing("currency"));
        match body.r#type.as_str() {
            "payment.succeeded" => Ok(Notification::Received(PaymentReceived {
                provider: self.name.clone(),
                payment: payment()?,
                order: body.order.clone().ok_or_else(|| missing("order"))?,
                amount: amount?,
                currency: currency()?,
            })),
            "payment.refunded" => Ok(Notification::Refunded {
                payment: payment()?,
                amount: amount?,
                currency: currency()?,
            }),
            _ => Ok(Notification::Other),
        }
    }
}

impl PaymentProvider for SignedWebhooks {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn pay_url(&self, bill: &Bill) -> String {
        // Ids and currencies hold nothing that would have to be escaped.
        self.pay_url
            .replace("{order}", bill.order.as_str())
            .replace("{amount}", &bill.price.to_string())
            .replace("{currency}", bill.currency.as_str())
    }

    fn read(&self, webhook: &Webhook<'_>) -> Result<Notification, Unread> {
        self.verify(webhook)?;
        self.notification(webhook.body)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use crate::config::Secret;
    use crate::signature::sign;

    const NOW: i64 = 1_700_000_000;
    const PAID: &str =
        r#"{"type":"payment.succeeded","payment":"p1","order":"o1","amount":600,"currency":"CNY","more":1}"#;

    fn secret(n: u8) -> Secret {
        Secret::new(format!("a secret of {n} that is long enough"))
    }

    fn provider() -> SignedWebhooks {
        SignedWebhooks::new(&ProviderConfig {
            name: "acme".parse().unwrap(),
            secrets: vec![secret(1), secret(2)],
            pay_url: "https://pay.example/{order}?a={amount}&c={currency}".into(),
        })
    }

    fn read(header: Option<&str>, body: &str) -> Result<Notification, Unread> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            let name: HeaderName = signature::HEADER.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(header).unwrap());
        }
        provider().read(&Webhook {
            headers: &headers,
            body: body.as_bytes(),
            now_ms: NOW * 1_000 + 999,
        })
    }

    fn read_signed(body: &str) -> Result<Notification, Unread> {
        read(Some(&sign(&secret(1), NOW, body.as_bytes())), body)
    }

    #[test]
    fn a_signature_of_any_live_secret_holds_for_five_minutes_before_and_after() {
        for (n, away) in [(1, 0), (2, 0), (1, 300), (1, -300)] {
            let header = sign(&secret(n), NOW + away, PAID.as_bytes());
            assert!(
                matches!(read(Some(&header), PAID), Ok(Notification::Received(_))),
                "{n} {away}"
            );
        }
        for away in [301, -301] {
            let header = sign(&secret(1), NOW + away, PAID.as_bytes());
            assert_eq!(read(Some(&header), PAID), Err(Unread::Stale(301)));
        }
    }

    #[test]
    fn one_good_signature_among_several_is_enough() {
        let good = sign(&secret(2), NOW, PAID.as_bytes());
        let other = format!("{good},v0=xyz,v1={}", "0".repeat(64));
        assert!(read(Some(&other), PAID).is_ok());
        let (time, tag) = good.split_once(',').unwrap();
        assert!(read(Some(&format!("{time},v1={},{tag}", "0".repeat(64))), PAID).is_ok());
        // Behind too many bad ones it is not looked at.
        let many = format!(
            "{time},{}{tag}",
            format!("v1={},", "0".repeat(64)).repeat(SIGNATURES_MAX)
        );
        assert!(read(Some(&many), PAID).is_err());
    }

    #[test]
    fn what_is_not_signed_by_us_is_forged() {
        let good = sign(&secret(1), NOW, PAID.as_bytes());
        let later = good.replace(&format!("t={NOW}"), &format!("t={}", NOW + 1));
        let foreign = sign(&secret(3), NOW, PAID.as_bytes());
        let half = good[..good.len() - 2].to_owned();
        for header in [
            "",
            "t=",
            "v1=00",
            "t=1",
            "t=-1,v1=00",
            "t=99999999999999999999,v1=00",
            &later,
            &foreign,
            &half,
        ] {
            assert!(
                matches!(read(Some(header), PAID), Err(Unread::Forged(_))),
                "{header}"
            );
        }
        assert!(matches!(read(None, PAID), Err(Unread::Forged(_))));
        let other_body = PAID.replace("600", "601");
        assert!(matches!(read(Some(&good), &other_body), Err(Unread::Forged(_))));
    }

    #[test]
    fn a_notification_is_read_and_a_malformed_one_says_what_is_wrong() {
        let Ok(Notification::Received(paid)) = read_signed(PAID) else {
            panic!("a payment")
        };
        assert_eq!(
            (
                paid.provider.as_str(),
                paid.payment.as_str(),
                paid.order.as_str(),
                paid.amount
            ),
            ("acme", "p1", "o1", 600)
        );
        let refund = PAID.replace("succeeded", "refunded");
        assert!(matches!(
            read_signed(&refund),
            Ok(Notification::Refunded { amount: 600, .. })
        ));
        assert_eq!(
            read_signed(r#"{"type":"customer.created","id":7}"#),
            Ok(Notification::Other)
        );
        for (body, word) in [
            ("", "EOF"),
            ("[]", "expected"),
            ("{}", "type"),
            (&PAID.replace("p1", "p 1"), "letters"),
            (&PAID.replace("600", "6.5"), "u64"),
            (&PAID.replace("600", "-6"), "u64"),
            (&PAID.replace("CNY", "yuan"), "id"),
            (&PAID.replace("\"order\"", "\"ordre\""), "order"),
        ] {
            let Err(Unread::Malformed(text)) = read_signed(body) else {
                panic!("{body}")
            };
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn the_page_where_one_pays_knows_order_amount_and_currency() {
        let bill = Bill {
            order: "o1".parse().unwrap(),
            price: 600,
            currency: Currency::cny(),
        };
        assert_eq!(provider().pay_url(&bill), "https://pay.example/o1?a=600&c=CNY");
    }
}
