//! Reads a long stretch of the journal as fast as it goes: one thread reads, decodes and looks up users ahead, the caller
//! folds.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use journal::{Position, Reader, RecordBatch};

use crate::fold::Decoded;
use crate::limits::{DECODE_BYTES, READ_AHEAD_PIECES_MAX, READ_BYTES};
use crate::names::Names;
use crate::wait::{Stop, Waited, wait};
use crate::{Error, Result};

/// Gives every batch of `(after, upto]` to `each`, in order. `names` is a copy of the table that `each` folds with, which nobody
/// else may add to meanwhile.
pub(crate) fn pump(
    reader: &dyn Reader,
    after: Position,
    upto: u64,
    mut names: Names,
    stop: &Stop,
    mut each: impl FnMut(&mut Decoded) -> Result<()>,
) -> Result<()> {
    let (send, receive) = sync_channel::<Result<Decoded>>(READ_AHEAD_PIECES_MAX);
    let (give_back, unused) = sync_channel(READ_AHEAD_PIECES_MAX);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let ended = read_ahead(reader, after, upto, stop, |piece| {
                let used = unused.try_recv().unwrap_or_default();
                // A fold that has failed listens no longer.
                send.send(Ok(Decoded::numbered(piece, &mut names, used)))
                    .map_err(|_| Error::Stopped)
            });
            if let Err(error) = ended {
                let _ = send.send(Err(error));
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

/// Reads everything of `(after, upto]` in large reads, and gives it on in small pieces.
fn read_ahead(
    reader: &dyn Reader,
    after: Position,
    upto: u64,
    stop: &Stop,
    mut each: impl FnMut(Arc<RecordBatch>) -> Result<()>,
) -> Result<()> {
    let mut at = after;
    while at.sequence < upto {
        let mut rest = match wait(reader.read(at, READ_BYTES), None, stop) {
            Waited::Ready(read) => (*read?).clone(),
            Waited::Late | Waited::Stopped => return Err(Error::Stopped),
        };
        rest = rest.through(upto);
        if rest.is_empty() {
            return Ok(());
        }
        at = rest.last();
        while !rest.is_empty() {
            let piece = rest.up_to(DECODE_BYTES);
            rest = rest.after(piece.last().sequence);
            each(Arc::new(piece))?;
        }
    }
    Ok(())
}
