//! Connection tokens: checked as configured; signed for `livehouse token` and the demo.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use domain::UserId;
use gateway::jwt::{ConnectionClaims, TokenError};
use gateway::{Disconnect, Error, Refusal};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::authors::is_of_the_house;
use crate::config::{Secret, TokenAlgorithm, TokenConfig};

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// Closes the socket of who comes as the house itself; final, as for any token that is no good.
const RESERVED: Disconnect = Disconnect {
    code: Disconnect::INVALID_TOKEN.code,
    reason: Cow::Borrowed("the token's sub is a name that the house writes under: choose another user id"),
};

/// A token for this user, valid from now on for `ttl`, as a server with this configuration accepts it. HS256 only: the
/// private keys of the other algorithms belong to somebody else.
pub fn sign(config: &TokenConfig, user: &UserId, ttl: Duration) -> Result<String> {
    anyhow::ensure!(
        !is_of_the_house(user),
        "{user} is a name that the house writes under, and no user may have it (see docs/protocol.md): choose another user id"
    );
    anyhow::ensure!(
        config.algorithm == TokenAlgorithm::HS256,
        "token.algorithm is {:?}: only HS256 tokens can be signed here",
        config.algorithm
    );
    let secret = secret(config)?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let claims = Claims {
        sub: user.as_str(),
        iat: now.as_secs(),
        exp: (now + ttl).as_secs(),
        iss: config.issuer.as_deref(),
        aud: config.audience.as_deref(),
    };
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).context("the token cannot be signed")
}

fn secret(config: &TokenConfig) -> Result<&Secret> {
    let missing = "token.secret is not set: put it into the file or into LIVEHOUSE_TOKEN_SECRET, as from `openssl rand -hex 32`";
    config.secret.as_ref().context(missing)
}

/// Checks tokens of the one configured algorithm.
pub struct Verifier(gateway::jwt::Verifier);

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Whose it is.
    pub user: UserId,
    /// Until when, unix seconds; none = the connection does not end by itself.
    pub expires_at_s: Option<u64>,
}

impl Verifier {
    /// A verifier as configured; fails when the secret or key is missing or cannot be read.
    pub fn new(config: &TokenConfig) -> Result<Self> {
        let mut verifier = gateway::jwt::Verifier::new();
        verifier = match config.algorithm {
            TokenAlgorithm::HS256 => verifier.hs256(secret(config)?.reveal().as_bytes()),
            TokenAlgorithm::EdDSA => verifier.eddsa_pem(&public_key(config)?)?,
            TokenAlgorithm::RS256 => verifier.rs256_pem(&public_key(config)?)?,
        };
        if let Some(issuer) = &config.issuer {
            verifier = verifier.issuer(issuer);
        }
        if let Some(audience) = &config.audience {
            verifier = verifier.audience(audience);
        }
        Ok(Self(verifier))
    }

    /// Whose token this is. An expired one is error 109, so that the client fetches another; any other fault, and a user id
    /// that cannot be one or is a name of the house, closes the socket.
    pub fn check(&self, token: &str) -> Result<Bearer, Refusal> {
        let ConnectionClaims { user, expire_at, .. } =
            self.0.connection(token).map_err(|error| match error {
                TokenError::Expired => Refusal::from(Error::TOKEN_EXPIRED),
                _ => Refusal::from(Disconnect::INVALID_TOKEN),
            })?;
        let user: UserId = user.parse().map_err(|_| Disconnect::INVALID_TOKEN)?;
        if is_of_the_house(&user) {
            tracing::warn!(%user, "a token for a name that the house writes under was refused: its issuer must not give it to users");
            return Err(RESERVED.into());
        }
        Ok(Bearer {
            user,
            expires_at_s: expire_at,
        })
    }
}

fn public_key(config: &TokenConfig) -> Result<Vec<u8>> {
    let path = config
        .public_key_file
        .as_ref()
        .context("token.public_key_file is not set: name the PEM file of the key")?;
    std::fs::read(path).with_context(|| format!("the public key {} cannot be read", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(secret: &str) -> TokenConfig {
        TokenConfig {
            secret: Some(Secret::new(secret)),
            ..TokenConfig::default()
        }
    }

    #[test]
    fn a_signed_token_is_accepted_by_its_own_configuration_only() {
        let ann: UserId = "ann".parse().unwrap();
        let mut named = config("0123456789abcdef0123456789abcdef");
        named.issuer = Some("livehouse".into());
        let token = sign(&named, &ann, Duration::from_secs(60)).unwrap();
        let bearer = Verifier::new(&named).unwrap().check(&token).unwrap();
        assert_eq!(bearer.user, ann);
        assert!(bearer.expires_at_s.is_some());
        let other = Verifier::new(&config("another secret, another secret, ano")).unwrap();
        assert_eq!(other.check(&token), Err(Refusal::from(Disconnect::INVALID_TOKEN)));
    }

    #[test]
    fn nobody_comes_in_as_the_house_itself_or_as_staff() {
        let config = config("0123456789abcdef0123456789abcdef");
        let verifier = Verifier::new(&config).unwrap();
        for name in ["cashier", "settlement", "payouts", "admin.kim", "provider.acme"] {
            let refused = sign(&config, &name.parse().unwrap(), Duration::from_secs(60)).unwrap_err();
            assert!(format!("{refused:#}").contains(name), "{refused:#}");
            // Whoever else signs with the secret is refused at the check.
            let exp = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs()
                + 60;
            let claims = Claims {
                sub: name,
                iat: 0,
                exp,
                iss: None,
                aud: None,
            };
            let key = EncodingKey::from_secret(secret(&config).unwrap().reveal().as_bytes());
            let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
            assert_eq!(verifier.check(&token), Err(Refusal::from(RESERVED)), "{name}");
        }
    }

    #[test]
    fn a_missing_secret_or_key_says_where_to_put_it() {
        let none = TokenConfig::default();
        assert!(format!("{:#}", Verifier::new(&none).err().unwrap()).contains("LIVEHOUSE_TOKEN_SECRET"));
        let keyless = TokenConfig {
            algorithm: TokenAlgorithm::RS256,
            ..TokenConfig::default()
        };
        assert!(format!("{:#}", Verifier::new(&keyless).err().unwrap()).contains("token.public_key_file"));
        assert!(sign(&keyless, &"ann".parse().unwrap(), Duration::from_secs(1)).is_err());
    }
}
