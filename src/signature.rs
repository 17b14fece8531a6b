//! Signatures over what goes between servers: HMAC-SHA256 over a time and a body, as in
//! `Livehouse-Signature: t=UNIX_SECONDS,v1=HEX`. What is signed is the time as text, a dot, and the body.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

use crate::config::Secret;

/// The header's name.
pub const HEADER: &str = "livehouse-signature";

/// The time now, unix seconds.
pub fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The key of a secret.
pub fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes())
}

/// What the signature is over; the time as it stands in the header.
pub fn signed_text(time: &str, body: &[u8]) -> Vec<u8> {
    [time.as_bytes(), b".", body].concat()
}

/// The header's value for a body.
pub fn sign(secret: &Secret, unix_seconds: i64, body: &[u8]) -> String {
    let tag = hmac::sign(&key(secret), &signed_text(&unix_seconds.to_string(), body));
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={unix_seconds},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_the_secret_the_time_and_the_body() {
        let sign = |secret: &str, at, body: &str| sign(&Secret::new(secret), at, body.as_bytes());
        // openssl: printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let first = sign("secret", 1_700_000_000, "{}");
        let expected = "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(first, expected);
        assert_ne!(first, sign("secreT", 1_700_000_000, "{}"));
        assert_ne!(first, sign("secret", 1_700_000_001, "{}"));
        assert_ne!(first, sign("secret", 1_700_000_000, "{ }"));
    }
}
