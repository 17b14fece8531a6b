//! What clients without a socket have sent and their connections have not taken yet. Bounded in bytes; whose inbox is
//! full is told to begin anew. Forgets a stream when it ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use dashmap::DashMap;
use uuid::Uuid;

use crate::limits::EMULATION_INBOX_BYTES_MAX;
use crate::peer::lock;

/// What one message costs besides its bytes.
const MESSAGE_BYTES_OVERHEAD: usize = 64;

/// There is no room: the connection does not take what it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The messages of one client, in the order of their requests.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    messages: VecDeque<Bytes>,
    bytes: usize,
    waker: Option<Waker>,
}

impl Inbox {
    pub(crate) fn push(&self, message: Bytes) -> Result<(), Full> {
        let mut inner = lock(&self.inner);
        let bytes = message.len() + MESSAGE_BYTES_OVERHEAD;
        // An empty one takes whatever is a message at all.
        if inner.bytes > 0 && inner.bytes + bytes > EMULATION_INBOX_BYTES_MAX {
            return Err(Full);
        }
        inner.bytes += bytes;
        inner.messages.push_back(message);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut inner = lock(&self.inner);
        match inner.messages.pop_front() {
            Some(message) => {
                inner.bytes -= message.len() + MESSAGE_BYTES_OVERHEAD;
                Poll::Ready(message)
            }
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The inboxes of all streams, by the secret that only their clients know.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    inboxes: DashMap<Uuid, Arc<Inbox>>,
}

impl Sessions {
    /// A new stream's. To be closed when the stream ends.
    pub(crate) fn open(&self) -> (Uuid, Arc<Inbox>) {
        let id = Uuid::new_v4();
        let inbox = Arc::<Inbox>::default();
        self.inboxes.insert(id, inbox.clone());
        (id, inbox)
    }

    pub(crate) fn find(&self, session: &str) -> Option<Arc<Inbox>> {
        let id = Uuid::try_parse(session).ok()?;
        self.inboxes.get(&id).map(|inbox| inbox.clone())
    }

    pub(crate) fn close(&self, id: Uuid) {
        self.inboxes.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn messages_come_out_in_order_and_an_inbox_that_is_full_takes_no_more() {
        let sessions = Sessions::default();
        let (id, inbox) = sessions.open();
        let mut sent = 0;
        while inbox.push(Bytes::from(format!("{sent:01000}"))) == Ok(()) {
            sent += 1;
        }
        assert_eq!(sent, EMULATION_INBOX_BYTES_MAX / (1_000 + MESSAGE_BYTES_OVERHEAD));
        let mut cx = Context::from_waker(Waker::noop());
        let found = sessions.find(&id.to_string()).expect("open");
        for n in 0..sent {
            assert_eq!(
                found.poll(&mut cx),
                Poll::Ready(Bytes::from(format!("{n:01000}")))
            );
        }
        assert!(found.poll(&mut cx).is_pending());
        assert_eq!(inbox.push(Bytes::from_static(b"again")), Ok(()));
        sessions.close(id);
        assert!(sessions.find(&id.to_string()).is_none());
        assert!(sessions.find("no such").is_none());
    }

    #[test]
    fn a_flood_of_empty_messages_is_bounded_too() {
        let inbox = Inbox::default();
        let taken = (0..1_000_000)
            .take_while(|_| inbox.push(Bytes::new()).is_ok())
            .count();
        assert_eq!(taken, EMULATION_INBOX_BYTES_MAX / MESSAGE_BYTES_OVERHEAD);
    }
}
