//! Tidiness as tests: layers, banned calls, module docs, dead files, links, licences.
//!
//! Each rule is a function from what it looks at to its findings. It is tested twice: that it finds nothing in this
//! tree, and that it does find something in a small bad sample. A finding is mended in the code, not in the rule.

mod calls;
mod deny;
mod files;
mod layers;
mod source;

use std::path::Path;

use deny::Locked;
use source::{Dependency, Package, Role, Source, TREE, Text};

#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    );
}

fn product(path: &str, text: &str) -> [Source; 1] {
    [Source::new(path, text, Role::Product)]
}

fn file(path: &str, text: &str) -> [Text; 1] {
    [Text {
        path: path.into(),
        text: text.into(),
    }]
}

fn package(name: &str, dependency: &str) -> [Package; 1] {
    [Package {
        name: name.into(),
        dependencies: vec![Dependency {
            name: dependency.into(),
            dev: false,
        }],
    }]
}

fn deny_toml() -> toml::Table {
    let text = std::fs::read_to_string(source::root().join("deny.toml")).expect("deny.toml is in the tree");
    text.parse().expect("deny.toml is TOML")
}

fn locked() -> Vec<Locked> {
    deny::locked(&source::cargo_metadata(&["--filter-platform", "host-tuple"]))
}

#[test]
fn the_tree_is_seen() {
    assert!(TREE.sources.len() > 20 && TREE.texts.len() > 30 && TREE.packages.len() > 5);
    let strange: Vec<&str> = TREE
        .sources
        .iter()
        .filter(|s| s.all.is_empty())
        .map(|s| s.path.as_str())
        .collect();
    assert!(strange.is_empty(), "empty, or not Rust: {strange:?}");
    let tests = TREE
        .sources
        .iter()
        .find(|s| s.path == "domain/src/viewer/tests.rs")
        .map(|s| s.role);
    assert_eq!(tests, Some(Role::Test));
}

#[test]
fn layers_depend_only_downwards() {
    assert_none(&layers::depends_only_downwards(&TREE.packages));
    assert_eq!(
        layers::depends_only_downwards(&package("livehouse-actors", "livehouse-projections")).len(),
        1
    );
    assert_eq!(
        layers::depends_only_downwards(&package("livehouse-gateway", "livehouse-domain")).len(),
        1
    );
    assert_eq!(
        layers::depends_only_downwards(&package("livehouse-new", "serde")).len(),
        1
    );
}

#[test]
fn crates_stay_in_their_layers() {
    assert_none(&layers::crates_stay_in_their_layers(&TREE.packages));
    assert_eq!(
        layers::crates_stay_in_their_layers(&package("livehouse-projections", "actix")).len(),
        1
    );
    assert_eq!(
        layers::crates_stay_in_their_layers(&package("livehouse-journal", "clap")).len(),
        1
    );
    assert_eq!(
        layers::crates_stay_in_their_layers(&package("livehouse-domain", "serde_json")).len(),
        1
    );
}

#[test]
fn the_domain_has_no_std() {
    assert_none(&layers::domain_is_no_std(&TREE.sources));
    assert_eq!(
        layers::domain_is_no_std(&product("domain/src/lib.rs", "//! x\nuse std::io;")).len(),
        2
    );
}

#[test]
fn the_domain_has_no_float() {
    assert_none(&layers::domain_has_no_float(&TREE.sources));
    assert_eq!(
        layers::domain_has_no_float(&product("domain/src/a.rs", "fn f(x: f64) {}")).len(),
        1
    );
}

#[test]
fn only_actors_hold_a_writer() {
    assert_none(&layers::only_owners_name_the_writer(&TREE.sources));
    assert_eq!(
        layers::only_owners_name_the_writer(&product("src/admin/a.rs", "use journal::{Append, Writer};"))
            .len(),
        2
    );
    assert_none(&layers::only_owners_name_the_writer(&product(
        "src/serve/wiring.rs",
        "use journal::Writer;",
    )));
}

#[test]
fn only_the_gateways_transport_names_actix() {
    assert_none(&layers::only_the_transport_names_actix(&TREE.sources));
    assert_eq!(
        layers::only_the_transport_names_actix(&product("gateway/src/hub.rs", "use actix_web::web;")).len(),
        1
    );
}

#[test]
fn the_gateway_knows_no_business() {
    assert_none(&layers::gateway_knows_no_business(&TREE.sources));
    let bad = product(
        "gateway/src/hub.rs",
        "struct GiftPush; fn send_room() {} // a room\nfn shroom() {}",
    );
    assert_eq!(layers::gateway_knows_no_business(&bad).len(), 2);
}

