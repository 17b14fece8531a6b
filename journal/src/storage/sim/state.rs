//! What is on the simulated disk, as its process sees it and as it would survive: writes, syncs, losses of power, faults.
//! It must never keep what a real disk might lose, nor lose what was synced.

use std::collections::BTreeMap;
use std::io;

use super::{Counts, Fault, SECTOR_BYTES};

pub(super) struct State {
    pub(super) files: BTreeMap<u64, FileState>,
    pub(super) entries: BTreeMap<String, u64>,
    pub(super) durable_entries: BTreeMap<String, u64>,
    pub(super) pending_entries: Vec<EntryChange>,
    pub(super) next_file: u64,
    /// Operations until the power goes; none = never.
    pub(super) power_left: Option<u64>,
    /// Counts boots: handles of an earlier boot are dead.
    pub(super) boot: u64,
    pub(super) locked: bool,
    pub(super) capacity_bytes: u64,
    pub(super) faults: Vec<(Fault, u64)>,
    pub(super) random: fastrand::Rng,
    pub(super) counts: Counts,
    pub(super) operations: u64,
}

#[derive(Default, Clone)]
pub(super) struct FileState {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
}

#[derive(Clone)]
pub(super) enum Change {
    Write {
        offset: usize,
        bytes: Vec<u8>,
        lost: bool,
    },
    SetLen(usize),
}

#[derive(Clone)]
pub(super) enum EntryChange {
    Insert(String, u64),
    Remove(String),
    Rename(String, String),
}

pub(super) fn apply(content: &mut Vec<u8>, change: &Change) {
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

pub(super) fn apply_entry(entries: &mut BTreeMap<String, u64>, change: &EntryChange) {
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

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
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
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.entries
            .values()
            .filter_map(|f| self.files.get(f))
            .map(|f| f.seen.len() as u64)
            .sum()
    }

    /// Every operation passes here: it fails when the power is gone or the handle is of an earlier boot.
    pub(super) fn operate(&mut self, boot: u64) -> io::Result<()> {
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
    pub(super) fn fault(&mut self, able: &[Fault]) -> Option<Fault> {
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

    pub(super) fn lose_power(&mut self) {
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

    pub(super) fn write(&mut self, number: u64, bytes: &[u8], offset: usize) -> io::Result<usize> {
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

    pub(super) fn sync(&mut self, number: u64) -> io::Result<()> {
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
