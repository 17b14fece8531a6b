//! Who of staff is logged in. Tokens are kept only as hashes, in memory: a restart logs everybody out.

use std::collections::HashMap;

use domain::StaffId;
use parking_lot::Mutex;

/// Most who are logged in at once; one more logs out whoever would be out first.
const SESSIONS_MAX: usize = 1_024;
/// Bytes of a token before they are written as text: 256 bits that nobody can guess.
const TOKEN_BYTES: usize = 32;

type Digest = [u8; 32];

#[derive(Debug, Clone)]
struct Session {
    name: StaffId,
    expires_ms: i64,
}

/// Everybody who is logged in.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Digest, Session>>);

impl Sessions {
    /// A new token for one of staff, good until then (unix ms). None if the system has no randomness to give.
    pub(super) fn open(&self, name: &StaffId, expires_ms: i64) -> Option<String> {
        let mut bytes = [0; TOKEN_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut sessions = self.0.lock();
        if sessions.len() >= SESSIONS_MAX {
            let first = sessions.iter().min_by_key(|(_, session)| session.expires_ms);
            if let Some(first) = first.map(|(digest, _)| *digest) {
                sessions.remove(&first);
            }
        }
        let name = name.clone();
        sessions.insert(digest(&token), Session { name, expires_ms });
        Some(token)
    }

    /// Whose token it is, and until when it is good; none for one that is not, or no longer.
    pub(super) fn find(&self, token: &str, now_ms: i64) -> Option<(StaffId, i64)> {
        let digest = digest(token);
        let mut sessions = self.0.lock();
        let session = sessions.get(&digest)?;
        if session.expires_ms <= now_ms {
            sessions.remove(&digest);
            return None;
        }
        Some((session.name.clone(), session.expires_ms))
    }

    /// The token is good no longer.
    pub(super) fn close(&self, token: &str) {
        self.0.lock().remove(&digest(token));
    }
}

fn digest(token: &str) -> Digest {
    *blake3::hash(token.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_expires_or_is_closed_and_is_not_kept() {
        let sessions = Sessions::default();
        let kim: StaffId = "kim".parse().unwrap();
        let (first, second) = (
            sessions.open(&kim, 100).unwrap(),
            sessions.open(&kim, 200).unwrap(),
        );
        assert_ne!(first, second);
        assert_eq!(first.len(), 2 * TOKEN_BYTES);
        assert_eq!(sessions.find(&first, 99), Some((kim.clone(), 100)));
        assert_eq!(sessions.find(&first, 100), None);
        assert_eq!(
            sessions.find(&first, 99),
            None,
            "an expired token does not come back"
        );
        assert_eq!(sessions.find("", 0), None);
        assert!(!format!("{sessions:?}").contains(&second));
        sessions.close(&second);
        assert_eq!(sessions.find(&second, 0), None);
    }

    #[test]
    fn one_more_than_there_is_room_for_logs_out_who_would_be_out_first() {
        let sessions = Sessions::default();
        let kim: StaffId = "kim".parse().unwrap();
        let first = sessions.open(&kim, 1_000).unwrap();
        for at in 0..SESSIONS_MAX as i64 {
            sessions.open(&kim, 2_000 + at).unwrap();
        }
        assert_eq!(sessions.find(&first, 0), None);
        assert_eq!(sessions.0.lock().len(), SESSIONS_MAX);
    }
}
