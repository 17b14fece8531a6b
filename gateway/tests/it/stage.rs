//! A backend for tests whose streams are functions: publication `n` of any channel is `{"n":n,"pad":"..."}`.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gateway::{
    Backend, Caller, Class, Connect, Connected, Disconnect, Error, ExpireAt, Grant, Hub, Publication,
    RecoveryPage, Refusal, StreamPosition, Subscribe, Unsubscribe, Urgency,
};
use tokio::sync::Notify;

pub(crate) const EPOCH: &str = "stage";

/// Users are their tokens; `user@SECONDS` is valid until that unix second.
pub(crate) struct Stage {
    pub(crate) hub: Arc<Hub>,
    pub(crate) pad_bytes: usize,
    top: AtomicU64,
    /// Offsets below are gone.
    pub(crate) trimmed: AtomicU64,
    /// What the gateway reported, in order.
    pub(crate) reports: Mutex<Vec<String>>,
    /// Lets the RPC `wait` go on.
    pub(crate) gate: Notify,
}

impl Stage {
    pub(crate) fn new(pad_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            hub: Hub::new(),
            pad_bytes,
            top: AtomicU64::new(0),
            trimmed: AtomicU64::new(0),
            reports: Mutex::default(),
            gate: Notify::new(),
        })
    }

    pub(crate) fn publication(&self, n: u64) -> Publication {
        Publication::new(format!(
            "{{\"n\":{n},\"pad\":\"{}\"}}",
            "x".repeat(self.pad_bytes)
        ))
        .at(n)
        .urgent(Urgency::Now)
    }

    /// Makes the stream longer without telling anyone.
    pub(crate) fn set_top(&self, top: u64) {
        self.top.store(top, SeqCst);
    }

    pub(crate) fn top(&self) -> u64 {
        self.top.load(SeqCst)
    }

    /// Appends and sends the next publication.
    pub(crate) fn publish(&self, channel: &str) -> usize {
        let n = self.top.fetch_add(1, SeqCst) + 1;
        self.hub
            .publish(channel, Class::Durable, &self.publication(n))
            .expect("within limits")
    }

    fn report(&self, what: String) {
        self.reports.lock().expect("no panic while held").push(what);
    }

    pub(crate) fn reported(&self) -> Vec<String> {
        self.reports.lock().expect("no panic while held").clone()
    }
}

fn credentials(token: &str) -> (String, Option<u64>) {
    match token.split_once('@') {
        Some((user, until)) => (user.to_owned(), until.parse().ok()),
        None => (token.to_owned(), None),
    }
}

impl Backend for Stage {
    async fn connect(&self, request: &Connect) -> Result<Connected, Refusal> {
        let (user, expire_at) = credentials(&request.token);
        let channels = if user == "served" {
            vec!["user:served".to_owned()]
        } else {
            Vec::new()
        };
        Ok(Connected {
            user,
            expire_at,
            channels,
            ..Connected::default()
        })
    }

    async fn refresh(&self, caller: &Caller, token: &str) -> Result<ExpireAt, Refusal> {
        let (user, expire_at) = credentials(token);
        if user == *caller.user {
            Ok(expire_at)
        } else {
            Err(Disconnect::INVALID_TOKEN.into())
        }
    }

    async fn subscribe(&self, _caller: &Caller, request: &Subscribe) -> Result<Grant, Refusal> {
        if request.channel.starts_with("plain") {
            return Ok(Grant::default());
        }
        let top = StreamPosition {
            offset: self.top.load(SeqCst),
            epoch: EPOCH.to_owned(),
        };
        let expire_at = credentials(&request.token).1;
        Ok(Grant {
            stream: Some(top),
            expire_at,
            ..Grant::default()
        })
    }

    async fn recover(
        &self,
        _caller: &Caller,
        _channel: &str,
        after: u64,
        limit: usize,
    ) -> Result<RecoveryPage, Error> {
        if after < self.trimmed.load(SeqCst) {
            return Err(Error::UNRECOVERABLE_POSITION);
        }
        let top = self.top.load(SeqCst);
        let scanned_to = top.min(after + limit as u64);
        let publications = (after + 1..=scanned_to).map(|n| self.publication(n)).collect();
        Ok(RecoveryPage {
            publications,
            scanned_to,
            done: scanned_to == top,
        })
    }

    async fn snapshot(
        &self,
        _caller: &Caller,
        _channel: &str,
        recovered: bool,
    ) -> Result<Option<Bytes>, Refusal> {
        Ok((!recovered).then(|| Bytes::from_static(b"{\"snapshot\":true}")))
    }

    async fn sub_refresh(&self, _caller: &Caller, _channel: &str, token: &str) -> Result<ExpireAt, Refusal> {
        Ok(credentials(token).1)
    }

    async fn rpc(&self, _caller: &Caller, method: &str, data: Bytes) -> Result<Bytes, Refusal> {
        match method {
            "echo" => Ok(data),
            "wait" => {
                self.gate.notified().await;
                Ok(data)
            }
            "refuse" => Err(Error::new(402, "not enough coins").into()),
            "leave" => Err(Disconnect::new(4001, "as you wish").into()),
            _ => Err(Error::METHOD_NOT_FOUND.into()),
        }
    }

    fn on_connected(&self, caller: &Arc<Caller>) {
        self.report(format!("{} connected", caller.user));
    }

    fn on_subscribed(&self, caller: &Arc<Caller>, channel: &str) {
        self.report(format!("{} subscribed {channel}", caller.user));
    }

    fn on_unsubscribed(&self, caller: &Arc<Caller>, channel: &str, why: Option<&Unsubscribe>) {
        let code = why.map_or(0, |why| why.code);
        self.report(format!("{} unsubscribed {channel} {code}", caller.user));
    }

    fn on_disconnected(&self, caller: &Arc<Caller>, why: &Disconnect) {
        self.report(format!("{} disconnected {}", caller.user, why.code));
        self.gate.notify_one();
    }
}
