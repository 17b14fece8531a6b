//! Which keys a full segment may hold: a blocked Bloom filter, so that "never seen" costs one cache line per segment. It may
//! say yes to what is not there (about 1 in 150), and must never say no to what is. Its bits are part of the index file.

/// Words of a block: one cache line.
const BLOCK_WORDS: usize = 8;
const BITS_PER_KEY: usize = 12;
/// Bits set per key, each named by 9 bits of the mixed hash.
const PROBES: u32 = 7;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Block([u64; BLOCK_WORDS]);

/// See the module.
pub(crate) struct Filter(Vec<Block>);

impl Filter {
    /// An empty filter for this many keys.
    pub(crate) fn for_keys(keys: usize) -> Self {
        Self(vec![
            Block::default();
            (keys * BITS_PER_KEY).div_ceil(BLOCK_WORDS * 64).max(1)
        ])
    }

    /// The filter of these words; nothing is in a filter of none.
    pub(crate) fn from_words(words: &[u64]) -> Self {
        let mut blocks = vec![Block::default(); words.len().div_ceil(BLOCK_WORDS).max(1)];
        for (block, words) in blocks.iter_mut().zip(words.chunks(BLOCK_WORDS)) {
            block.0[..words.len()].copy_from_slice(words);
        }
        Self(blocks)
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|block| block.0)
    }

    pub(crate) fn insert(&mut self, hash: u64) {
        let at = self.block_of(hash);
        for (word, bit) in probes(hash) {
            self.0[at].0[word] |= bit;
        }
    }

    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let block = &self.0[self.block_of(hash)].0;
        // All probes, without a branch: the next segment's line is fetched while this one's is on its way.
        probes(hash).fold(true, |all, (word, bit)| all & (block[word] & bit != 0))
    }

    fn block_of(&self, hash: u64) -> usize {
        (((hash >> 32) * self.0.len() as u64) >> 32) as usize
    }
}

fn probes(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let mixed = hash.wrapping_mul(MIX);
    (0..PROBES).map(move |probe| {
        let at = (mixed >> (probe * 9)) as usize % (BLOCK_WORDS * 64);
        (at / 64, 1 << (at % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_never_denied_and_little_else_is_claimed() {
        let hash = |number: u64| xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes());
        let mut filter = Filter::for_keys(100_000);
        (0..100_000).for_each(|number| filter.insert(hash(number)));
        let filter = Filter::from_words(&filter.words().collect::<Vec<_>>());
        assert!((0..100_000).all(|number| filter.may_hold(hash(number))));
        let wrong = (100_000..200_000)
            .filter(|number| filter.may_hold(hash(*number)))
            .count();
        assert!(wrong < 1_000, "{wrong} of 100,000");
        assert!(!Filter::from_words(&[]).may_hold(hash(1)));
    }
}
