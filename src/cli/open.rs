//! Opening a data directory from the command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use journal::embedded::{Embedded, EmbeddedReader};
use projections::{FjallStore, ViewStore};

use crate::serve::{journal_directory, views_directory};

/// The journal of a data directory, as it is now; nothing is written, and a server may be running.
pub(super) fn journal(data: &Path) -> Result<EmbeddedReader> {
    Embedded::open_read_only(journal_directory(data)).with_context(|| {
        format!(
            "there is no journal that can be read in {}: name its directory with --data",
            data.display()
        )
    })
}

/// The stored views of a data directory; no server may be running.
pub(super) fn views(data: &Path) -> Result<Arc<dyn ViewStore>> {
    let store = FjallStore::open(&views_directory(data)).with_context(|| {
        format!(
            "the views in {} cannot be opened: stop the server first",
            data.display()
        )
    })?;
    Ok(Arc::new(store))
}

/// Drives a future of the embedded journal, which is ready at once.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .context("no runtime")?;
    Ok(runtime.block_on(future))
}
