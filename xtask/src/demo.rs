//! `cargo xtask demo`: the page, the server, and a crowd to look at.
//!
//! The last act is to become the server, so that Ctrl-C is the server's own affair. Without Node.js it goes on: the
//! server then says at `/` how to build the page.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::Places;
use crate::failure::Failure;
use crate::process::Line;
use crate::tools::{self, Tool};

/// `demo [-- ARGS]`.
pub(crate) fn run(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let args = match args.split_first() {
        None => args,
        Some((first, rest)) if first == "--" => rest,
        Some((first, _)) => {
            let text = format!(
                "demo has no `{first}`: what is for the server stands behind `--`, as in `demo -- {first}`"
            );
            return Err(Failure::Usage(text));
        }
    };
    if let Err(failure) = tools::ensure(places, Tool::Node) {
        eprintln!("going on without the page: {failure}");
    } else {
        page(places)?;
    }
    eprintln!("building the server (the first time takes some minutes)");
    Line::new("cargo build --release --locked --package livehouse --bin livehouse").run(&places.root)?;
    let mut server = Line::new("demo");
    server.words.insert(
        0,
        places
            .target
            .join("release/livehouse")
            .to_string_lossy()
            .into_owned(),
    );
    server.words.extend_from_slice(args);
    Err(server.become_it(&places.root))
}

/// Builds the page when its sources are newer than what was built, and installs what it needs when its lock file is
/// newer than what was installed.
fn page(places: &Places) -> Result<(), Failure> {
    let web = places.root.join("web");
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if modified(&web.join("package-lock.json")) > installed || installed.is_none() {
        eprintln!("installing what the page needs");
        Line::new("npm ci --no-audit --no-fund")
            .in_dir("web")
            .run(&places.root)?;
    }
    let built = modified(&web.join("dist/index.html"));
    if built.is_none() || newest(&web) > built {
        eprintln!("building the page");
        Line::new("npm run build").in_dir("web").run(&places.root)?;
    }
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// When the newest source below a directory was changed; what is built or installed does not count.
fn newest(dir: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sources = entries.filter(|e| !["node_modules", "dist"].iter().any(|name| e.file_name() == *name));
    sources
        .filter_map(|e| {
            if e.path().is_dir() {
                newest(&e.path())
            } else {
                modified(&e.path())
            }
        })
        .max()
}
