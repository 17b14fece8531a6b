//! Open files: every socket is one, and systems start a process with few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process needs besides its sockets.
const OTHERS: u64 = 256;

/// Lets this process open so many sockets, as far as the system allows; says how many there may be.
#[must_use]
pub fn allow_sockets(wanted: usize) -> usize {
    let wanted = wanted as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    if now < wanted {
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        // Where it is refused, the limit stays what it was, and that is what is told.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                maximum: limit.maximum,
            },
        );
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(allowed.saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_the_system_allows() {
        let allowed = allow_sockets(1);
        assert!(allowed >= 1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(
            limit
                .current
                .map_or(usize::MAX, |n| usize::try_from(n - OTHERS).unwrap_or(0)),
            allowed
        );
    }
}
