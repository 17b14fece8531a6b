//! Tokens as the Centrifugo convention has them: JWTs for connections and for subscriptions, verified with an
//! algorithm allow-list. Never trusts a header further than to choose among the keys it was given, and never accepts a
//! token without a signature.

use bytes::Bytes;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Was good once: the client is to fetch a new one (error 109).
    #[error("token expired")]
    Expired,
    /// Forged, malformed, of another algorithm, issuer or audience, not yet valid, or lacking a claim.
    #[error("token invalid")]
    Invalid,
}

/// A key that does not parse.
#[derive(Debug, thiserror::Error)]
#[error("token key: {0}")]
pub struct KeyError(#[from] jsonwebtoken::errors::Error);

/// Verifies tokens against a fixed set of keys. Several keys of one algorithm allow for rotation.
#[derive(Clone, Default)]
pub struct Verifier {
    keys: Vec<(Algorithm, DecodingKey)>,
    issuer: Option<String>,
    audience: Option<String>,
    expiry_optional: bool,
}

/// What a connection token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionClaims {
    /// User id; empty = anonymous.
    pub user: String,
    /// Unix seconds at which the connection must be refreshed; `None` = never.
    pub expire_at: Option<u64>,
    /// JSON value for [`crate::Connected::info`].
    pub info: Option<Bytes>,
    /// Channels to subscribe on the server's side.
    pub channels: Vec<String>,
}

/// What a subscription token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionClaims {
    /// Must be the connection's user.
    pub user: String,
    /// Must be the channel subscribed to.
    pub channel: String,
    /// Unix seconds at which the subscription must be refreshed; `None` = never.
    pub expire_at: Option<u64>,
    /// JSON value for [`crate::Grant::info`].
    pub info: Option<Bytes>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: Option<u64>,
    /// When the connection or subscription ends, apart from the token; 0 = never.
    expire_at: Option<u64>,
    info: Option<serde_json::Value>,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    channels: Vec<String>,
}

impl Verifier {
    /// A verifier that accepts nothing: add keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts HS256 with this secret.
    #[must_use]
    pub fn hs256(mut self, secret: &[u8]) -> Self {
        self.keys
            .push((Algorithm::HS256, DecodingKey::from_secret(secret)));
        self
    }

    /// Accepts RS256 with this public key (PEM).
    pub fn rs256_pem(mut self, pem: &[u8]) -> Result<Self, KeyError> {
        self.keys
            .push((Algorithm::RS256, DecodingKey::from_rsa_pem(pem)?));
        Ok(self)
    }

    /// Accepts EdDSA (Ed25519) with this public key (PEM).
    pub fn eddsa_pem(mut self, pem: &[u8]) -> Result<Self, KeyError> {
        self.keys.push((Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)?));
        Ok(self)
    }

    /// Requires this `iss`.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Requires this `aud`.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Accepts tokens without `exp`, which never end. For tests; a stolen one is good for ever.
    #[must_use]
    pub fn expiry_optional(mut self) -> Self {
        self.expiry_optional = true;
        self
    }

    /// Verifies a connection token.
    pub fn connection(&self, token: &str) -> Result<ConnectionClaims, TokenError> {
        let claims: Claims = self.verify(token)?;
        Ok(ConnectionClaims {
            expire_at: claims.ends(),
            info: claims.info(),
            user: claims.sub,
            channels: claims.channels,
        })
    }

    /// Verifies a subscription token. The caller compares user and channel.
    pub fn subscription(&self, token: &str) -> Result<SubscriptionClaims, TokenError> {
        let claims: Claims = self.verify(token)?;
        if claims.channel.is_empty() {
            return Err(TokenError::Invalid);
        }
        Ok(SubscriptionClaims {
            expire_at: claims.ends(),
            info: claims.info(),
            user: claims.sub,
            channel: claims.channel,
        })
    }

    fn verify<T: DeserializeOwned>(&self, token: &str) -> Result<T, TokenError> {
        let algorithm = decode_header(token).map_err(|_| TokenError::Invalid)?.alg;
        let validation = self.validation(algorithm);
        let mut outcome = TokenError::Invalid;
        for (_, key) in self.keys.iter().filter(|(accepted, _)| *accepted == algorithm) {
            match decode::<T>(token, key, &validation) {
                Ok(data) => return Ok(data.claims),
                // Only a token whose signature held gets as far as its expiry.
                Err(error) if *error.kind() == ErrorKind::ExpiredSignature => outcome = TokenError::Expired,
                Err(_) => {}
            }
        }
        Err(outcome)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = 0;
        validation.validate_nbf = true;
        let mut required = vec!["sub"];
        if !self.expiry_optional {
            required.push("exp");
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms: Vec<_> = self.keys.iter().map(|(algorithm, _)| algorithm).collect();
        f.debug_struct("Verifier")
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

impl Claims {
    fn ends(&self) -> Option<u64> {
        self.expire_at.or(self.exp).filter(|at| *at > 0)
    }

    fn info(&self) -> Option<Bytes> {
        self.info.as_ref().map(|info| Bytes::from(info.to_string()))
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
