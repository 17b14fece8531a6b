//! Nobody is let in under a name that the house itself writes under, and none of those names is forgotten.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use livehouse::authors::{PARTS, PREFIXES};
use serde_json::{Value, json};

use crate::client::{House, http, run};
use crate::support::LIVEHOUSE;

/// What stands before the name of an author in the sources.
const MARKS: &[&str] = &[
    "of_system(\"",
    "const NAME: &'static str = \"",
    "const NAME: &str = \"",
    "const AUTHOR: &str = \"",
    "actor: CompactString::const_new(\"",
];

fn literals(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            literals(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for mark in MARKS {
                let after = code.split(mark).skip(1);
                found.extend(after.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_name_that_the_house_writes_under_is_reserved_and_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for directory in ["src", "actors/src"] {
        literals(&root.join(directory), &mut found);
    }
    for known in ["cashier", "settlement", "payouts", "config", "clock"] {
        assert!(found.contains(known), "the sources are not read well: {found:?}");
    }
    let missing: Vec<_> = found
        .iter()
        .filter(|name| !PARTS.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "add them to src/authors.rs: {missing:?}");
    let page = std::fs::read_to_string(root.join("docs/protocol.md")).expect("docs/protocol.md");
    let line = page
        .lines()
        .find(|line| line.starts_with("| `sub` |"))
        .expect("the claim");
    for name in PARTS.iter().chain(PREFIXES) {
        assert!(
            line.contains(&format!("`{name}`")),
            "{name} is not in docs/protocol.md"
        );
    }
}

#[tokio::test]
async fn a_token_for_the_house_itself_is_neither_made_nor_taken() {
    let house = House::open();
    let (status, said) = http("GET", &house.server.address, "/dev/token?user=cashier").await;
    assert_eq!((status, said.contains("another user id")), (422, true), "{said}");
    let (code, out, said) = run(Command::new(LIVEHOUSE)
        .args(["token", "--user", "admin.kim"])
        .env("LIVEHOUSE_TOKEN_SECRET", "0123456789abcdef0123456789abcdef"));
    assert_eq!((code, out.as_str()), (1, ""), "{said}");
    assert!(said.contains("another user id"), "{said}");

    // Whoever knows the secret signs one all the same.
    let secret = std::fs::read(house.dir.path().join("demo-token-secret")).expect("the demo keeps it");
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    for user in ["payouts", "admin.kim"] {
        let claims = json!({ "sub": user, "exp": 4_000_000_000_u64 });
        let token = jsonwebtoken::encode::<Value>(&jsonwebtoken::Header::default(), &claims, &key);
        let mut socket = crate::client::Socket::open(&house.server.address).await;
        let connect = json!({ "id": 1, "connect": { "token": token.expect("a token") } });
        socket.send_text(&connect.to_string()).await;
        assert_eq!(socket.close_code().await, 3500, "{user}");
    }
    house.assert_unharmed().await;
}
