//! Logging in and out. A password is checked on a thread that may block, few at a time, and who guesses is slowed down by
//! name and by address. It must never say which of name and password was wrong.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::StaffId;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::sessions::Sessions;
use super::{Answer, Refused, Role, Staff, password, token_of};
use crate::config::{AdminConfig, StaffConfig};
use crate::rpc::request::parse;

/// Passwords that are checked at once: each takes a core and 19 MiB.
const CHECKS_AT_ONCE: usize = 2;
/// Passwords that wait to be checked; one more is answered with 503.
const CHECKS_WAITING_MAX: usize = 16;
/// Wrong passwords of one address within [`WINDOW_MS`]; more are answered with 429.
const WRONG_PER_ADDRESS_MAX: u32 = 20;
/// Wrong passwords for one name within [`WINDOW_MS`], from anywhere; more are answered with 429. All names that nobody has
/// count as one.
const WRONG_PER_NAME_MAX: u32 = 30;
/// How long a wrong password counts, in ms.
const WINDOW_MS: i64 = 60_000;
/// Addresses and names that are remembered; at the limit those whose time is over are forgotten, and if that is nobody,
/// one more is answered with 429.
const GUESSERS_MAX: usize = 10_000;

/// Who may log in, and who has.
pub struct Desk {
    staff: Vec<StaffConfig>,
    session_ms: i64,
    trusted_proxies: Vec<IpNet>,
    clock: actors::Clock,
    sessions: Sessions,
    guessers: Mutex<HashMap<Guesser, Window>>,
    waiting: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    /// What a password for a name that nobody has is compared with, so that it takes as long.
    nobody: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Guesser {
    Address(IpAddr),
    Name(StaffId),
    Nobody,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since_ms: i64,
    wrong: u32,
}

impl Desk {
    /// A desk for these; none where there is no staff.
    pub fn new(
        config: &AdminConfig,
        trusted_proxies: Vec<IpNet>,
        clock: actors::Clock,
    ) -> anyhow::Result<Option<Self>> {
        if config.staff.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            staff: config.staff.clone(),
            session_ms: i64::try_from(config.session_seconds.saturating_mul(1_000))?,
            trusted_proxies,
            clock,
            sessions: Sessions::default(),
            guessers: Mutex::default(),
            waiting: Arc::new(Semaphore::new(CHECKS_WAITING_MAX)),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            nobody: password::hash(&uuid::Uuid::new_v4().to_string())?,
        }))
    }

    /// Whose token it is.
    pub(super) fn who(&self, token: &str) -> Option<Staff> {
        let (name, expires_ms) = self.sessions.find(token, (self.clock)())?;
        let staff = self.staff.iter().find(|staff| staff.name == name)?;
        Some(Staff {
            name,
            roles: staff.roles.clone(),
            expires_ms,
        })
    }

    fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let forwarded = request.headers().get_all("x-forwarded-for");
        let forwarded: Vec<_> = forwarded
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let peer = request.peer_addr()?.ip();
        let way = forwarded.iter().map(|value| &**value);
        gateway::client_address(peer, way, &self.trusted_proxies).map(network)
    }

    /// Whether one of these has guessed too often lately.
    fn is_slowed(&self, guessers: &[Guesser]) -> bool {
        let now_ms = (self.clock)();
        let mut known = self.guessers.lock();
        if known.len() >= GUESSERS_MAX {
            known.retain(|_, window| window.since_ms + WINDOW_MS > now_ms);
        }
        let full = known.len() >= GUESSERS_MAX;
        guessers.iter().any(|guesser| match known.get(guesser) {
            Some(window) if window.since_ms + WINDOW_MS > now_ms => window.wrong >= guesser.wrong_max(),
            Some(_) => false,
            None => full,
        })
    }

    fn guessed_wrong(&self, guessers: Vec<Guesser>) {
        let now_ms = (self.clock)();
        let mut known = self.guessers.lock();
        for guesser in guessers {
            let fresh = Window {
                since_ms: now_ms,
                wrong: 0,
            };
            let window = known.entry(guesser).or_insert(fresh);
            if window.since_ms + WINDOW_MS <= now_ms {
                *window = fresh;
            }
            window.wrong += 1;
        }
    }
}

impl Guesser {
    fn wrong_max(&self) -> u32 {
        match self {
            Self::Address(_) => WRONG_PER_ADDRESS_MAX,
            Self::Name(_) | Self::Nobody => WRONG_PER_NAME_MAX,
        }
    }
}

/// An address, or the /64 of IPv6 that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

#[derive(Serialize)]
struct LoggedIn {
    token: String,
    roles: Vec<Role>,
    expires: i64,
}

/// `POST /admin/api/login` `{name, password}` -> `{token, roles, expires}`.
pub(super) async fn login(desk: Data<Desk>, request: HttpRequest, body: Bytes) -> Answer {
    let Login { name, password } = parse(&body)?;
    let staff = desk
        .staff
        .iter()
        .find(|staff| staff.name.as_str() == name)
        .cloned();
    let whom = staff
        .as_ref()
        .map_or(Guesser::Nobody, |staff| Guesser::Name(staff.name.clone()));
    let mut guessers = vec![whom];
    guessers.extend(desk.address(&request).map(Guesser::Address));
    if desk.is_slowed(&guessers) {
        let message = "too many wrong passwords: wait a minute";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, 111, message));
    }
    let hash = staff
        .as_ref()
        .map_or(&*desk.nobody, |staff| staff.password_hash.reveal())
        .to_owned();
    let fits = check(&desk, password, hash).await?;
    let Some(staff) = staff.filter(|_| fits) else {
        tracing::warn!(address = ?desk.address(&request), "a login with a wrong name or password");
        desk.guessed_wrong(guessers);
        let message = "the name or the password is wrong";
        return Err(Refused::new(StatusCode::UNAUTHORIZED, 101, message));
    };
    let expires = (desk.clock)().saturating_add(desk.session_ms);
    let token = desk.sessions.open(&staff.name, expires).ok_or_else(internal)?;
    tracing::info!(name = %staff.name, "logged in");
    Ok(HttpResponse::Ok().json(LoggedIn {
        token,
        roles: staff.roles,
        expires,
    }))
}

