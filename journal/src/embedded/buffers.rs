//! The memory of full batches, used again when the last reader has let go of them: a journal under load neither asks the
//! system for fresh pages nor copies a growing buffer. It must never hold more than a few, nor let a small batch keep a
//! large one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::limits::{BATCH_BYTES_MAX, SPARE_BUFFERS_MAX};

use super::layout::BATCH_HEADER_BYTES;

const FULL_BYTES: usize = BATCH_HEADER_BYTES + BATCH_BYTES_MAX;

/// See the module.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A batch in memory that is used again.
struct Lent {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Buffers {
    fn spare(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer with room for a full batch.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.spare()
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(FULL_BYTES))
    }

    fn give(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut spare = self.spare();
        if spare.len() < SPARE_BUFFERS_MAX {
            spare.push(bytes);
        }
    }

    /// A batch that changes no more. A large one gives its memory back when it is dropped, a small one is moved into memory
    /// of its own size.
    pub(crate) fn share(home: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() < FULL_BYTES {
            return bytes.into();
        }
        if bytes.len() < FULL_BYTES / 2 {
            let small = Bytes::copy_from_slice(&bytes);
            home.give(bytes);
            return small;
        }
        let home = home.clone();
        Bytes::from_owner(Lent { bytes, home })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_only_when_the_last_reader_has_let_go() {
        let home = Arc::new(Buffers::default());
        let mut bytes = home.take();
        let at = bytes.as_ptr();
        bytes.resize(FULL_BYTES, 7);
        let shared = Buffers::share(&home, bytes);
        let reader = shared.slice(5..);
        drop(shared);
        let other = home.take();
        assert_ne!(other.as_ptr(), at);
        assert!(reader.iter().all(|byte| *byte == 7));
        drop(reader);
        let again = home.take();
        assert_eq!(again.as_ptr(), at);
    }

    #[test]
    fn a_small_batch_keeps_no_large_memory_and_few_are_kept_at_all() {
        let home = Arc::new(Buffers::default());
        let mut bytes = home.take();
        let at = bytes.as_ptr();
        bytes.extend_from_slice(b"small");
        let small = Buffers::share(&home, bytes);
        assert_eq!(&small[..], b"small");
        let again = home.take();
        assert_eq!(again.as_ptr(), at);
        let many: Vec<_> = (0..2 * SPARE_BUFFERS_MAX).map(|_| home.take()).collect();
        many.into_iter().for_each(|bytes| home.give(bytes));
        assert_eq!(home.spare().len(), SPARE_BUFFERS_MAX);
    }
}
