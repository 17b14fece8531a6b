//! One connection as the hub sees it: its outbox, what it is attached to, and what the connection's own task must be
//! told. Locked for moments only; never held while anything is encoded or awaited. Lock order: channel, then peer.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

use crate::batch::{Batch, ChannelId, Dialect};
use crate::channel::Channel;
use crate::config::Config;
use crate::error::{Disconnect, Unsubscribe};
use crate::limits::FRAME_BYTES_TARGET;
use crate::outbox::{Gap, Outbox, Verdict};
use crate::pending::Telling;
use crate::protocol::{Address, Format, Push, encode_push};
use crate::stats::Losses;
use crate::ws::Head;

/// Locks, also after a panic elsewhere: every critical section here leaves the data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A socket that any thread may write to while its own task has nothing to write.
pub trait Line: std::fmt::Debug + Send + Sync {
    /// Writes what the socket takes at once; `WouldBlock` = nothing.
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// What is left of a frame of which a part was written by the hub.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) payload: Bytes,
    /// Bytes that are out, the frame's head included.
    pub(crate) written: usize,
}

/// What the connection's task is doing.
#[derive(Debug)]
enum Task {
    /// It will look again by itself.
    Awake,
    /// It has nothing to do: who adds something writes it or wakes it.
    Idle(Waker),
    /// Its socket takes nothing: only a close order is worth waking it for.
    Stalled(Waker),
}

impl Task {
    fn take_idle(&mut self) -> Option<Waker> {
        match std::mem::replace(self, Self::Awake) {
            Self::Idle(waker) => Some(waker),
            other => {
                *self = other;
                None
            }
        }
    }

    fn take(&mut self) -> Option<Waker> {
        match std::mem::replace(self, Self::Awake) {
            Self::Idle(waker) | Self::Stalled(waker) => Some(waker),
            Self::Awake => None,
        }
    }
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
    pub(crate) dialect: Dialect,
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
    task: Task,
    line: Option<Arc<dyn Line>>,
    rest: Option<Rest>,
}

/// What happened to what a peer was offered.
pub(crate) struct Offered {
    pub(crate) verdict: Verdict,
    /// It had not taken what it was offered before.
    pub(crate) behind: bool,
    pub(crate) waker: Option<Waker>,
    /// Payload bytes written to the socket at once, and in how many frames.
    pub(crate) written: Written,
}

/// Frames that were written to a socket by whoever published.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

