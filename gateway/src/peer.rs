//! One connection as the hub sees it: its outbox, what it is attached to, and what the connection's own task must be
//! told. Locked for moments only; never held while anything is encoded or awaited. Lock order: channel, then peer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::error::{Disconnect, Unsubscribe};
use crate::hub::Channel;
use crate::outbox::{Gap, Outbox, Verdict};
use crate::protocol::{Format, Push, encode_push};
use crate::publication::Class;
use crate::stats::Losses;

/// Locks, also after a panic elsewhere: every critical section here leaves the data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something the hub did to a connection that its session must follow.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The subscription is gone and the client has been told.
    Unsubscribed { channel: Arc<str>, why: Unsubscribe },
}

/// A place in a channel's list of members.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) channel: Arc<Channel>,
    pub(crate) slot: usize,
    /// Subscribed by the server: losing it closes the connection with 3010 instead of unsubscribing.
    pub(crate) server_side: bool,
    /// The client can get back what it loses.
    pub(crate) recoverable: bool,
}

/// Shared between the connection's task and whoever publishes to it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) client: Arc<str>,
    pub(crate) format: Format,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    outbox: Outbox,
    attachments: Vec<Attachment>,
    notices: Vec<Notice>,
    close: Option<Disconnect>,
    waker: Option<Waker>,
}

/// What happened to one copy of a publication.
pub(crate) struct Offered {
    pub(crate) verdict: Verdict,
    pub(crate) waker: Option<Waker>,
}

impl Peer {
    pub(crate) fn new(client: Arc<str>, format: Format, config: &Config) -> Arc<Self> {
        Arc::new(Self {
            client,
            format,
            inner: Mutex::new(Inner {
                outbox: Outbox::new(config.outbox_bytes_max, config.subscribe_buffer_bytes_max),
                attachments: Vec::new(),
                notices: Vec::new(),
                close: None,
                waker: None,
            }),
        })
    }

