//! Reads a long stretch of the journal as fast as it goes: one thread reads, decodes and looks up users ahead, the caller
//! folds.

use std::sync::mpsc::sync_channel;

use journal::{Position, Reader};

use crate::fold::Decoded;
use crate::limits::{READ_AHEAD_BATCHES_MAX, READ_BYTES};
use crate::names::Names;
use crate::wait::{Stop, Waited, wait};
use crate::{Error, Result};

/// Gives every batch of `(after, upto]` to `each`, in order. `names` is a copy of the table that `each` folds with, which nobody
/// else may add to meanwhile. The last one may reach behind `upto`.
pub(crate) fn pump(
    reader: &dyn Reader,
    after: Position,
    upto: u64,
    mut names: Names,
    stop: &Stop,
    mut each: impl FnMut(&mut Decoded) -> Result<()>,
) -> Result<()> {
    let (send, receive) = sync_channel::<Result<Decoded>>(READ_AHEAD_BATCHES_MAX);
    let (give_back, unused) = sync_channel(READ_AHEAD_BATCHES_MAX);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut at = after;
            while at.sequence < upto {
                let read = match wait(reader.read(at, READ_BYTES), None, stop) {
                    Waited::Ready(read) => read.map_err(Error::from),
                    Waited::Late | Waited::Stopped => Err(Error::Stopped),
                };
                let decoded = read.map(|batch| {
                    let used = unused.try_recv().unwrap_or_default();
                    Decoded::numbered(batch, &mut names, used)
                });
                match &decoded {
                    Ok(decoded) if decoded.batch.is_empty() => return,
                    Ok(decoded) => at = decoded.batch.last(),
                    Err(_) => at.sequence = upto,
                }
                if send.send(decoded).is_err() {
                    return;
                }
            }
        });
        // Moved in, so that a fold that fails lets the reading thread end.
        let receive = receive;
        receive.iter().try_for_each(|decoded| {
            let mut decoded = decoded?;
            each(&mut decoded)?;
            // Nobody waits for it: when the other side has enough, it is dropped here.
            let _ = give_back.try_send(decoded.into_used());
            Ok(())
        })
    })
}
