//! Reads a long stretch of the journal as fast as it goes: one thread reads and decodes ahead, the caller folds.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use domain::Event;
use journal::{Position, Reader, RecordBatch};

use crate::fold::decode;
use crate::limits::{READ_AHEAD_BATCHES_MAX, READ_BYTES};
use crate::wait::{Stop, Waited, wait};
use crate::{Error, Result};

/// A batch and its events, decoded or not, one per record.
pub(crate) type Decoded = (Arc<RecordBatch>, Vec<journal::Result<Event>>);

/// Gives every batch of `(after, upto]` to `each`, in order. The last one may reach behind `upto`.
pub(crate) fn pump(
    reader: &dyn Reader,
    after: Position,
    upto: u64,
    stop: &Stop,
    mut each: impl FnMut(Decoded) -> Result<()>,
) -> Result<()> {
    let (send, receive) = sync_channel::<Result<Decoded>>(READ_AHEAD_BATCHES_MAX);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut at = after;
            while at.sequence < upto {
                let read = match wait(reader.read(at, READ_BYTES), None, stop) {
                    Waited::Ready(read) => read.map_err(Error::from),
                    Waited::Late | Waited::Stopped => Err(Error::Stopped),
                };
                let decoded = read.map(|batch| {
                    let events = decode(&batch);
                    (batch, events)
                });
                match &decoded {
                    Ok((batch, _)) if batch.is_empty() => return,
                    Ok((batch, _)) => at = batch.last(),
                    Err(_) => at.sequence = upto,
                }
                if send.send(decoded).is_err() {
                    return;
                }
            }
        });
        // Moved in, so that a fold that fails lets the reading thread end.
        let receive = receive;
        receive.iter().try_for_each(|decoded| each(decoded?))
    })
}
