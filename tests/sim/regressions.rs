//! Seeds that once found something, each with what it found. They are run first, always. Whoever changes what a seed does
//! (`script.rs`, `world.rs`) takes out the mended code and looks for seeds that find its absence again.

use crate::world::Era;

/// Seed, the rules it plays by, and finding.
pub const ALL: &[(u64, Era, &str)] = &[
    (
        7,
        Era::Grants,
        "a gift decided behind a lost append was written, with a balance that no fold gives",
    ),
    (
        123,
        Era::Grants,
        "a step of a combo decided behind a lost append was written, with a total that was never reached",
    ),
    (
        16,
        Era::Grants,
        "a damaged snapshot that names another record kept its actor from loading",
    ),
    (
        7113,
        Era::Grants,
        "an actor that fell over was stopped as idle while its event was queued, and the next one did not wait for that",
    ),
];

/// Runs them; gives those that find something again.
pub fn run() -> Vec<String> {
    let failed = |(seed, era, what): &(u64, Era, &str)| {
        let found = crate::run_caught(*seed, *era, false).err()?;
        Some(format!(
            "SIM_GRANTS=1 SIM_SEED={seed} cargo test --test sim\n    ({what}) {found}"
        ))
    };
    ALL.iter().filter_map(failed).collect()
}
