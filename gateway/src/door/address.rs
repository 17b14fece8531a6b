//! Whose connection it is: the address behind trusted proxies, and how much of the server one address may hold. Never
//! believes a header that a client could have written itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ipnet::IpNet;

use super::rate::{Bucket, Rate};
use crate::limits::ADDRESSES_REMEMBERED_MAX;

/// One client's network: an IPv4 address, or the 64 bits of IPv6 that a provider gives to one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(u64);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // A prefix that no network has: 0:1::/32.
            IpAddr::V4(address) => Self(1 << 32 | u64::from(u32::from(address))),
            IpAddr::V6(address) => Self((u128::from(address) >> 64) as u64),
        }
    }
}

/// Who connects: the last address of the way that is no trusted proxy. `None` = nobody knows, or a trusted proxy itself.
/// `forwarded` are the values of `X-Forwarded-For`, in the order of the request.
pub fn client<'a>(
    peer: IpAddr,
    forwarded: impl Iterator<Item = &'a str>,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address.to_canonical()));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let way: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for hop in way.iter().rev() {
        let address = parse(hop.trim())?;
        if !is_trusted(address) {
            return Some(address);
        }
    }
    None
}

/// Proxies write an address, some with a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let bracketed = |hop: &str| hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    hop.parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| bracketed(hop).map(IpAddr::V6))
}

/// What one address may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Open at once; 0 = any number.
    pub(crate) open_max: u32,
    /// How often it may come.
    pub(crate) rate: Option<Rate>,
}

/// An address asked for more than its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It has too many open.
    Open,
    /// It comes too often.
    Rate,
}

#[derive(Debug, Default)]
struct Visitor {
    open: u32,
    bucket: Bucket,
}

/// Who is inside, by address.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    visitors: DashMap<Network, Visitor>,
}

impl Addresses {
    /// Lets one in, to be let out with [`Addresses::leave`], unless the address has its share.
    pub(crate) fn enter(&self, network: Network, share: Share, now_ns: u64) -> Result<(), Excess> {
        self.make_room(now_ns);
        let mut visitor = self.visitors.entry(network).or_default();
        if share.open_max > 0 && visitor.open >= share.open_max {
            return Err(Excess::Open);
        }
        if share.rate.is_some_and(|rate| !visitor.bucket.take(rate, now_ns)) {
            return Err(Excess::Rate);
        }
        visitor.open += 1;
        Ok(())
    }

    /// One is gone.
    pub(crate) fn leave(&self, network: Network, now_ns: u64) {
        let Entry::Occupied(mut visitor) = self.visitors.entry(network) else {
            return;
        };
        let left = visitor.get_mut();
        left.open = left.open.saturating_sub(1);
        if left.open == 0 && left.bucket.is_full(now_ns) {
            visitor.remove();
        }
    }

    /// At the bound those who have nothing open are forgotten, however often they came.
    fn make_room(&self, now_ns: u64) {
        if self.visitors.len() < ADDRESSES_REMEMBERED_MAX {
            return;
        }
        self.visitors
            .retain(|_, visitor| visitor.open > 0 || !visitor.bucket.is_full(now_ns));
        if self.visitors.len() >= ADDRESSES_REMEMBERED_MAX {
            self.visitors.retain(|_, visitor| visitor.open > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted = nets(&["10.0.0.0/8", "::1/128"]);
        for (what, peer, forwarded, expected) in [
            ("nobody in between", "203.0.113.7", &[][..], Some("203.0.113.7")),
            (
                "a client that lies",
                "203.0.113.7",
                &["1.1.1.1"],
                Some("203.0.113.7"),
            ),
            ("one proxy", "10.0.0.1", &["203.0.113.7"], Some("203.0.113.7")),
            (
                "a lie before the truth",
                "10.0.0.1",
                &["1.1.1.1, 203.0.113.7"],
                Some("203.0.113.7"),
            ),
            (
                "a lie in a header of its own",
                "10.0.0.1",
                &["1.1.1.1", "203.0.113.7"],
                Some("203.0.113.7"),
            ),
            (
                "two proxies",
                "10.0.0.1",
                &["203.0.113.7, 10.2.3.4"],
                Some("203.0.113.7"),
            ),
            (
                "with a port",
                "10.0.0.1",
                &["203.0.113.7:4711"],
                Some("203.0.113.7"),
            ),
            ("IPv6", "::1", &["2001:db8::7"], Some("2001:db8::7")),
            ("IPv6 in brackets", "::1", &["[2001:db8::7]"], Some("2001:db8::7")),
            (
                "IPv6 with a port",
                "::1",
                &["[2001:db8::7]:4711"],
                Some("2001:db8::7"),
            ),
            (
                "a mapped proxy",
                "::ffff:10.0.0.1",
                &["203.0.113.7"],
                Some("203.0.113.7"),
            ),
            ("a proxy that says nothing", "10.0.0.1", &[], None),
            ("nonsense", "10.0.0.1", &["203.0.113.7, unknown"], None),
        ] {
            let found = client(ip(peer), forwarded.iter().copied(), &trusted);
            assert_eq!(found, expected.map(ip), "{what}");
        }
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_ipv4_ones_are_apart() {
        let network = |text| Network::of(ip(text));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("203.0.113.7"), network("203.0.113.8"));
        assert_eq!(network("203.0.113.7"), network("::ffff:203.0.113.7"));
    }

    #[test]
    fn an_address_holds_its_share_and_gets_it_back_when_it_leaves() {
        let addresses = Addresses::default();
        let share = Share {
            open_max: 2,
            rate: None,
        };
        let (one, other) = (Network::of(ip("203.0.113.7")), Network::of(ip("203.0.113.8")));
        assert_eq!(addresses.enter(one, share, 0), Ok(()));
        assert_eq!(addresses.enter(one, share, 0), Ok(()));
        assert_eq!(addresses.enter(one, share, 0), Err(Excess::Open));
        assert_eq!(addresses.enter(other, share, 0), Ok(()));
        addresses.leave(one, 0);
        assert_eq!(addresses.enter(one, share, 0), Ok(()));
        for network in [one, one, other] {
            addresses.leave(network, 0);
        }
        assert!(addresses.visitors.is_empty());
    }

    #[test]
    fn leaving_does_not_make_an_address_forgotten_that_comes_too_often() {
        let addresses = Addresses::default();
        let share = Share {
            open_max: 0,
            rate: Rate::new(1, 2),
        };
        let network = Network::of(ip("203.0.113.7"));
        for _ in 0..2 {
            assert_eq!(addresses.enter(network, share, 0), Ok(()));
            addresses.leave(network, 0);
        }
        assert_eq!(addresses.enter(network, share, 0), Err(Excess::Rate));
        assert_eq!(addresses.enter(network, share, SECOND), Ok(()));
        addresses.leave(network, 10 * SECOND);
        assert!(addresses.visitors.is_empty());
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let addresses = Addresses::default();
        let share = Share {
            open_max: 0,
            rate: Rate::new(1, 2),
        };
        let inside = Network(0);
        assert_eq!(addresses.enter(inside, share, 0), Ok(()));
        for n in 1..=ADDRESSES_REMEMBERED_MAX as u64 {
            assert_eq!(addresses.enter(Network(n), share, 0), Ok(()));
            addresses.leave(Network(n), 0);
        }
        assert!(addresses.visitors.len() <= ADDRESSES_REMEMBERED_MAX);
        assert!(addresses.visitors.contains_key(&inside));
    }
}
