//! Signing connection tokens, for `livehouse token` and the demo. Checking them is the gateway's (`gateway::jwt`).

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use domain::UserId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::config::Secret;

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
}

/// An HS256 token for this user, valid from now on for `ttl`.
pub fn sign(secret: &Secret, user: &UserId, ttl: Duration) -> Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock stands before 1970")?;
    let claims = Claims { sub: user.as_str(), iat: now.as_secs(), exp: (now + ttl).as_secs() };
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).context("the token cannot be signed")
}