#[test]
fn no_banned_call_is_made() {
    assert_none(&calls::no_banned_calls(&TREE.sources));
}

#[test]
fn every_banned_call_is_found() {
    for sample in calls::samples() {
        assert!(
            !calls::no_banned_calls(&product("actors/src/a.rs", &sample)).is_empty(),
            "not found: {sample}"
        );
    }
    let excused =
        "#[cfg(test)] mod tests { fn f() { a.unwrap(); } }\n// b.unwrap()\nfn g() { c.unwrap_or(0); }";
    assert_none(&calls::no_banned_calls(&product("actors/src/a.rs", excused)));
}

#[test]
fn every_module_says_what_it_is_for() {
    assert_none(&files::opens_with_what_it_is_for(&TREE.sources));
    assert_eq!(
        files::opens_with_what_it_is_for(&product("src/a.rs", "use std::io;\n//! late")).len(),
        1
    );
}

#[test]
fn every_file_is_one_idea_long() {
    assert_none(&files::is_one_idea_long(&TREE.sources, &TREE.texts));
    let long = "fn f() {}\n".repeat(601);
    assert_eq!(files::is_one_idea_long(&product("src/a.rs", &long), &[]).len(), 1);
    assert_eq!(files::is_one_idea_long(&[], &file("web/a.ts", &long)).len(), 1);
    let tests_aside = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_none(&files::is_one_idea_long(&product("src/a.rs", &tests_aside), &[]));
}

#[test]
fn every_rust_file_is_reached() {
    assert_none(&files::is_reached(&TREE.texts, &TREE.sources));
    assert_eq!(
        files::is_reached(&file("src/dead.rs", ""), &TREE.sources).len(),
        1
    );
}

#[test]
fn nothing_mentions_a_machine() {
    assert_none(&files::mentions_no_machine(&TREE.texts));
    for bad in [
        concat!("cd /ho", "me/ann"),
        concat!("see ..", "/shared/x"),
        concat!("\"/t", "mp/x\""),
    ] {
        assert_eq!(files::mentions_no_machine(&file("a.md", bad)).len(), 1, "{bad}");
    }
    assert_none(&files::mentions_no_machine(&file(
        "a.md",
        concat!("https://example.org/ho", "me/ann"),
    )));
}

#[test]
fn nothing_is_left_lying() {
    assert_none(&files::leaves_nothing_lying(&TREE.texts));
    assert_eq!(
        files::leaves_nothing_lying(&file("src/a.rs", concat!("// TO", "DO: later"))).len(),
        1
    );
}

#[test]
fn links_lead_somewhere() {
    let exists = |path: &Path| source::root().join(path).exists();
    assert_none(&files::links_lead_somewhere(&TREE.texts, exists));
    let only_a = |path: &Path| path == Path::new("a.md");
    let text = "[a](../a.md#x) [b](b.md) [c](https://c.org)\n```\n[d](d.md)\n```\n<img src=\"e.png\">";
    assert_eq!(
        files::links_lead_somewhere(&file("docs/x.md", text), only_a).len(),
        2
    );
}

#[test]
fn decisions_have_their_own_numbers() {
    assert_none(&files::decisions_have_their_own_numbers(&TREE.texts));
    let [a] = file("docs/decisions/0001-a.md", "");
    let [b] = file("docs/decisions/0001-b.md", "");
    let [c] = file("docs/decisions/c.md", "");
    assert_eq!(files::decisions_have_their_own_numbers(&[a, b, c]).len(), 2);
}

#[test]
fn every_bench_has_its_figure() {
    let page = TREE
        .texts
        .iter()
        .find(|t| t.path == "benches/README.md")
        .map(|t| t.text.as_str());
    assert_none(&files::benches_have_their_figures(
        &TREE.benches,
        page.unwrap_or_default(),
    ));
    assert_eq!(
        files::benches_have_their_figures(&["secret".into()], "| `append` |").len(),
        1
    );
}

#[test]
fn nothing_banned_is_built_in() {
    assert_none(&deny::nothing_banned_is_built_in(&deny_toml(), &locked()));
    let old = Locked {
        name: "h2".into(),
        version: "0.3.27".into(),
        license: "MIT".into(),
    };
    assert_eq!(deny::nothing_banned_is_built_in(&deny_toml(), &[old]).len(), 1);
}

#[test]
fn every_licence_is_allowed() {
    assert_none(&deny::licences_are_allowed(&deny_toml(), &locked()));
    let strict = Locked {
        name: "x".into(),
        version: "1.0.0".into(),
        license: "AGPL-3.0".into(),
    };
    assert_eq!(deny::licences_are_allowed(&deny_toml(), &[strict]).len(), 1);
}
