//! The tree as the tidy rules see it: Rust sources as tokens, everything else as text, packages as cargo tells them.
//!
//! It only reads. What it does not see, no rule can judge: so it starts from the targets and follows every `mod`, and
//! one of the rules compares that with the files there are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;

/// Directories that hold nothing of ours.
const NOT_OURS: &[&str] = &[
    ".git",
    "target",
    "node_modules",
    "dist",
    "livehouse-data",
    "__pycache__",
    ".venv",
    "test-results",
];

/// What a Rust file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is in the product, or in xtask.
    Product,
    /// It is only compiled for tests.
    Test,
    /// A program that measures.
    Bench,
    /// A program that shows or serves tests.
    Example,
}

/// One Rust file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) role: Role,
    /// All tokens but those of `cfg(test)` items.
    pub(super) code: Vec<Token>,
    /// All tokens.
    pub(super) all: Vec<Token>,
    /// How many lines it has without its `cfg(test)` items.
    pub(super) lines: usize,
}

/// One token; brackets are tokens of their own, comments are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

/// One file of any kind that is text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

/// One package of the workspace.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// One entry of a package's dependencies.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Only for tests, benches and examples.
    pub(super) dev: bool,
}

/// Everything the rules look at.
pub(super) struct Tree {
    pub(super) sources: Vec<Source>,
    pub(super) texts: Vec<Text>,
    pub(super) packages: Vec<Package>,
    /// The names of the programs that measure.
    pub(super) benches: Vec<String>,
}

/// The clone.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tree, read once.
pub(super) static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let metadata = cargo_metadata(&["--no-deps"]);
    Tree {
        sources: sources(&metadata),
        texts: texts(),
        packages: packages(&metadata),
        benches: benches(&metadata),
    }
});

/// What `cargo metadata` says.
pub(super) fn cargo_metadata(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(args)
        .current_dir(root())
        .output()
        .expect("cargo can be started: it runs this test");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn packages(metadata: &Value) -> Vec<Package> {
    let dependency = |d: &Value| Dependency {
        name: word(d, "name"),
        dev: word(d, "kind") == "dev",
    };
    let package = |p: &Value| Package {
        name: word(p, "name"),
        dependencies: list(p, "dependencies").iter().map(dependency).collect(),
    };
    list(metadata, "packages").iter().map(package).collect()
}

fn benches(metadata: &Value) -> Vec<String> {
    let targets = list(metadata, "packages").iter().flat_map(|p| list(p, "targets"));
    targets
        .filter(|t| t["kind"][0] == "bench")
        .map(|t| word(t, "name"))
        .collect()
}

fn sources(metadata: &Value) -> Vec<Source> {
    let mut found = BTreeMap::new();
    for target in list(metadata, "packages").iter().flat_map(|p| list(p, "targets")) {
        let role = match target["kind"][0].as_str() {
            Some("test") => Role::Test,
            Some("bench") => Role::Bench,
            Some("example") => Role::Example,
            _ => Role::Product,
        };
        follow(&PathBuf::from(word(target, "src_path")), true, role, &mut found);
    }
    found.into_values().collect()
}

/// Reads a file and the files of its modules. The first role a file is met in counts, but product wins over all.
fn follow(file: &Path, is_root: bool, role: Role, found: &mut BTreeMap<String, Source>) {
    // `#[path]` may go up; a file has one name here.
    let Ok(file) = &fs::canonicalize(file) else { return };
    let path = relative(file);
    if found
        .get(&path)
        .is_some_and(|known| known.role == role || known.role == Role::Product)
    {
        return;
    }
    // A module without a file is the compiler's to report.
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    let source = Source::new(&path, &text, role);
    let dir = file.parent().unwrap_or(Path::new(""));
    let owns_dir = is_root || file.file_name().is_some_and(|name| name == "mod.rs");
    let below = if owns_dir {
        dir.to_owned()
    } else {
        file.with_extension("")
    };
    let (product, all) = (modules(&source.code), modules(&source.all));
    found.insert(path, source);
    for module in all {
        let role = if product.contains(&module) {
            role
        } else {
            Role::Test
        };
        for candidate in module.candidates(dir, &below) {
            if candidate.is_file() {
                follow(&candidate, false, role, found);
            }
        }
    }
}

/// A `mod name;` with the inline modules around it and its `#[path]`.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    name: String,
    around: Vec<String>,
    path: Option<String>,
}

impl Module {
    fn candidates(&self, dir: &Path, below: &Path) -> Vec<PathBuf> {
        if let Some(path) = &self.path {
            return vec![dir.join(path)];
        }
        let below = self
            .around
            .iter()
            .fold(below.to_owned(), |at, part| at.join(part));
        vec![
            below.join(format!("{}.rs", self.name)),
            below.join(&self.name).join("mod.rs"),
        ]
    }
}

fn modules(tokens: &[Token]) -> Vec<Module> {
    let at = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let (mut found, mut around, mut depth) = (Vec::new(), Vec::<(String, usize)>::new(), 0_usize);
    let mut path = None;
    for i in 0..tokens.len() {
        match at(i) {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                around.retain(|(_, opened)| *opened <= depth);
            }
            "path" if at(i.wrapping_sub(1)) == "[" && at(i + 1) == "=" => {
                path = Some(at(i + 2).trim_matches('"').to_owned());
            }
            "mod" if at(i + 2) == ";" => found.push(Module {
                name: at(i + 1).to_owned(),
                around: around.iter().map(|(name, _)| name.clone()).collect(),
                path: path.take(),
            }),
            "mod" if at(i + 2) == "{" => around.push((at(i + 1).to_owned(), depth + 1)),
            _ => {}
        }
    }
    found
}

