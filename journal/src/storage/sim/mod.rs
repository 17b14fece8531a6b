//! A directory in memory that can fail in every way a disk can, by seed.
//!
//! It keeps apart what a process sees from what would survive a loss of power, per file and per directory entry. The
//! same seed and the same calls give the same bytes. It never does I/O.

mod port;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::{FileState, State};

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
impl SimStorage {
    /// An empty directory whose chances come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed))))
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::{File, Storage};
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
