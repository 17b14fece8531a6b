//! Every check there is, as data. To add one, add a line.
//!
//! The steps of a lane run in the order of this list; the two lanes run side by side; what stands [`Lane::Alone`] runs
//! after both, one at a time, because it starts servers and measures time.

use std::time::Duration;

use crate::tools::Tool;

/// Which steps may run beside which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// cargo's.
    Rust,
    /// npm's, for the page.
    Page,
    /// Nobody beside it.
    Alone,
}

/// One check: a command that succeeds or fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// What `cargo xtask test NAME` calls it.
    pub(crate) name: &'static str,
    /// The command, split at blanks; `{target}` stands for cargo's target directory.
    pub(crate) command: &'static str,
    /// Where it runs, relative to the clone.
    pub(crate) dir: &'static str,
    /// Variables; `{target}` as above.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Steps without which it makes no sense: when one of them failed, this one fails unrun.
    pub(crate) after: &'static [&'static str],
    /// What must be on the machine.
    pub(crate) tool: Option<Tool>,
    /// Beside what it runs.
    pub(crate) lane: Lane,
    /// Whether it belongs to `--quick`.
    pub(crate) quick: bool,
    /// It is killed when it takes longer.
    pub(crate) limit: Duration,
}

impl Step {
    const fn new(lane: Lane, name: &'static str, command: &'static str, minutes: u64) -> Self {
        let limit = Duration::from_secs(minutes * 60);
        Self {
            name,
            command,
            dir: ".",
            env: &[],
            after: &[],
            tool: None,
            lane,
            quick: false,
            limit,
        }
    }

    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    const fn in_dir(mut self, dir: &'static str) -> Self {
        self.dir = dir;
        self
    }

    const fn env(mut self, env: &'static [(&'static str, &'static str)]) -> Self {
        self.env = env;
        self
    }

    const fn after(mut self, steps: &'static [&'static str]) -> Self {
        self.after = steps;
        self
    }

    const fn tool(mut self, tool: Tool) -> Self {
        self.tool = Some(tool);
        self
    }
}

const NPM_CI: &str = "npm ci --no-audit --no-fund";
/// Within `test` the two harnesses only show that they run; they have steps of their own.
const BRIEFLY: &[(&str, &str)] = &[("SIM_SEEDS", "200"), ("CRASH_KILLS", "2")];
const DENY_WARNINGS: &[(&str, &str)] = &[("RUSTDOCFLAGS", "-D warnings")];
const CONFORMANCE: &[(&str, &str)] = &[("CONFORMANCE", "{target}/debug/examples/conformance")];
const SERVER: &[(&str, &str)] = &[("SERVER_BIN", "{target}/debug/livehouse")];
const BROWSER: &[(&str, &str)] = &[
    ("SERVER_BIN", "{target}/debug/livehouse"),
    ("SCREENSHOTS_DIR", "{target}/screenshots"),
];

const fn rust(name: &'static str, command: &'static str, minutes: u64) -> Step {
    Step::new(Lane::Rust, name, command, minutes)
}

const fn page(name: &'static str, command: &'static str) -> Step {
    Step::new(Lane::Page, name, command, 5)
        .in_dir("web")
        .tool(Tool::Node)
}

const fn alone(name: &'static str, command: &'static str, minutes: u64) -> Step {
    Step::new(Lane::Alone, name, command, minutes)
}

/// Every check, fastest first within its lane.
pub(crate) const STEPS: &[Step] = &[
    rust("fmt", "cargo fmt --all --check", 2).quick(),
    rust(
        "clippy",
        "cargo clippy --workspace --all-targets --locked -- -D warnings",
        15,
    )
    .quick(),
    rust("test", "cargo test --workspace --locked --no-fail-fast", 25)
        .env(BRIEFLY)
        .quick(),
    rust("doc", "cargo doc --workspace --no-deps --locked", 10).env(DENY_WARNINGS),
    page("page-install", NPM_CI).quick(),
    page("page-types", "npm run check")
        .after(&["page-install"])
        .quick(),
    page("page-unit", "npm test").after(&["page-install"]).quick(),
    page("page-build", "npm run build").after(&["page-install"]),
    // The page is embedded, so the server is built when the page is; the compiling itself was done by `test`.
    alone("build", "cargo build --workspace --bins --examples --locked", 15),
    alone(
        "gateway-python",
        "sh gateway/tests/upstream/run_python_suite.sh {target}/debug/examples/conformance {target}/python-suite",
        12,
    )
    .after(&["build"])
    .tool(Tool::Python),
    alone("gateway-node-install", NPM_CI, 3)
        .in_dir("gateway/tests/sdk_js")
        .tool(Tool::Node),
    alone("gateway-node", "npm test", 5)
        .in_dir("gateway/tests/sdk_js")
        .env(CONFORMANCE)
        .after(&["build", "gateway-node-install"]),
    alone("sdk-python", "bash tests/sdk/python/run.sh", 5)
        .env(SERVER)
        .after(&["build"])
        .tool(Tool::Python),
    alone("sdk-node-install", NPM_CI, 3)
        .in_dir("tests/sdk/node")
        .tool(Tool::Node),
    alone("sdk-node", "npm test", 5)
        .in_dir("tests/sdk/node")
        .env(SERVER)
        .after(&["build", "sdk-node-install"]),
    alone("browser", "npm run test:browser", 10)
        .in_dir("web")
        .env(BROWSER)
        .after(&["build", "page-build"])
        .tool(Tool::Chromium),
    alone("sim", "cargo test --locked --test sim -- --nocapture", 15)
        .env(&[("SIM_SEEDS", "5000")])
        .after(&["build"]),
    alone("crash", "cargo test --locked --test crash -- --nocapture", 5)
        .env(&[("CRASH_KILLS", "20")])
        .after(&["build"]),
];

#[cfg(test)]
mod tests {
    use super::{Lane, STEPS};

    #[test]
    fn a_step_waits_only_for_steps_that_ran_before_it() {
        for (at, step) in STEPS.iter().enumerate() {
            for name in step.after {
                let before = STEPS.iter().take(at).find(|s| s.name == *name);
                let fits = before.is_some_and(|s| s.lane == step.lane || step.lane == Lane::Alone);
                assert!(
                    fits,
                    "{} waits for {name}, which does not run before it",
                    step.name
                );
            }
        }
    }

    #[test]
    fn names_are_unique_and_lanes_end_before_what_stands_alone() {
        for (at, step) in STEPS.iter().enumerate() {
            assert!(
                STEPS.iter().skip(at + 1).all(|s| s.name != step.name),
                "{} stands twice",
                step.name
            );
        }
        assert!(
            STEPS
                .iter()
                .skip_while(|s| s.lane != Lane::Alone)
                .all(|s| s.lane == Lane::Alone)
        );
    }
}
