//! A directory in memory that can fail in every way a disk can, by seed.
//!
//! It keeps apart what a process sees from what would survive a loss of power, per file and per directory entry. The
//! same seed and the same calls give the same bytes. It never does I/O.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, File, Storage};

/// What a disk writes as a whole.
pub const SECTOR_BYTES: usize = 512;

/// Something that goes wrong at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A write fails for want of space, after a part of it.
    NoSpace,
    /// A write writes only a part, and says so.
    ShortWrite,
    /// A write fails.
    WriteError,
    /// A write is reported as done and never reaches the disk.
    LostWrite,
    /// A write is reported as done and reaches another place of its file.
    MisdirectedWrite,
    /// A sync fails; what it should have made durable is marked clean and never written.
    SyncError,
    /// A sync of the directory fails.
    SyncDirError,
}

/// How often things happened, so that a run can show what it has reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Losses of power.
    pub power_losses: u64,
    /// Unsynced writes that were lost as a whole.
    pub writes_lost: u64,
    /// Unsynced writes of which some sectors were lost.
    pub writes_torn: u64,
    /// Unsynced directory operations that were lost.
    pub entries_lost: u64,
    /// Faults on demand that took place.
    pub faults: u64,
    /// Bits flipped.
    pub bits_flipped: u64,
}

/// A simulated directory; clones are the same directory.
#[derive(Clone)]
pub struct SimStorage(Arc<Mutex<State>>);

struct State {
    files: BTreeMap<u64, FileState>,
    entries: BTreeMap<String, u64>,
    durable_entries: BTreeMap<String, u64>,
    pending_entries: Vec<EntryChange>,
    next_file: u64,
    /// Operations until the power goes; none = never.
    power_left: Option<u64>,
    /// Counts boots: handles of an earlier boot are dead.
    boot: u64,
    locked: bool,
    capacity_bytes: u64,
    faults: Vec<(Fault, u64)>,
    random: fastrand::Rng,
    counts: Counts,
    operations: u64,
}

#[derive(Default, Clone)]
struct FileState {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write {
        offset: usize,
        bytes: Vec<u8>,
        lost: bool,
    },
    SetLen(usize),
}

#[derive(Clone)]
enum EntryChange {
    Insert(String, u64),
    Remove(String),
    Rename(String, String),
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { lost: true, .. } => {}
        Change::Write { offset, bytes, .. } => {
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset..end].copy_from_slice(bytes);
        }
        Change::SetLen(len) => content.resize(*len, 0),
    }
}

fn apply_entry(entries: &mut BTreeMap<String, u64>, change: &EntryChange) {
    match change {
        EntryChange::Insert(name, file) => _ = entries.insert(name.clone(), *file),
        EntryChange::Remove(name) => _ = entries.remove(name),
        EntryChange::Rename(from, to) => {
            if let Some(file) = entries.remove(from) {
                entries.insert(to.clone(), file);
            }
        }
    }
}

impl SimStorage {
    /// An empty directory whose chances come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            files: BTreeMap::new(),
            entries: BTreeMap::new(),
            durable_entries: BTreeMap::new(),
            pending_entries: Vec::new(),
            next_file: 0,
            power_left: None,
            boot: 0,
            locked: false,
            capacity_bytes: u64::MAX,
            faults: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            counts: Counts::default(),
            operations: 0,
        })))
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes after this many more operations: they and all later ones fail, until [`Self::restart`].
    pub fn cut_power_after(&self, operations: u64) {
        self.lock_state().power_left = Some(operations);
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.lock_state().power_left == Some(0)
    }

    /// How many operations there were so far.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// Power loss and reboot: any subset of what was not synced is lost, writes also by sector. Open files are dead,
    /// the lock is free.
    pub fn restart(&self) {
        self.lock_state().lose_power();
    }

    /// The process is killed: the operating system keeps every byte. Open files are dead, the lock is free.
    pub fn kill(&self) {
        let mut state = self.lock_state();
        state.boot += 1;
        state.power_left = None;
        state.locked = false;
    }

    /// The `nth` operation from now (0 = the next) that the fault can strike is struck.
    pub fn inject(&self, fault: Fault, nth: u64) {
        self.lock_state().faults.push((fault, nth));
    }

    /// No fault that still waits takes place.
    pub fn clear_faults(&self) {
        self.lock_state().faults.clear();
    }

    /// How many bytes the directory can hold.
    pub fn set_capacity(&self, capacity_bytes: u64) {
        self.lock_state().capacity_bytes = capacity_bytes;
    }

    /// How many bytes the directory holds.
    pub fn used_bytes(&self) -> u64 {
        self.lock_state().used_bytes()
    }

    /// Flips a bit of a file, at rest. `false` if there is no such byte.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u8) -> bool {
        let mut state = self.lock_state();
        let State {
            files,
            entries,
            counts,
            ..
        } = &mut *state;
        let Some(file) = entries.get(name).and_then(|file| files.get_mut(file)) else {
            return false;
        };
        let mut flipped = false;
        for content in [&mut file.seen, &mut file.durable] {
            if let Some(byte) = content.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
                flipped = true;
            }
        }
        counts.bits_flipped += u64::from(flipped);
        flipped
    }

    /// The bytes of a file as a process sees them.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock_state();
        state
            .entries
            .get(name)
            .and_then(|file| state.files.get(file))
            .map(|file| file.seen.clone())
    }

    /// Puts a file into the directory durably, in place of one of that name.
    pub fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.lock_state();
        let number = state.next_file;
        state.next_file += 1;
        let file = FileState {
            seen: content.to_vec(),
            durable: content.to_vec(),
            pending: Vec::new(),
        };
        state.files.insert(number, file);
        state.entries.insert(name.to_owned(), number);
        state.durable_entries.insert(name.to_owned(), number);
    }

    /// Takes a file out of the directory durably, as a mistake of an operator would.
    pub fn take(&self, name: &str) -> bool {
        let mut state = self.lock_state();
        state.durable_entries.remove(name);
        state.entries.remove(name).is_some()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.lock_state().counts
    }
}

