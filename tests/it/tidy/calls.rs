//! Calls that are not made here, each with what is done instead.

use super::source::{Role, Source};

/// Files that talk to a person on standard output and error.
const TALKS: &[&str] = &["src/cli", "src/main.rs", "src/progress.rs", "xtask/", "build.rs"];

/// The one file that knows actix's ways of sending.
const SENDS: &[&str] = &["actors/src/registry.rs"];

/// A row of tokens that must not stand somewhere.
struct Ban {
    tokens: &'static [&'static str],
    /// Also in tests, benches and examples.
    everywhere: bool,
    /// Where it may stand all the same.
    except: &'static [&'static str],
    instead: &'static str,
}

const fn in_product(tokens: &'static [&'static str], instead: &'static str) -> Ban {
    Ban {
        tokens,
        everywhere: false,
        except: &[],
        instead,
    }
}

const fn anywhere(tokens: &'static [&'static str], instead: &'static str) -> Ban {
    Ban {
        tokens,
        everywhere: true,
        except: &[],
        instead,
    }
}

const fn but_in(mut ban: Ban, except: &'static [&'static str]) -> Ban {
    ban.except = except;
    ban
}

const BOUNDED: &str = "every queue has a bound, named in limits.rs";
const TALK: &str = "data and talk are for src/cli; elsewhere use tracing";

const BANS: &[Ban] = &[
    in_product(
        &[".", "unwrap", "(", ")"],
        "handle it, or say with expect() why it cannot be",
    ),
    in_product(
        &[".", "unwrap_err", "(", ")"],
        "handle it, or say with expect_err() why it cannot be",
    ),
    in_product(
        &["thread", ":", ":", "sleep"],
        "wait for the thing itself, with a limit",
    ),
    in_product(&["unbounded_channel"], BOUNDED),
    in_product(&["unbounded"], BOUNDED),
    in_product(&["mpsc", ":", ":", "channel", "(", ")"], BOUNDED),
    but_in(
        anywhere(&["do_send"], "it ignores the mailbox's bound: use try_send"),
        SENDS,
    ),
    but_in(in_product(&["println", "!"], TALK), TALKS),
    but_in(in_product(&["print", "!"], TALK), TALKS),
    but_in(in_product(&["eprintln", "!"], TALK), TALKS),
    but_in(in_product(&["eprint", "!"], TALK), TALKS),
    anywhere(&["dbg", "!"], "take it out"),
    anywhere(&["todo", "!"], "write it, or leave the whole feature out"),
    anywhere(
        &["unimplemented", "!"],
        "write it, or leave the whole feature out",
    ),
    anywhere(&["#", "[", "ignore"], "a test that does not run proves nothing"),
];

/// No banned call stands where it is banned.
pub(super) fn no_banned_calls(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .flat_map(|source| BANS.iter().flat_map(|ban| found(source, ban)))
        .collect()
}

fn found(source: &Source, ban: &Ban) -> Vec<String> {
    if source.is_in(ban.except) || (!ban.everywhere && source.role != Role::Product) {
        return Vec::new();
    }
    let tokens = if ban.everywhere { &source.all } else { &source.code };
    let stands = |row: &&[super::source::Token]| {
        row.iter()
            .zip(ban.tokens)
            .all(|(token, banned)| token.text == *banned)
    };
    let rows = tokens.windows(ban.tokens.len()).filter(stands);
    rows.filter_map(|row| row.first())
        .map(|token| {
            format!(
                "{}:{}: `{}`: {}",
                source.path,
                token.line,
                ban.tokens.concat(),
                ban.instead
            )
        })
        .collect()
}

/// Every ban, as a small bad program of its own: for the test that each can fail.
pub(super) fn samples() -> Vec<String> {
    BANS.iter()
        .map(|ban| {
            if ban.tokens[0] == "#" {
                "#[ignore] fn f() {}".into()
            } else {
                in_a_call(ban)
            }
        })
        .collect()
}

fn in_a_call(ban: &Ban) -> String {
    let call = ban.tokens.concat();
    if call.ends_with('!') {
        format!("fn f() {{ {call}(x) }}")
    } else {
        format!("fn f() {{ a{}{call} }}", glue(&call))
    }
}

fn glue(call: &str) -> &'static str {
    if call.starts_with('.') { "" } else { "::" }
}