impl Written {
    pub(crate) fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
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
                task: Task::Awake,
                line: None,
                rest: None,
            }),
        })
    }

    /// From now on publications may be written straight to the socket.
    pub(crate) fn set_line(&self, line: Option<Arc<dyn Line>>) {
        lock(&self.inner).line = line;
    }

    /// Called by the connection's task each time it begins to work: until it sleeps again nobody else writes to its
    /// socket. What the hub had begun to write has to be finished first.
    pub(crate) fn claim(&self) -> Option<Rest> {
        let mut inner = lock(&self.inner);
        inner.task = Task::Awake;
        inner.rest.take()
    }

    /// Called by the connection's task each time it has nothing to do: who adds something wakes it once.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut inner = lock(&self.inner);
        if inner.outbox.bytes() > 0 || !inner.notices.is_empty() || inner.close.is_some() {
            return false;
        }
        inner.task = Task::Idle(waker.clone());
        true
    }

    /// Called by the connection's task when its socket takes nothing: only an order to close wakes it.
    pub(crate) fn stall(&self, waker: &Waker) -> bool {
        let mut inner = lock(&self.inner);
        if inner.close.is_some() {
            return false;
        }
        inner.task = Task::Stalled(waker.clone());
        true
    }

    pub(crate) fn attach(&self, attachment: Attachment) {
        let mut inner = lock(&self.inner);
        let channel = &attachment.channel;
        inner.outbox.open_feed(channel.id, &channel.name);
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
            match inner.close {
                Some(_) => inner.task.take(),
                None => inner.task.take_idle(),
            }
        });
        drop(inner);
        wake(waker);
        Some(attachment)
    }

    pub(crate) fn detach_all(&self) -> Vec<Attachment> {
        let mut inner = lock(&self.inner);
        inner.outbox.clear();
        inner.task = Task::Awake;
        inner.line = None;
        std::mem::take(&mut inner.attachments)
    }

    pub(crate) fn offer(&self, channel: &Channel, batch: &Arc<Batch>, losses: &mut Losses) -> Offered {
        let mut inner = lock(&self.inner);
        match inner.pass(channel.id, batch) {
            Some(offered) => offered,
            None => self.receive(inner, channel, |outbox| outbox.publish(channel.id, batch, losses)),
        }
    }

    /// The channel said more at once than could be carried.
    pub(crate) fn lapse(&self, channel: &Channel, telling: &Telling, losses: &mut Losses) -> Offered {
        let (lapsed, skipped) = (telling.lapsed, telling.skipped);
        self.receive(lock(&self.inner), channel, |outbox| {
            outbox.lapse(&channel.name, channel.id, lapsed, skipped, losses)
        })
    }

    /// Queues something and, if the connection's task has nothing to do, writes it to the socket right here: a system
    /// call, but no other thread needs to wake up. Only what the socket does not take is left to the task.
    fn receive(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        channel: &Channel,
        offer: impl FnOnce(&mut Outbox) -> Verdict,
    ) -> Offered {
        let mut written = Written::default();
        let behind = inner.outbox.bytes() > 0 || inner.rest.is_some();
        let verdict = offer(&mut inner.outbox);
        let waker = match verdict {
            Verdict::Taken(_) => inner.deliver(self.format, &mut written),
            Verdict::Lost => {
                inner.give_up(self.format, channel);
                inner.task.take()
            }
            Verdict::Dropped | Verdict::Unknown => None,
        };
        Offered {
            verdict,
            behind,
            waker,
            written,
        }
    }

    pub(crate) fn push_recovered(&self, channel: ChannelId, batch: Arc<Batch>) {
        lock(&self.inner).outbox.publish_recovered(channel, batch);
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
        let waker = inner.task.take();
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

    /// See [`Outbox::owed_bytes`].
    pub(crate) fn owed_bytes(&self) -> usize {
        lock(&self.inner).outbox.owed_bytes()
    }

    pub(crate) fn next_frame(&self, bytes_target: usize) -> Option<Bytes> {
        lock(&self.inner).outbox.next_frame(self.format, bytes_target)
    }
}

impl Inner {
    /// Writes a batch as it is, past the queue, if that is the same as through it. `None` = it is not.
    fn pass(&mut self, channel: ChannelId, batch: &Batch) -> Option<Offered> {
        let (Task::Idle(_), Some(line)) = (&self.task, &self.line) else {
            return None;
        };
        let taken = self.outbox.pass(channel, batch)?;
        let frame = batch.frame();
        // Whatever is wrong with the socket, its own task will meet it.
        let out = line.try_write(&[IoSlice::new(frame)]).unwrap_or(0);
        let waker = if out < frame.len() {
            self.rest = Some(Rest {
                payload: batch.bytes(),
                written: out,
            });
            self.task.take_idle()
        } else {
            None
        };
        Some(Offered {
            verdict: Verdict::Taken(taken),
            behind: false,
            waker,
            written: Written {
                frames: 1,
                bytes: batch.len() as u64,
            },
        })
    }

    /// Writes what waits, as far as the socket takes it; returns whom to wake if that was not all.
    fn deliver(&mut self, format: Format, written: &mut Written) -> Option<Waker> {
        let (Task::Idle(_), Some(line)) = (&self.task, &self.line) else {
            return self.task.take_idle();
        };
        while let Some(payload) = self.outbox.next_frame(format, FRAME_BYTES_TARGET) {
            let head = Head::of_message(format, payload.len());
            let head = head.as_bytes();
            written.frames += 1;
            written.bytes += payload.len() as u64;
            let taken = line
                .try_write(&[IoSlice::new(head), IoSlice::new(&payload)])
                // Whatever is wrong with the socket, its own task will meet it.
                .unwrap_or(0);
            if taken < head.len() + payload.len() {
                self.rest = Some(Rest {
                    payload,
                    written: taken,
                });
                return self.task.take_idle();
            }
        }
        None
    }

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
        let encoded = encode_push(format, Address::Name(channel), &Push::Unsubscribe(why));
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