impl Source {
    /// A file from its text. A text that is not Rust has no tokens; the compiler reports it.
    pub(super) fn new(path: &str, text: &str, role: Role) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_default();
        let (mut all, mut code) = (Vec::new(), Vec::new());
        flatten(stream.clone(), false, &mut all);
        let skipped = flatten(stream, role != Role::Test, &mut code);
        let lines = text.lines().count() - skipped;
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            role,
            code,
            all,
            lines,
        }
    }

    /// Whether it lies in one of the directories (or is one of the files).
    pub(super) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// Turns trees into a row of tokens, without `cfg(test)` items when told so; returns how many lines those take.
fn flatten(stream: TokenStream, without_tests: bool, out: &mut Vec<Token>) -> usize {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let (mut i, mut skipped) = (0, 0);
    while let Some(tree) = trees.get(i) {
        if without_tests && is_cfg_test(&trees, i) {
            if trees.get(i + 1).is_some_and(|t| t.to_string() == "!") {
                return skipped + lines_of(&trees[i..]);
            }
            let behind = end_of_item(&trees, i + 2);
            skipped += lines_of(&trees[i..behind]);
            i = behind;
            continue;
        }
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                out.push(Token {
                    text: open.into(),
                    line,
                });
                skipped += flatten(group.stream(), without_tests, out);
                out.push(Token {
                    text: close.into(),
                    line: group.span_close().start().line,
                });
            }
            other => out.push(Token {
                text: other.to_string(),
                line,
            }),
        }
        i += 1;
    }
    skipped
}

/// How many lines a row of trees spans.
fn lines_of(trees: &[TokenTree]) -> usize {
    let span = |tree: Option<&TokenTree>| tree.map(|t| (t.span().start().line, t.span().end().line));
    let ((first, _), (_, last)) = (
        span(trees.first()).unwrap_or_default(),
        span(trees.last()).unwrap_or_default(),
    );
    last - first + 1
}

/// Whether `#[cfg(test)]` (or `any(test, ..)`, or the inner form) begins here.
fn is_cfg_test(trees: &[TokenTree], i: usize) -> bool {
    let text = |i: usize| trees.get(i).map(ToString::to_string).unwrap_or_default();
    let attribute = if text(i + 1) == "!" {
        text(i + 2)
    } else {
        text(i + 1)
    };
    let attribute: String = attribute.split_whitespace().collect();
    let words = |c: char| !c.is_alphanumeric() && c != '_';
    text(i) == "#"
        && attribute.starts_with("[cfg(")
        && attribute.split(words).any(|w| w == "test")
        && !attribute.contains("not(")
}

/// Behind the item that begins at `i`: its first `;` or braces.
fn end_of_item(trees: &[TokenTree], i: usize) -> usize {
    let ends = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    trees
        .iter()
        .skip(i)
        .position(ends)
        .map_or(trees.len(), |behind| i + behind + 1)
}

fn relative(file: &Path) -> String {
    static CLONE: LazyLock<PathBuf> = LazyLock::new(|| fs::canonicalize(root()).expect("the clone is there"));
    let file = file
        .strip_prefix(&*CLONE)
        .or_else(|_| file.strip_prefix(root()))
        .unwrap_or(file);
    file.to_string_lossy().replace('\\', "/")
}

/// Every text file of the tree.
fn texts() -> Vec<Text> {
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(dir: &Path, found: &mut Vec<Text>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = !NOT_OURS.iter().any(|name| entry.file_name() == *name);
        if path.is_dir() && is_ours {
            walk(&path, found);
        } else if path.is_file() {
            // What is not UTF-8 is a picture or a golden file.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            found.push(Text {
                path: relative(&path),
                text,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(tokens: &[Token]) -> String {
        tokens
            .iter()
            .map(|t| t.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn test_items_comments_and_strings_are_not_code() {
        let text =
            "// x.unwrap()\nfn a() { \"b.unwrap()\"; }\n#[cfg(test)]\nmod tests { fn c() {} }\nfn d() {}";
        let source = Source::new("src/a.rs", text, Role::Product);
        assert_eq!(
            texts_of(&source.code),
            "fn a ( ) { \"b.unwrap()\" ; } fn d ( ) { }"
        );
        assert!(texts_of(&source.all).contains("fn c"));
        assert_eq!(source.code.last().map(|t| t.line), Some(5));
    }

    #[test]
    fn a_module_is_found_with_what_is_around_it() {
        let source = Source::new(
            "src/a.rs",
            "mod a; mod b { mod c; } #[path = \"x.rs\"] mod d;",
            Role::Product,
        );
        let found = modules(&source.all);
        assert_eq!(found.len(), 3);
        let (dir, below) = (Path::new("src"), Path::new("src/a"));
        assert_eq!(found[1].candidates(dir, below)[0], Path::new("src/a/b/c.rs"));
        assert_eq!(found[2].candidates(dir, below), [Path::new("src/x.rs")]);
    }
}
