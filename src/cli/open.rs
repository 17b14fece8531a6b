//! Opening a data directory from the command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use journal::Reader;
use journal::embedded::{Embedded, EmbeddedReader};
use projections::views::Views;
use projections::{FjallStore, Options, ViewStore, Zone};

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

/// The stored views as they are, to be read only; no server may be running.
pub(super) fn views_as_they_are(reader: &dyn Reader, data: &Path, zone: Zone) -> Result<Views> {
    projections::open_as_they_are(reader, views(data)?, Options { zone }).with_context(|| {
        format!(
            "the views in {} cannot be read: `livehouse rebuild` makes them anew",
            data.display()
        )
    })
}

/// Drives a future of the embedded journal, which is ready at once.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .context("no runtime")?;
    Ok(runtime.block_on(future))
}
