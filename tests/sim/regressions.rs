//! Seeds that once found something, each with what it found. They are run first, always.

/// Seed and finding.
pub const ALL: &[(u64, &str)] = &[];

/// Runs them; gives those that find something again.
pub fn run() -> Vec<String> {
    let failed = |(seed, what): &(u64, &str)| {
        let found = crate::run_caught(*seed, false).err()?;
        Some(format!(
            "SIM_SEED={seed} cargo test --test sim\n    ({what}) {found}"
        ))
    };
    ALL.iter().filter_map(failed).collect()
}
