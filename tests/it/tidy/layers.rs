//! Who may know whom: the map of ARCHITECTURE.md as rules.
//!
//! What the manifests can forbid is read from the manifests; what they cannot is read from the sources.

use super::source::{Package, Role, Source};

/// Our packages, from the bottom up, and which of ours each may depend on, also for its tests.
const LAYERS: &[(&str, &[&str])] = &[
    ("livehouse-domain", &[]),
    ("livehouse-journal", &["livehouse-domain"]),
    ("livehouse-gateway", &[]),
    ("livehouse-actors", &["livehouse-domain", "livehouse-journal"]),
    (
        "livehouse-projections",
        &["livehouse-domain", "livehouse-journal"],
    ),
    (
        "livehouse",
        &[
            "livehouse-domain",
            "livehouse-journal",
            "livehouse-gateway",
            "livehouse-actors",
            "livehouse-projections",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that belong to some layers only: the crate, who may use it.
const BELONGS: &[(&str, &[&str])] = &[
    ("actix", &["livehouse-actors", "livehouse"]),
    (
        "actix-rt",
        &["livehouse-actors", "livehouse-gateway", "livehouse"],
    ),
    ("actix-http", &["livehouse-gateway", "livehouse"]),
    ("actix-web", &["livehouse-gateway", "livehouse"]),
    ("anyhow", &["livehouse"]),
    ("clap", &["livehouse"]),
    ("indicatif", &["livehouse"]),
    ("prometheus-client", &["livehouse"]),
    ("rust-embed", &["livehouse"]),
    ("toml", &["livehouse"]),
    ("tracing-subscriber", &["livehouse"]),
];

/// All that the domain may be built of.
const DOMAIN_MAY_USE: &[&str] = &["compact_str", "serde", "thiserror"];

/// Who may name the power to append: the layer that defines it, the one that holds it, and the file that hands it over.
const MAY_NAME_WRITER: &[&str] = &["journal/", "actors/", "src/serve", "tests/", "benches/"];

/// Words of the business, none of which the gateway knows.
const BUSINESS: &[&str] = &[
    "room", "rooms", "gift", "gifts", "coin", "coins", "ticket", "tickets", "streamer",
];

/// Names in which such a word means something else.
const NOT_BUSINESS: &[&str] = &["make_room", "has_room"];

/// Each of our packages depends on ours below it and on no other; a package that has no layer is a finding.
pub(super) fn depends_only_downwards(packages: &[Package]) -> Vec<String> {
    let ours = |name: &str| LAYERS.iter().any(|(layer, _)| *layer == name);
    let mut findings = Vec::new();
    for package in packages {
        let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
            findings.push(format!(
                "{}: which layer is it? name it in {}",
                package.name,
                file!()
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| ours(&d.name)) {
            // A crate may name itself for its own tests, to switch a feature on.
            if !below.contains(&dependency.name.as_str()) && dependency.name != package.name {
                findings.push(format!(
                    "{}/Cargo.toml: must not depend on {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    findings
}

/// A crate that belongs to a layer is used there only, also for tests; the domain is built of next to nothing.
pub(super) fn crates_stay_in_their_layers(packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            let owners = BELONGS
                .iter()
                .find(|(name, _)| *name == dependency.name)
                .map(|(_, owners)| *owners);
            if owners.is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                findings.push(format!(
                    "{}/Cargo.toml: {} is not for this layer",
                    package.name, dependency.name
                ));
            }
            let is_domain = package.name == "livehouse-domain" && !dependency.dev;
            if is_domain && !DOMAIN_MAY_USE.contains(&dependency.name.as_str()) {
                findings.push(format!(
                    "domain/Cargo.toml: {}: the domain depends on nothing",
                    dependency.name
                ));
            }
        }
    }
    findings
}

/// The domain's root says `no_std` and nothing brings `std` back.
pub(super) fn domain_is_no_std(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|s| s.is_in(&["domain/src/"])) {
        if source.path == "domain/src/lib.rs" && !source.text.contains("#![no_std]") {
            findings.push("domain/src/lib.rs: says no longer #![no_std]".into());
        }
        for token in source
            .code
            .iter()
            .filter(|t| t.text == "std" && source.role == Role::Product)
        {
            findings.push(format!(
                "{}:{}: std in the domain: it has core and alloc",
                source.path, token.line
            ));
        }
    }
    findings
}

/// Only the owners of the power to append name it, or what it takes.
pub(super) fn only_owners_name_the_writer(sources: &[Source]) -> Vec<String> {
    let strangers = sources
        .iter()
        .filter(|s| !s.is_in(MAY_NAME_WRITER) && s.role != Role::Test);
    named(
        strangers,
        |word| word == "Writer" || word == "Append",
        "only actors hold a Writer: take a Reader, or ask an actor",
    )
}

/// The gateway's transports, and the door's face to them.
const TRANSPORTS: &[&str] = &[
    "gateway/src/ws/",
    "gateway/src/emulation/",
    "gateway/src/door/http",
];

/// In the gateway only the transports name actix.
pub(super) fn only_the_transport_names_actix(sources: &[Source]) -> Vec<String> {
    let rest = sources
        .iter()
        .filter(|s| s.is_in(&["gateway/src/"]) && !s.is_in(TRANSPORTS));
    named(
        rest,
        |word| word.starts_with("actix"),
        "the transports are ws/ and emulation/; nothing else knows which HTTP server it is",
    )
}

/// No name in the gateway is a word of the business.
pub(super) fn gateway_knows_no_business(sources: &[Source]) -> Vec<String> {
    let gateway = sources
        .iter()
        .filter(|s| s.is_in(&["gateway/src/"]) && s.role == Role::Product);
    let is_business = |word: &str| {
        !NOT_BUSINESS.contains(&word) && parts(word).iter().any(|part| BUSINESS.contains(&part.as_str()))
    };
    named(
        gateway,
        is_business,
        "the gateway knows no rooms and no money: it serves channels",
    )
}

/// No floating point near money.
pub(super) fn domain_has_no_float(sources: &[Source]) -> Vec<String> {
    let domain = sources.iter().filter(|s| s.is_in(&["domain/"]));
    named(
        domain,
        |word| word == "f32" || word == "f64",
        "money is integer, checked arithmetic",
    )
}

fn named<'a>(
    sources: impl Iterator<Item = &'a Source>,
    bad: impl Fn(&str) -> bool,
    why: &str,
) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        for token in source.code.iter().filter(|t| bad(&t.text)) {
            findings.push(format!("{}:{}: `{}`: {why}", source.path, token.line, token.text));
        }
    }
    findings
}

/// `GiftSent` and `gift_sent` are made of `gift` and `sent`.
fn parts(word: &str) -> Vec<String> {
    if !word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Vec::new();
    }
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for c in word.chars() {
        if c == '_' || (c.is_uppercase() && after_lower) {
            parts.push(String::new());
        }
        after_lower = c.is_lowercase();
        if let Some(part) = parts.last_mut().filter(|_| c != '_') {
            part.extend(c.to_lowercase());
        }
    }
    parts
}
