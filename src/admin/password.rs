//! Passwords of staff: argon2id in PHC strings. Slow by design: never on a thread that serves others.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use anyhow::{Result, anyhow, ensure};

/// Shortest password that gets a hash, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password that is looked at, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Most memory that a hash may ask for, in KiB: 256 MiB.
const MEMORY_KIB_MAX: u32 = 256 * 1_024;

/// The hash of a new password.
pub fn hash(password: &str) -> Result<String> {
    ensure!(
        password.chars().count() >= PASSWORD_CHARS_MIN,
        "a password needs at least {PASSWORD_CHARS_MIN} characters"
    );
    ensure!(
        password.len() <= PASSWORD_BYTES_MAX,
        "a password may have at most {PASSWORD_BYTES_MAX} bytes"
    );
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow!("the password cannot be hashed: {error}"))?;
    Ok(hash.to_string())
}

/// Whether a text is a hash as [`hash`] makes them.
pub fn is_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else {
        return false;
    };
    let memory = hash.params.get_decimal("m");
    hash.algorithm.as_str() == "argon2id"
        && hash.salt.is_some()
        && hash.hash.is_some()
        && memory.is_some_and(|kib| kib <= MEMORY_KIB_MAX)
}

/// Whether this is the password of a hash.
pub fn fits(password: &str, hash: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX
        && PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_fits_its_hash_and_no_two_hashes_are_the_same() {
        let (first, second) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert_ne!(first, second);
        assert!(is_hash(&first) && fits("correct horse", &first) && fits("correct horse", &second));
        assert!(!fits("correct horsf", &first) && !fits("", &first) && !fits("correct horse", "x"));
        assert!(!fits(&"x".repeat(PASSWORD_BYTES_MAX + 1), &first));
        for bad in [
            "",
            "secret",
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
            "$argon2id$",
        ] {
            assert!(!is_hash(bad), "{bad}");
        }
        assert!(hash("short").is_err());
    }
}
