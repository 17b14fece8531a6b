//! Where bytes come to rest: a directory of files, real or simulated.
//!
//! The engine touches the operating system only through these two traits, so that every fault of a disk can be had on
//! demand. An implementation must never make bytes or directory entries seem more durable than they are.

mod disk;
pub mod sim;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use disk::Disk;

use crate::{Error, Result};

/// One directory.
pub trait Storage: Send + Sync {
    /// Where a file is, for people.
    fn path(&self, name: &str) -> PathBuf;

    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file; fails if there is one of that name. Its entry is durable after [`Storage::sync_dir`].
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file that is there.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, in place of what had that name. Durable after [`Storage::sync_dir`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file that can be made again. Durable after [`Storage::sync_dir`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the entries of the directory durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the directory for one process, until the guard is dropped; `WouldBlock` if another has it.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read only.
    Read,
    /// To read and write.
    Write,
}

/// One open file.
pub trait File: Send + Sync {
    /// Its length in bytes.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes from `offset`; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes` at `offset`, at least one, and says how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes all bytes and the length durable. After a failure nothing is known about any byte written since the last
    /// success, and trying again proves nothing.
    fn sync(&self) -> io::Result<()>;

    /// Cuts or extends the file.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;
}

/// Reads until the buffer is full or the file ends; says how many bytes that was.
pub(crate) fn read_up_to(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all bytes; a short write is carried on, an error is final.
pub(crate) fn write_all_at(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Names the file in an operating system's error.
pub(crate) fn named<T>(storage: &dyn Storage, name: &str, outcome: io::Result<T>) -> Result<T> {
    outcome.map_err(|source| Error::Io {
        path: storage.path(name),
        source: Arc::new(source),
    })
}