/// Whether a password fits, checked where it may take its time.
async fn check(desk: &Desk, password: String, hash: String) -> Result<bool, Refused> {
    let busy = |_| {
        let message = "many are logging in: try again in a moment";
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, 400, message)
    };
    let _place = desk.waiting.clone().try_acquire_owned().map_err(busy)?;
    let turn = desk
        .checks
        .clone()
        .acquire_owned()
        .await
        .map_err(|_| internal())?;
    let checked = tokio::task::spawn_blocking(move || {
        // Also when nobody waits for the answer any more, the turn is over only then.
        let _turn = turn;
        password::fits(&password, &hash)
    });
    checked.await.map_err(|_| internal())
}

fn internal() -> Refused {
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, 100, "internal server error")
}

/// `POST /admin/api/logout`.
pub(super) async fn logout(desk: Data<Desk>, staff: Staff, request: HttpRequest) -> Answer {
    if let Some(token) = token_of(&request) {
        desk.sessions.close(token);
    }
    tracing::info!(name = %staff.name, "logged out");
    Ok(HttpResponse::Ok().json(serde_json::json!({})))
}

#[derive(Serialize)]
struct Me {
    name: StaffId,
    roles: Vec<Role>,
    expires: i64,
}

/// `GET /admin/api/me` -> `{name, roles, expires}`.
pub(super) async fn me(staff: Staff) -> Answer {
    Ok(HttpResponse::Ok().json(Me {
        name: staff.name,
        roles: staff.roles,
        expires: staff.expires_ms,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::config::Secret;

    fn desk(now_ms: &Arc<AtomicI64>) -> Desk {
        let config = AdminConfig {
            session_seconds: 1,
            staff: vec![StaffConfig {
                name: "kim".parse().unwrap(),
                roles: vec![Role::Finance],
                password_hash: Secret::new(password::hash("correct horse").unwrap()),
            }],
        };
        let clock = now_ms.clone();
        let clock: actors::Clock = Arc::new(move || clock.load(Ordering::Relaxed));
        Desk::new(&config, Vec::new(), clock).unwrap().unwrap()
    }

    #[test]
    fn who_guesses_is_slowed_by_name_and_by_address_for_a_minute() {
        let now_ms = Arc::new(AtomicI64::new(1_000_000));
        let desk = desk(&now_ms);
        let kim = Guesser::Name("kim".parse().unwrap());
        let address = |last| Guesser::Address(IpAddr::from([192, 0, 2, last]));
        for _ in 0..WRONG_PER_ADDRESS_MAX {
            assert!(!desk.is_slowed(&[kim.clone(), address(1)]));
            desk.guessed_wrong(vec![kim.clone(), address(1)]);
        }
        assert!(desk.is_slowed(&[Guesser::Nobody, address(1)]), "by address");
        assert!(!desk.is_slowed(&[kim.clone(), address(2)]));
        for _ in WRONG_PER_ADDRESS_MAX..WRONG_PER_NAME_MAX {
            desk.guessed_wrong(vec![kim.clone(), address(2)]);
        }
        assert!(desk.is_slowed(&[kim.clone(), address(3)]), "by name");
        assert!(!desk.is_slowed(&[Guesser::Nobody, address(3)]));
        now_ms.fetch_add(WINDOW_MS, Ordering::Relaxed);
        assert!(!desk.is_slowed(&[kim, address(1)]), "a minute later");
    }

    #[test]
    fn a_memory_full_of_guessers_lets_in_nobody_new_until_their_time_is_over() {
        let now_ms = Arc::new(AtomicI64::new(1_000_000));
        let desk = desk(&now_ms);
        let address = |n: usize| Guesser::Address(IpAddr::from((n as u32).to_be_bytes()));
        desk.guessed_wrong((0..GUESSERS_MAX).map(address).collect());
        assert!(desk.is_slowed(&[address(GUESSERS_MAX)]));
        assert!(!desk.is_slowed(&[address(0)]));
        now_ms.fetch_add(WINDOW_MS, Ordering::Relaxed);
        assert!(!desk.is_slowed(&[address(GUESSERS_MAX)]));
        assert!(desk.guessers.lock().is_empty());
    }

    #[test]
    fn a_session_ends_after_its_time() {
        let now_ms = Arc::new(AtomicI64::new(1_000_000));
        let desk = desk(&now_ms);
        let token = desk.sessions.open(&"kim".parse().unwrap(), 1_001_000).unwrap();
        assert_eq!(desk.who(&token).map(|staff| staff.expires_ms), Some(1_001_000));
        now_ms.fetch_add(1_000, Ordering::Relaxed);
        assert_eq!(desk.who(&token), None);
    }
}
