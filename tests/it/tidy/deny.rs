//! deny.toml, held to without cargo-deny: the bans and licences of what Cargo.lock builds in.
//!
//! Advisories need a database from the network and are cargo-deny's; those that matter stand among the bans.

use serde_json::Value;

/// One package that is built in.
#[derive(Debug, Clone)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression; empty when the package states none.
    pub(super) license: String,
}

/// The packages `cargo metadata` resolves.
pub(super) fn locked(metadata: &Value) -> Vec<Locked> {
    let word = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let of = |p: &Value| Locked {
        name: word(p, "name"),
        version: word(p, "version"),
        license: word(p, "license"),
    };
    packages.iter().map(of).collect()
}

/// No banned crate is built in.
pub(super) fn nothing_banned_is_built_in(deny: &toml::Table, packages: &[Locked]) -> Vec<String> {
    let bans = deny["bans"]["deny"].as_array().map_or(&[][..], Vec::as_slice);
    let mut findings = Vec::new();
    for ban in bans {
        let spec = ban["crate"].as_str().unwrap_or_default();
        let (name, versions) = spec.split_once(':').unwrap_or((spec, ""));
        let banned = packages
            .iter()
            .filter(|p| p.name == name && is_within(&p.version, versions));
        findings.extend(banned.map(|p| format!("{} {}: {}", p.name, p.version, ban["reason"])));
    }
    findings
}

/// Whether a version is within `<X`, `=X` or everything.
fn is_within(version: &str, range: &str) -> bool {
    match (range.strip_prefix('<'), range.strip_prefix('=')) {
        (Some(limit), _) => numbers(version) < numbers(limit),
        (_, Some(exact)) => numbers(version) == numbers(exact),
        _ => range.is_empty(),
    }
}

fn numbers(version: &str) -> Vec<u64> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    core.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Every package that is built in may be used under a licence that deny.toml allows.
pub(super) fn licences_are_allowed(deny: &toml::Table, packages: &[Locked]) -> Vec<String> {
    let allowed: Vec<&str> = deny["licenses"]["allow"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|l| l.as_str())
        .collect();
    let refused = packages.iter().filter(|p| !may_be_used(&p.license, &allowed));
    refused
        .map(|p| format!("{} {}: licence `{}`", p.name, p.version, p.license))
        .collect()
}

/// `AND` binds closer than `OR`; `/` is an old `OR`. Brackets are taken from the inside out.
fn may_be_used(expression: &str, allowed: &[&str]) -> bool {
    if let Some(open) = expression.rfind('(') {
        let Some(close) = expression[open..].find(')').map(|at| open + at) else {
            return false;
        };
        let inner = may_be_used(&expression[open + 1..close], allowed);
        let word = if inner {
            allowed.first().copied().unwrap_or_default()
        } else {
            "none"
        };
        return may_be_used(
            &format!("{}{word}{}", &expression[..open], &expression[close + 1..]),
            allowed,
        );
    }
    let every = |part: &str| {
        part.split(" AND ")
            .all(|licence| allowed.contains(&licence.trim()))
    };
    expression.replace('/', " OR ").split(" OR ").any(every)
}

#[cfg(test)]
mod tests {
    use super::{is_within, may_be_used};

    #[test]
    fn licences_are_read_as_their_expressions_mean() {
        let allowed = ["MIT", "ISC"];
        assert!(may_be_used("MIT", &allowed));
        assert!(may_be_used("GPL-3.0/MIT", &allowed));
        assert!(may_be_used("(MIT OR GPL-3.0) AND ISC", &allowed));
        assert!(!may_be_used("MIT AND GPL-3.0", &allowed));
        assert!(!may_be_used("", &allowed));
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_within("0.3.27", "<0.4"));
        assert!(!is_within("3.20.0", "<3.12.1"));
        assert!(is_within("1.54.0", "=1.54.0") && !is_within("1.54.1", "=1.54.0"));
        assert!(is_within("9.9.9", ""));
    }
}
