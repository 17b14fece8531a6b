//! The simulated directory as the engine sees it. Every operation may be the one at which the power goes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use super::super::{Access, File, Storage};
use super::state::{Change, EntryChange, FileState, State, apply, apply_entry};
use super::{Fault, SimStorage};

impl Storage for SimStorage {
    fn path(&self, name: &str) -> PathBuf {
        Path::new("sim").join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        Ok(state.entries.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        if state.entries.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = state.next_file;
        state.next_file += 1;
        state.files.insert(number, FileState::default());
        state.entries.insert(name.to_owned(), number);
        state
            .pending_entries
            .push(EntryChange::Insert(name.to_owned(), number));
        Ok(Arc::new(SimFile {
            storage: self.clone(),
            number,
            boot,
            access: Access::Write,
        }))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        let number = *state.entries.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile {
            storage: self.clone(),
            number,
            boot,
            access,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        if !state.entries.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let change = EntryChange::Rename(from.to_owned(), to.to_owned());
        apply_entry(&mut state.entries, &change);
        state.pending_entries.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        state.entries.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.pending_entries.push(EntryChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        let fault = state.fault(&[Fault::SyncDirError]);
        let pending = std::mem::take(&mut state.pending_entries);
        if fault.is_some() {
            return Err(io::Error::other("an injected sync error of the directory"));
        }
        for change in &pending {
            apply_entry(&mut state.durable_entries, change);
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.lock_state();
        let boot = state.boot;
        state.operate(boot)?;
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(SimLock {
            storage: self.clone(),
            boot,
        }))
    }
}

struct SimLock {
    storage: SimStorage,
    boot: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.storage.lock_state();
        if state.boot == self.boot {
            state.locked = false;
        }
    }
}

struct SimFile {
    storage: SimStorage,
    number: u64,
    boot: u64,
    access: Access,
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.storage.lock_state();
        state.operate(self.boot)?;
        Ok(state)
    }
}

impl File for SimFile {
    fn len_bytes(&self) -> io::Result<u64> {
        let state = self.state()?;
        Ok(state.files.get(&self.number).map_or(0, |f| f.seen.len()) as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state()?;
        let seen = state.files.get(&self.number).map_or(&[][..], |f| &f.seen);
        let rest = seen.get(offset as usize..).unwrap_or_default();
        let bytes = rest.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&rest[..bytes]);
        Ok(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.state()?.write(self.number, bytes, offset as usize)
    }

    fn sync(&self) -> io::Result<()> {
        self.state()?.sync(self.number)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.state()?;
        let file = state.files.get_mut(&self.number).ok_or(io::ErrorKind::NotFound)?;
        let change = Change::SetLen(len_bytes as usize);
        apply(&mut file.seen, &change);
        file.pending.push(change);
        Ok(())
    }
}
