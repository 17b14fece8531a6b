//! Which tokens get in.

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"secret";

fn token(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).expect("HMAC signs")
}

fn good() -> Value {
    json!({"sub": "42", "exp": get_current_timestamp() + 60})
}

fn with(extra: Value) -> Value {
    let mut claims = good();
    let (Some(claims_map), Value::Object(extra)) = (claims.as_object_mut(), extra) else {
        panic!("objects")
    };
    claims_map.extend(extra);
    claims
}

fn verify(verifier: &Verifier, claims: &Value) -> Result<ConnectionClaims, TokenError> {
    verifier.connection(&token(Algorithm::HS256, SECRET, claims))
}

#[test]
fn a_good_token_says_who_until_when_and_where_to() {
    let verifier = Verifier::new().hs256(SECRET);
    let claims = with(json!({"info": {"name": "x"}, "channels": ["a"]}));
    let accepted = verify(&verifier, &claims).expect("accepted");
    assert_eq!(
        (accepted.user.as_str(), accepted.expire_at),
        ("42", claims["exp"].as_u64())
    );
    assert_eq!(accepted.info.as_deref(), Some(&b"{\"name\":\"x\"}"[..]));
    assert_eq!(accepted.channels, ["a"]);
    assert_eq!(
        verify(&verifier, &with(json!({"expire_at": 0})))
            .expect("accepted")
            .expire_at,
        None
    );
}

#[test]
fn an_expired_token_is_told_apart_from_a_forged_one() {
    let verifier = Verifier::new().hs256(SECRET);
    let expired = with(json!({"exp": get_current_timestamp() - 1}));
    assert_eq!(verify(&verifier, &expired), Err(TokenError::Expired));
    let forged = token(Algorithm::HS256, b"other", &expired);
    assert_eq!(verifier.connection(&forged), Err(TokenError::Invalid));
}

#[test]
fn only_the_algorithms_with_a_key_are_accepted() {
    let verifier = Verifier::new().hs256(SECRET);
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(
            verifier.connection(&token(algorithm, SECRET, &good())),
            Err(TokenError::Invalid)
        );
    }
    // header {"alg":"none"}, claims {"sub":"42"}, no signature
    for unsigned in [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9",
        "",
        "a.b.c",
    ] {
        assert_eq!(
            verifier.connection(unsigned),
            Err(TokenError::Invalid),
            "{unsigned}"
        );
    }
    assert_eq!(verify(&Verifier::new(), &good()), Err(TokenError::Invalid));
}

#[test]
fn subject_and_expiry_are_required() {
    let verifier = Verifier::new().hs256(SECRET);
    for claims in [
        json!({"exp": get_current_timestamp() + 60}),
        json!({"sub": "42"}),
        json!({"sub": 42}),
    ] {
        assert_eq!(verify(&verifier, &claims), Err(TokenError::Invalid), "{claims}");
    }
    let lenient = Verifier::new().hs256(SECRET).expiry_optional();
    assert_eq!(
        verify(&lenient, &json!({"sub": "42"}))
            .expect("accepted")
            .expire_at,
        None
    );
}

#[test]
fn a_token_not_yet_valid_is_refused() {
    let verifier = Verifier::new().hs256(SECRET);
    assert_eq!(
        verify(&verifier, &with(json!({"nbf": get_current_timestamp() + 60}))),
        Err(TokenError::Invalid)
    );
    assert!(verify(&verifier, &with(json!({"nbf": get_current_timestamp() - 60}))).is_ok());
}

#[test]
fn issuer_and_audience_are_checked_when_configured() {
    let verifier = Verifier::new().hs256(SECRET).issuer("us").audience("live");
    assert!(verify(&verifier, &with(json!({"iss": "us", "aud": "live"}))).is_ok());
    for claims in [
        json!({}),
        json!({"iss": "us"}),
        json!({"iss": "us", "aud": "x"}),
        json!({"iss": "x", "aud": "live"}),
    ] {
        assert_eq!(
            verify(&verifier, &with(claims.clone())),
            Err(TokenError::Invalid),
            "{claims}"
        );
    }
}

#[test]
fn an_old_secret_still_verifies_while_keys_are_rotated() {
    let verifier = Verifier::new().hs256(b"new").hs256(SECRET);
    assert!(verify(&verifier, &good()).is_ok());
}

#[test]
fn a_subscription_token_names_its_channel() {
    let verifier = Verifier::new().hs256(SECRET);
    let accepted = verifier.subscription(&token(Algorithm::HS256, SECRET, &with(json!({"channel": "c"}))));
    assert_eq!(accepted.map(|claims| claims.channel), Ok("c".to_owned()));
    let without = verifier.subscription(&token(Algorithm::HS256, SECRET, &good()));
    assert_eq!(without, Err(TokenError::Invalid));
}

#[test]
fn public_keys_verify_what_their_private_keys_signed() {
    let verifier = Verifier::new()
        .eddsa_pem(ED25519_PUBLIC)
        .expect("a key")
        .rs256_pem(RSA_PUBLIC)
        .expect("a key");
    let sign = |algorithm, key: EncodingKey| encode(&Header::new(algorithm), &good(), &key).expect("signs");
    let ed25519 = EncodingKey::from_ed_pem(ED25519_PRIVATE).expect("a key");
    let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE).expect("a key");
    assert!(verifier.connection(&sign(Algorithm::EdDSA, ed25519)).is_ok());
    assert!(verifier.connection(&sign(Algorithm::RS256, rsa.clone())).is_ok());
    assert_eq!(
        verifier.connection(&sign(Algorithm::RS384, rsa)),
        Err(TokenError::Invalid)
    );
    // The classic forgery: the public key used as an HMAC secret.
    let confused = token(Algorithm::HS256, RSA_PUBLIC, &good());
    assert_eq!(verifier.connection(&confused), Err(TokenError::Invalid));
    assert!(Verifier::new().rs256_pem(b"not a key").is_err());
}

// Made for these tests; used nowhere else.
const ED25519_PRIVATE: &[u8] = include_bytes!("../tests/keys/ed25519.pem");
const ED25519_PUBLIC: &[u8] = include_bytes!("../tests/keys/ed25519.pub.pem");
const RSA_PRIVATE: &[u8] = include_bytes!("../tests/keys/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("../tests/keys/rsa.pub.pem");