    /// Called by the connection's task each time it has nothing to do: who adds something wakes it once.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut inner = lock(&self.inner);
        if inner.outbox.bytes() > 0 || !inner.notices.is_empty() || inner.close.is_some() {
            return false;
        }
        match &mut inner.waker {
            Some(known) => known.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        }
        true
    }

    pub(crate) fn attach(&self, attachment: Attachment) {
        let mut inner = lock(&self.inner);
        inner.outbox.open_feed(attachment.channel.id);
        inner.attachments.push(attachment);
    }

    pub(crate) fn attachment(&self, channel: &str) -> Option<Attachment> {
        lock(&self.inner)
            .attachments
            .iter()
            .find(|a| &*a.channel.name == channel)
            .cloned()
    }

    pub(crate) fn set_recoverable(&self, channel: &str) {
        let mut inner = lock(&self.inner);
        if let Some(found) = inner.attachments.iter_mut().find(|a| &*a.channel.name == channel) {
            found.recoverable = true;
        }
    }

    /// Takes a subscription off this side; with `why` the client is told and the session gets a notice.
    pub(crate) fn detach(&self, channel: &str, why: Option<&Unsubscribe>) -> Option<Attachment> {
        let mut inner = lock(&self.inner);
        let index = inner
            .attachments
            .iter()
            .position(|a| &*a.channel.name == channel)?;
        let attachment = inner.attachments.swap_remove(index);
        inner.outbox.close_feed(attachment.channel.id);
        let waker = why.and_then(|why| {
            inner.tell_unsubscribed(self.format, &attachment.channel.name, why);
            inner.waker.take()
        });
        drop(inner);
        wake(waker);
        Some(attachment)
    }

    pub(crate) fn detach_all(&self) -> Vec<Attachment> {
        let mut inner = lock(&self.inner);
        inner.outbox.clear();
        inner.waker = None;
        std::mem::take(&mut inner.attachments)
    }

    pub(crate) fn offer(
        &self,
        channel: &Channel,
        class: Class,
        offset: Option<u64>,
        encoded: &Bytes,
        losses: &mut Losses,
    ) -> Offered {
        let mut inner = lock(&self.inner);
        let verdict = inner.outbox.publish(channel.id, class, offset, encoded, losses);
        let waker = match verdict {
            Verdict::Taken => inner.waker.take(),
            Verdict::Lost => {
                inner.give_up(self.format, channel);
                inner.waker.take()
            }
            Verdict::Dropped | Verdict::Unknown => None,
        };
        Offered { verdict, waker }
    }

    pub(crate) fn push_recovered(&self, channel: u64, offset: u64, encoded: Bytes) {
        lock(&self.inner)
            .outbox
            .publish_recovered(channel, offset, encoded);
    }

    /// See [`Outbox::go_live`]; a channel that is lost in the attempt is given up here.
    pub(crate) fn go_live(&self, channel: &Channel, floor: u64, losses: &mut Losses) -> Result<Verdict, Gap> {
        let mut inner = lock(&self.inner);
        let recoverable = inner
            .attachments
            .iter()
            .any(|a| a.channel.id == channel.id && a.recoverable);
        match inner.outbox.go_live(channel.id, floor, losses) {
            Ok(Verdict::Lost) => {
                inner.give_up(self.format, channel);
                Ok(Verdict::Lost)
            }
            Err(Gap) if !recoverable => {
                inner.outbox.close_feed(channel.id);
                inner.give_up(self.format, channel);
                Ok(Verdict::Lost)
            }
            other => other,
        }
    }

    /// Queues replies. Closes the connection with 3008 when they do not fit.
    pub(crate) fn send(&self, encoded: Bytes, losses: &mut Losses) {
        let mut inner = lock(&self.inner);
        if !inner.outbox.send(encoded, losses) {
            inner.close.get_or_insert(Disconnect::SLOW);
        }
    }

    /// Orders the connection closed; the first order wins.
    pub(crate) fn close(&self, why: Disconnect) {
        let mut inner = lock(&self.inner);
        inner.close.get_or_insert(why);
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
    }

    pub(crate) fn take_orders(&self, notices: &mut Vec<Notice>) -> Option<Disconnect> {
        let mut inner = lock(&self.inner);
        notices.append(&mut inner.notices);
        inner.close.take()
    }

    pub(crate) fn discard_output(&self) {
        lock(&self.inner).outbox.clear();
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        lock(&self.inner).outbox.bytes()
    }

    pub(crate) fn drain(&self, frame: &mut BytesMut, bytes_target: usize) -> bool {
        lock(&self.inner).outbox.drain(self.format, frame, bytes_target)
    }
}

impl Inner {
    /// The subscription could not keep up: client-side ones come back by themselves, server-side ones need a new
    /// connection, and what cannot be recovered must not be pretended.
    fn give_up(&mut self, format: Format, channel: &Channel) {
        let Some(index) = self.attachments.iter().position(|a| a.channel.id == channel.id) else {
            return;
        };
        let attachment = self.attachments.swap_remove(index);
        if attachment.server_side {
            self.close.get_or_insert(Disconnect::INSUFFICIENT_STATE);
        } else if attachment.recoverable {
            self.tell_unsubscribed(format, &channel.name, &Unsubscribe::INSUFFICIENT_STATE);
        } else {
            self.close.get_or_insert(Disconnect::SLOW);
        }
    }

    fn tell_unsubscribed(&mut self, format: Format, channel: &Arc<str>, why: &Unsubscribe) {
        let encoded = encode_push(format, channel, &Push::Unsubscribe(why));
        if self.outbox.send(encoded, &mut Losses::default()) {
            self.notices.push(Notice::Unsubscribed {
                channel: channel.clone(),
                why: why.clone(),
            });
        } else {
            self.close.get_or_insert(Disconnect::SLOW);
        }
    }
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
