//! The commands of a segment that is still being written. A new one is only noted down; those noted are put in order when
//! somebody asks for one, or when the index file is made: appends pay a push each, and questions pay for what came since
//! the last one. It must never forget one.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// See the module.
#[derive(Default)]
pub(crate) struct Commands {
    /// Hash and place, as they came.
    noted: Vec<(u64, u32)>,
    /// Hash and first place of those that are in order.
    first: HashTable<(u64, u32)>,
    /// Further places of the same hash: later records of the same command, or another command altogether.
    more: HashMap<u64, Vec<u32>, RandomState>,
}

impl Commands {
    /// Notes down the command of the record at `offset`; offsets ascend.
    pub(crate) fn add(&mut self, hash: u64, offset: u32) {
        self.noted.push((hash, offset));
    }

    /// Where records stand whose command has this hash, in order.
    pub(crate) fn find(&mut self, hash: u64) -> Vec<u32> {
        self.put_in_order();
        let Some((_, first)) = self.first.find(hash, |known| known.0 == hash) else {
            return Vec::new();
        };
        let mut offsets = vec![*first];
        offsets.extend(self.more.get(&hash).into_iter().flatten());
        offsets
    }

    fn put_in_order(&mut self) {
        self.first.reserve(self.noted.len(), |known| known.0);
        for (hash, offset) in self.noted.drain(..) {
            match self.first.entry(hash, |known| known.0 == hash, |known| known.0) {
                Entry::Occupied(_) => self.more.entry(hash).or_default().push(offset),
                Entry::Vacant(free) => _ = free.insert((hash, offset)),
            }
        }
    }

    /// Adds the places of records whose command has this high half, in no order. It looks at every command: an operator
    /// asks for it, no actor does, so appends do not pay for a second order.
    pub(crate) fn find_half(&self, half: u32, found: &mut Vec<u32>) {
        let is_wanted = |hash: u64| (hash >> 32) as u32 == half;
        let once = self.noted.iter().chain(&self.first);
        found.extend(
            once.filter(|(hash, _)| is_wanted(*hash))
                .map(|(_, offset)| *offset),
        );
        let more = self.more.iter().filter(|(hash, _)| is_wanted(**hash));
        found.extend(more.flat_map(|(_, offsets)| offsets));
    }

    /// Adds all of them, in no order.
    pub(crate) fn copy_to(&self, all: &mut Vec<(u64, u32)>) {
        all.extend_from_slice(&self.noted);
        all.extend(self.first.iter());
        let more = self.more.iter();
        all.extend(more.flat_map(|(hash, offsets)| offsets.iter().map(|offset| (*hash, *offset))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_whether_asked_for_before_or_after_the_next_ones_came() {
        let mut commands = Commands::default();
        let number = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for offset in 0..3_000 {
            commands.add(number(offset % 1_000), offset);
            if offset % 700 == 3 {
                assert_eq!(commands.find(number(3))[0], 3);
                assert!(commands.find(number(1_000)).is_empty());
            }
        }
        let mut all = Vec::new();
        commands.copy_to(&mut all);
        all.sort_unstable_by_key(|(_, offset)| *offset);
        let wanted: Vec<_> = (0..3_000)
            .map(|offset| (number(offset % 1_000), offset))
            .collect();
        assert_eq!(all, wanted);
        assert_eq!(commands.find(number(7)), [7, 1_007, 2_007]);
    }
}
