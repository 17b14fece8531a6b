//! The store on disk: one fjall database, one keyspace per generation of a view.
//!
//! Commits go to the operating system without a sync: a crash of the process loses nothing, a power loss may lose the
//! last commits, and the views then go on from the earlier checkpoint that is found with them.

use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};
use parking_lot::RwLock;

use super::{Batch, ViewStore, Visit};
use crate::{Error, Result};

/// Block cache of the store; the views' hot reads come from their own memory, not from here.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Write buffer of one keyspace; above it, it is written out as a table.
const MEMTABLE_BYTES: u64 = 32 * 1024 * 1024;

/// Views in a directory of their own.
pub struct FjallStore {
    directory: PathBuf,
    open: RwLock<Option<Open>>,
}

struct Open {
    database: Database,
}

impl FjallStore {
    /// Opens or makes the store in `directory`. One that cannot be read is thrown away: the runner then rebuilds the
    /// views from the journal. One that another process holds is an error.
    pub fn open(directory: &Path) -> Result<Self> {
        let database = match open_database(directory) {
            Ok(database) => database,
            Err(error) if is_damage(&error) => {
                tracing::error!(directory = %directory.display(), %error,
                    "the store of the views cannot be read; it is thrown away and rebuilt from the journal");
                remove(directory)?;
                open_database(directory).map_err(|e| broken(directory, &e))?
            }
            Err(error) => return Err(broken(directory, &error)),
        };
        Ok(Self {
            directory: directory.to_owned(),
            open: RwLock::new(Some(Open { database })),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&Open) -> fjall::Result<T>) -> Result<T> {
        let open = self.open.read();
        let open = open
            .as_ref()
            .ok_or_else(|| Error::Store("it could not be opened again after a reset".into()))?;
        act(open).map_err(|e| broken(&self.directory, &e))
    }
}

impl Open {
    /// A space that exists already.
    fn existing(&self, name: &str) -> fjall::Result<Option<Keyspace>> {
        if !self.database.keyspace_exists(name) {
            return Ok(None);
        }
        self.keyspace(name).map(Some)
    }

    fn keyspace(&self, name: &str) -> fjall::Result<Keyspace> {
        self.database.keyspace(name, || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
        })
    }
}

/// A key and its value; none = removed.
type Written<'a> = (&'a [u8], Option<&'a [u8]>);

fn open_database(directory: &Path) -> fjall::Result<Database> {
    Database::builder(directory)
        .cache_size(CACHE_BYTES)
        .worker_threads(1)
        .open()
}

/// Damage of the contents, as opposed to a directory that cannot be reached or is in use.
fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(e) => {
            e.kind() == std::io::ErrorKind::UnexpectedEof || e.kind() == std::io::ErrorKind::NotFound
        }
        fjall::Error::Storage(fjall::LsmError::Io(e)) => e.kind() != std::io::ErrorKind::PermissionDenied,
        fjall::Error::Locked | fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted => false,
        _ => true,
    }
}

fn broken(directory: &Path, error: &fjall::Error) -> Error {
    match error {
        fjall::Error::Locked => Error::Locked(directory.display().to_string()),
        error if is_damage(error) => Error::Damaged {
            view: directory.display().to_string(),
            what: error.to_string(),
        },
        error => Error::Store(format!("{}: {error}", directory.display())),
    }
}

fn remove(directory: &Path) -> Result<()> {
    std::fs::remove_dir_all(directory).map_err(|e| Error::Store(format!("{}: {e}", directory.display())))
}

impl ViewStore for FjallStore {
    fn get(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with(|open| match open.existing(space)? {
            Some(keyspace) => Ok(keyspace.get(key)?.map(|value| value.to_vec())),
            None => Ok(None),
        })
    }

    fn scan(&self, space: &str, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        let Some(keyspace) = self.with(|open| open.existing(space))? else {
            return Ok(());
        };
        for entry in keyspace.range::<&[u8], _>((from, to)) {
            let (key, value) = Guard::into_inner(entry).map_err(|e| broken(&self.directory, &e))?;
            if let ControlFlow::Break(()) = visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        self.with(|open| {
            // Given to the system at every commit: then the crash of the process loses nothing, as the module says.
            let write = fjall::OwnedWriteBatch::with_capacity(open.database.clone(), batch.len());
            let mut write = write.durability(Some(PersistMode::Buffer));
            let mut last: Option<(&str, Keyspace)> = None;
            for (space, key, value) in batch.entries() {
                if last.as_ref().is_none_or(|(name, _)| *name != space) {
                    last = Some((space, open.keyspace(space)?));
                }
                let Some((_, keyspace)) = &last else { continue };
                match value {
                    Some(value) => write.insert(keyspace, key, value),
                    None => write.remove(keyspace, key),
                }
            }
            write.commit()
        })
    }

    fn bulk(&self, batch: &Batch) -> Result<()> {
        let mut by_space: Vec<(&str, Vec<Written<'_>>)> = Vec::new();
        for (space, key, value) in batch.entries() {
            match by_space.iter_mut().find(|(name, _)| *name == space) {
                Some((_, entries)) => entries.push((key, value)),
                None => by_space.push((space, vec![(key, value)])),
            }
        }
        self.with(|open| {
            for (space, entries) in &mut by_space {
                entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
                let keyspace = open.keyspace(space)?;
                let mut tables = keyspace.start_ingestion()?;
                for (key, value) in entries {
                    match value {
                        Some(value) => tables.write(*key, *value)?,
                        None => tables.write_tombstone(*key)?,
                    }
                }
                tables.finish()?;
            }
            Ok(())
        })
    }

    fn spaces(&self) -> Result<Vec<String>> {
        self.with(|open| {
            Ok(open
                .database
                .list_keyspace_names()
                .iter()
                .map(ToString::to_string)
                .collect())
        })
    }

    fn drop_space(&self, space: &str) -> Result<()> {
        self.with(|open| match open.existing(space)? {
            Some(keyspace) => open.database.delete_keyspace(keyspace),
            None => Ok(()),
        })
    }

    fn reset(&self) -> Result<()> {
        let mut open = self.open.write();
        *open = None;
        remove(&self.directory)?;
        let database = open_database(&self.directory).map_err(|e| broken(&self.directory, &e))?;
        *open = Some(Open { database });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_is_thrown_away_and_a_locked_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("views");
        let store = FjallStore::open(&path).unwrap();
        let mut batch = Batch::new();
        batch.space("a").set(b"k", b"v");
        store.commit(&batch).unwrap();
        assert!(matches!(FjallStore::open(&path), Err(Error::Locked(_))));
        assert_eq!(store.get("a", b"k").unwrap().as_deref(), Some(&b"v"[..]));
        drop(store);

        let store = FjallStore::open(&path).unwrap();
        assert_eq!(store.get("a", b"k").unwrap().as_deref(), Some(&b"v"[..]));
        drop(store);
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::write(entry.path(), b"rubbish").unwrap();
            }
        }
        let store = FjallStore::open(&path).unwrap();
        assert_eq!(store.get("a", b"k").unwrap(), None);
    }

    #[test]
    fn a_reset_store_is_empty_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let store = FjallStore::open(&directory.path().join("views")).unwrap();
        let mut batch = Batch::new();
        batch.space("a").set(b"k", b"v");
        store.commit(&batch).unwrap();
        store.reset().unwrap();
        assert!(store.spaces().unwrap().is_empty());
        store.commit(&batch).unwrap();
        store.drop_space("a").unwrap();
        assert_eq!(store.get("a", b"k").unwrap(), None);
    }
}