impl State {
    fn used_bytes(&self) -> u64 {
        self.entries
            .values()
            .filter_map(|f| self.files.get(f))
            .map(|f| f.seen.len() as u64)
            .sum()
    }

    /// Every operation passes here: it fails when the power is gone or the handle is of an earlier boot.
    fn operate(&mut self, boot: u64) -> io::Result<()> {
        self.operations += 1;
        if boot != self.boot {
            return Err(io::Error::other("the process that opened this file is gone"));
        }
        match &mut self.power_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is off")),
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    Err(io::Error::other("the power went off"))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The fault that strikes this operation, if one does.
    fn fault(&mut self, able: &[Fault]) -> Option<Fault> {
        let mut struck = None;
        self.faults.retain_mut(|(fault, nth)| {
            if !able.contains(fault) {
                return true;
            }
            if *nth == 0 && struck.is_none() {
                struck = Some(*fault);
                return false;
            }
            *nth = nth.saturating_sub(1);
            true
        });
        self.counts.faults += u64::from(struck.is_some());
        struck
    }

    fn lose_power(&mut self) {
        self.counts.power_losses += 1;
        self.boot += 1;
        self.power_left = None;
        self.locked = false;
        for change in std::mem::take(&mut self.pending_entries) {
            if self.random.bool() {
                apply_entry(&mut self.durable_entries, &change);
            } else {
                self.counts.entries_lost += 1;
            }
        }
        self.entries = self.durable_entries.clone();
        let numbers: Vec<u64> = self.files.keys().copied().collect();
        for number in numbers {
            let Some(mut file) = self.files.remove(&number) else {
                continue;
            };
            for change in std::mem::take(&mut file.pending) {
                self.settle(&mut file.durable, change);
            }
            file.seen = file.durable.clone();
            if self.entries.values().any(|n| *n == number) {
                self.files.insert(number, file);
            }
        }
    }

    /// What becomes of one unsynced change when the power goes: all of it, nothing, or some sectors.
    fn settle(&mut self, durable: &mut Vec<u8>, change: Change) {
        let chance = self.random.u8(0..3);
        match change {
            Change::Write {
                offset,
                bytes,
                lost: false,
            } if chance == 1 => {
                self.counts.writes_torn += 1;
                let mut start = 0;
                while start < bytes.len() {
                    let sector_end = (offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - offset;
                    let end = sector_end.min(bytes.len());
                    if self.random.bool() {
                        let bytes = bytes[start..end].to_vec();
                        apply(
                            durable,
                            &Change::Write {
                                offset: offset + start,
                                bytes,
                                lost: false,
                            },
                        );
                    }
                    start = end;
                }
            }
            Change::Write { offset, bytes, .. } if chance == 2 => {
                self.counts.writes_lost += 1;
                // The length may have become durable without the bytes.
                let end = offset + bytes.len();
                if self.random.bool() && durable.len() < end {
                    durable.resize(end, 0);
                }
            }
            Change::SetLen(_) if chance == 2 => self.counts.writes_lost += 1,
            change => apply(durable, &change),
        }
    }

    fn write(&mut self, number: u64, bytes: &[u8], offset: usize) -> io::Result<usize> {
        use Fault::{LostWrite, MisdirectedWrite, NoSpace, ShortWrite, WriteError};
        let fault = self.fault(&[NoSpace, ShortWrite, WriteError, LostWrite, MisdirectedWrite]);
        let free = self.capacity_bytes.saturating_sub(self.used_bytes());
        let part = self.random.usize(0..bytes.len().max(1));
        let aside = self.random.usize(0..4) * SECTOR_BYTES;
        let file = self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        let growth = (offset + bytes.len()).saturating_sub(file.seen.len()) as u64;
        let full = growth > free;
        let written = match fault {
            Some(WriteError) => return Err(io::Error::other("an injected write error")),
            Some(NoSpace) => part,
            Some(ShortWrite) => part.max(1).min(bytes.len()),
            _ if full => bytes.len().saturating_sub((growth - free) as usize),
            _ => bytes.len(),
        };
        let bytes = &bytes[..written];
        let seen = Change::Write {
            offset,
            bytes: bytes.to_vec(),
            lost: false,
        };
        apply(&mut file.seen, &seen);
        file.pending.push(match fault {
            Some(LostWrite) => Change::Write {
                offset,
                bytes: bytes.to_vec(),
                lost: true,
            },
            Some(MisdirectedWrite) => {
                let offset = offset.saturating_sub(aside + SECTOR_BYTES);
                Change::Write {
                    offset,
                    bytes: bytes.to_vec(),
                    lost: false,
                }
            }
            _ => seen,
        });
        if fault == Some(NoSpace) || (full && written == 0) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(written)
    }

    fn sync(&mut self, number: u64) -> io::Result<()> {
        let fault = self.fault(&[Fault::SyncError]);
        let file = self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        let pending = std::mem::take(&mut file.pending);
        if fault.is_some() {
            return Err(io::Error::other("an injected sync error"));
        }
        for change in &pending {
            apply(&mut file.durable, change);
        }
        Ok(())
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(sim: &SimStorage, name: &str) -> Arc<dyn File> {
        sim.create(name).expect("no fault was asked for")
    }

    #[test]
    fn what_was_synced_survives_a_loss_of_power_and_nothing_else_must() {
        let mut lost_bytes = 0;
        for seed in 0..200 {
            let sim = SimStorage::new(seed);
            let file = file_of(&sim, "a");
            assert_eq!(file.write_at(&[1; 2_000], 0).ok(), Some(2_000));
            assert!(file.sync().is_ok() && sim.sync_dir().is_ok());
            assert_eq!(file.write_at(&[2; 2_000], 2_000).ok(), Some(2_000));
            sim.restart();
            let content = sim.content("a").expect("its entry was synced");
            assert_eq!(content[..2_000], [1; 2_000]);
            assert!(content[2_000..].iter().all(|b| matches!(b, 0 | 2)));
            lost_bytes += 4_000 - content.iter().filter(|b| **b != 0).count();
            assert!(file.len_bytes().is_err(), "a handle outlived the process");
        }
        assert!(lost_bytes > 0);
    }

    #[test]
    fn an_entry_that_was_not_synced_may_vanish_with_its_synced_file() {
        let vanished = (0..100).filter(|seed| {
            let sim = SimStorage::new(*seed);
            let file = file_of(&sim, "a");
            assert!(file.write_at(&[1], 0).is_ok() && file.sync().is_ok());
            sim.restart();
            sim.content("a").is_none()
        });
        assert!((10..90).contains(&vanished.count()));
    }

    #[test]
    fn a_failed_sync_followed_by_a_good_one_made_nothing_durable() {
        let sim = SimStorage::new(1);
        let file = file_of(&sim, "a");
        assert!(sim.sync_dir().is_ok());
        sim.inject(Fault::SyncError, 0);
        assert!(file.write_at(&[1; 10], 0).is_ok());
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok(), "as Linux does");
        sim.restart();
        assert_eq!(sim.content("a"), Some(vec![]));
    }

    #[test]
    fn a_full_disk_says_so() {
        let sim = SimStorage::new(1);
        sim.set_capacity(10);
        let file = file_of(&sim, "a");
        assert_eq!(file.write_at(&[1; 20], 0).ok(), Some(10), "a short write first");
        let error = file.write_at(&[1; 10], 10).expect_err("nothing fits");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn the_lock_is_free_again_after_a_crash_and_after_its_holder() {
        let sim = SimStorage::new(1);
        let lock = sim.lock().ok();
        assert!(lock.is_some() && sim.lock().is_err());
        sim.restart();
        let second = sim.lock();
        drop(lock);
        assert!(
            second.is_ok() && sim.lock().is_err(),
            "a dead process frees nothing"
        );
    }
}
