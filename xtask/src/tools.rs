//! What a machine must have besides Rust, and how it gets it.
//!
//! As root on Debian missing packages are installed; else the advice says what to type. Nothing is ever fetched from
//! anywhere but the package repositories the machine is set up with.

use std::sync::{Mutex, PoisonError};

use crate::Places;
use crate::failure::Failure;
use crate::machine::said;
use crate::process::Line;

/// The oldest Node.js that builds the page and runs the JavaScript tests: major, minor.
const NODE_MIN: (u32, u32) = (20, 19);

/// Something that has to be on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Node.js with npm, for the page and the JavaScript SDK.
    Node,
    /// Debian's Chromium, for the browser test.
    Chromium,
    /// nginx with nchan, which the gateway is measured beside.
    Nchan,
    /// Redis, whose sorted sets the boards are measured beside.
    Redis,
    /// Python that can make virtual environments, for the Python SDK.
    Python,
}

impl Tool {
    /// The Debian packages that bring it.
    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["nodejs", "npm"],
            Self::Chromium => &["chromium"],
            Self::Nchan => &["nginx", "libnginx-mod-nchan"],
            Self::Redis => &["redis-server"],
            Self::Python => &["python3", "python3-venv", "python3-pip"],
        }
    }

    /// What is wrong with it here; `None` when it is there and new enough.
    fn trouble(self) -> Option<String> {
        match self {
            Self::Node => match said("node", &["--version"]) {
                None => Some("Node.js is not installed".into()),
                Some(version) if node_version(&version) < NODE_MIN => {
                    let (major, minor) = NODE_MIN;
                    Some(format!(
                        "Node.js {version} is too old: {major}.{minor} or newer is needed"
                    ))
                }
                Some(_) => said("npm", &["--version"])
                    .is_none()
                    .then(|| "npm is not installed".into()),
            },
            Self::Chromium => said("chromium", &["--version"])
                .is_none()
                .then(|| "Chromium is not installed".into()),
            Self::Nchan => {
                const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
                (!std::path::Path::new(MODULE).exists()).then(|| "nginx with nchan is not installed".into())
            }
            Self::Redis => said("redis-server", &["--version"])
                .is_none()
                .then(|| "Redis is not installed".into()),
            Self::Python => {
                let ready = said("python3", &["-c", "import venv, ensurepip"]);
                ready
                    .is_none()
                    .then(|| "Python 3 with venv and pip is not installed".into())
            }
        }
    }
}

/// Major and minor of what `node --version` prints; 0.0 for what is none.
fn node_version(version: &str) -> (u32, u32) {
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Sees to it that the tool is there, or says what to install.
pub(crate) fn ensure(places: &Places, tool: Tool) -> Result<(), Failure> {
    // Two lanes may miss something at once, and apt-get takes turns.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(trouble) = tool.trouble() else {
        return Ok(());
    };
    let packages = tool.packages().join(" ");
    let elsewhere = if tool == Tool::Node {
        " (before Debian 13 that is too old: see nodejs.org)"
    } else {
        ""
    };
    let advice = format!(
        "{trouble}: install it, on Debian with `apt-get install {packages}`{elsewhere}, and run this again"
    );
    if !can_install() {
        return Err(Failure::Missing(advice));
    }
    eprintln!("{trouble}: installing {packages}");
    let install = format!("apt-get install --yes --quiet --no-install-recommends {packages}");
    for command in ["apt-get update --quiet", &install] {
        let line = Line::new(command).env("DEBIAN_FRONTEND", "noninteractive");
        if let Err(failure) = line.run(&places.root) {
            return Err(Failure::Missing(format!("{advice}\n  ({failure})")));
        }
    }
    match tool.trouble() {
        None => Ok(()),
        Some(still) => Err(Failure::Missing(format!(
            "{still}, also after installing {packages}{elsewhere}"
        ))),
    }
}

fn can_install() -> bool {
    said("id", &["-u"]).as_deref() == Some("0") && said("apt-get", &["--version"]).is_some()
}

#[cfg(test)]
mod tests {
    use super::{NODE_MIN, node_version};

    #[test]
    fn an_old_node_is_told_from_a_new_one() {
        assert!(node_version("v20.20.2") >= NODE_MIN && node_version("v24.0.0") >= NODE_MIN);
        assert!(node_version("v18.20.4") < NODE_MIN && node_version("v9.1") < NODE_MIN);
        assert_eq!(node_version("strange"), (0, 0));
    }
}
