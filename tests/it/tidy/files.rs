//! Files: what opens them, how long they are, whether anybody reaches them, and what they must not mention.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::source::{Role, Source, Text};

/// Longest file in lines; a longer one holds more than one idea.
const LINES_MAX: usize = 600;

/// Longest file of nothing but tests.
const TEST_LINES_MAX: usize = 1_000;

/// Files that may be longer, and why.
const MAY_BE_LONGER: &[(&str, &str)] = &[];

/// Traces of somebody's machine. In pieces, so that this file is not a finding.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/t", "mp/"),
    concat!("..", "/shared"),
    concat!("arti", "factory"),
    concat!("registry", ".npmjs.org"),
];

/// Words of work that was left lying. In pieces for the same reason.
const LEFT_LYING: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// Endings of files that people write.
const WRITTEN: &[&str] = &[
    "rs", "md", "toml", "ts", "tsx", "js", "mjs", "svelte", "css", "html", "json", "sh", "py", "yml", "yaml",
    "npmrc", "run",
];

/// Each Rust file opens by saying what it is for.
pub(super) fn opens_with_what_it_is_for(sources: &[Source]) -> Vec<String> {
    let silent = sources
        .iter()
        .filter(|s| !s.text.lines().any(|line| line.starts_with("//!")) || !opens(&s.text));
    silent
        .map(|s| {
            format!(
                "{}:1: open it with //!: what it is for, what it must never do",
                s.path
            )
        })
        .collect()
}

/// The first line that says anything is a module doc; a script's first line aside.
fn opens(text: &str) -> bool {
    text.lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("#!/"))
        .is_some_and(|l| l.starts_with("//!"))
}

/// No file is too long (in Rust its tests aside), and no exception has outlived its reason.
pub(super) fn is_one_idea_long(sources: &[Source], texts: &[Text]) -> Vec<String> {
    let page = |t: &&Text| ["ts", "tsx", "svelte", "js", "mjs", "py"].contains(&ending(&t.path));
    let pages = texts
        .iter()
        .filter(page)
        .map(|t| (t.path.as_str(), t.text.lines().count(), LINES_MAX));
    let limit = |s: &Source| {
        if s.role == Role::Test {
            TEST_LINES_MAX
        } else {
            LINES_MAX
        }
    };
    let rust = sources.iter().map(|s| (s.path.as_str(), s.lines, limit(s)));
    let mut findings = Vec::new();
    for (path, lines, limit) in rust.chain(pages) {
        let may = MAY_BE_LONGER.iter().any(|(listed, _)| *listed == path);
        if lines > limit && !may {
            findings.push(format!(
                "{path}: {lines} lines, at most {limit}: find the second idea in it"
            ));
        }
        if lines <= limit && may {
            findings.push(format!(
                "{path}: is short enough now: strike it from MAY_BE_LONGER"
            ));
        }
    }
    findings
}

/// Every Rust file of the tree is reached from a target.
pub(super) fn is_reached(texts: &[Text], sources: &[Source]) -> Vec<String> {
    let reached: BTreeSet<&str> = sources.iter().map(|s| s.path.as_str()).collect();
    let dead = texts
        .iter()
        .filter(|t| ending(&t.path) == "rs" && !reached.contains(t.path.as_str()));
    dead.map(|t| format!("{}: no `mod` leads here: name it or delete it", t.path))
        .collect()
}

/// Nothing mentions somebody's machine or registry.
pub(super) fn mentions_no_machine(texts: &[Text]) -> Vec<String> {
    let written = texts
        .iter()
        .filter(|t| WRITTEN.contains(&ending(&t.path)) || ending(&t.path) == "lock");
    lines_with(written, |line| {
        MACHINE.iter().copied().find(|trace| stands_alone(line, trace))
    })
}

/// A path counts where it begins: not in the middle of a longer word or address.
fn stands_alone(line: &str, trace: &str) -> bool {
    let begins = |before: Option<char>| !before.is_some_and(|c| c.is_alphanumeric() || "-_.}".contains(c));
    line.match_indices(trace)
        .any(|(at, _)| !trace.starts_with('/') || begins(line[..at].chars().next_back()))
}

/// Nothing says that it is not finished.
pub(super) fn leaves_nothing_lying(texts: &[Text]) -> Vec<String> {
    let written = texts
        .iter()
        .filter(|t| WRITTEN.contains(&ending(&t.path)) && !t.path.ends_with("package-lock.json"));
    let is_word = |c: char| !c.is_alphanumeric() && c != '_';
    lines_with(written, |line| {
        LEFT_LYING
            .iter()
            .copied()
            .find(|word| line.split(is_word).any(|w| w == *word))
    })
}

fn lines_with<'a>(
    texts: impl Iterator<Item = &'a Text>,
    bad: impl Fn(&str) -> Option<&'static str>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for text in texts {
        for (number, line) in text.text.lines().enumerate() {
            findings.extend(bad(line).map(|what| format!("{}:{}: mentions `{what}`", text.path, number + 1)));
        }
    }
    findings
}

/// Every relative link of a document leads to a file that is there.
pub(super) fn links_lead_somewhere(texts: &[Text], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for text in texts.iter().filter(|t| ending(&t.path) == "md") {
        for target in links(&text.text) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            let dir = Path::new(&text.path).parent().unwrap_or(Path::new(""));
            if !elsewhere && !exists(&normal(&dir.join(file))) {
                findings.push(format!("{}: links to {target}, which is not there", text.path));
            }
        }
    }
    findings
}

/// What stands in `](..)`, and in `src="..."` of pictures; code blocks aside.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        for (before, after) in [("](", ')'), ("src=\"", '"')] {
            let targets = line
                .split(before)
                .skip(1)
                .filter_map(|rest| rest.split_once(after));
            found.extend(targets.map(|(target, _)| target.split(' ').next().unwrap_or_default().to_owned()));
        }
    }
    found
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop()
        } else {
            normal.push(part);
            true
        };
    }
    normal
}

/// Decisions are named `NNNN-title.md`, and no number stands twice.
pub(super) fn decisions_have_their_own_numbers(texts: &[Text]) -> Vec<String> {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for text in texts {
        let Some(name) = text.path.strip_prefix("docs/decisions/") else {
            continue;
        };
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|b| b.is_ascii_digit()) || !name.ends_with(".md") {
            findings.push(format!("{}: a decision is named NNNN-title.md", text.path));
        } else if let Some(other) = taken.insert(number, &text.path) {
            findings.push(format!("{}: has the number of {other}", text.path));
        }
    }
    findings
}

/// Every program that measures has its row in the page of figures.
pub(super) fn benches_have_their_figures(benches: &[String], page: &str) -> Vec<String> {
    let unknown = benches
        .iter()
        .filter(|name| !page.contains(&format!("| `{name}` |")));
    unknown
        .map(|name| format!("benches/README.md: no figure of {name}"))
        .collect()
}

fn ending(path: &str) -> &str {
    path.rsplit(['.', '/']).next().unwrap_or_default()
}
