//! The in-memory backend of the conformance example: streams, namespaces and tokens as the SDKs' suites expect them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::jwt::{ConnectionClaims, TokenError, Verifier};
use gateway::{
    Backend, Caller, ChannelCall, Class, Connect, Connected, Disconnect, Error, ExpireAt, Grant, History,
    HistoryQuery, Hub, PresenceStats, Publication, RecoveryPage, Refusal, StreamPosition, Subscribe,
};

pub(crate) const HISTORY_PUBLICATIONS_MAX: usize = 100;
const SMALL_HISTORY_PUBLICATIONS_MAX: usize = 2;
const HISTORY_TTL: Duration = Duration::from_secs(300);

/// Whose suite is to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Js,
    Py,
}

/// One channel's past.
#[derive(Default)]
struct Stream {
    kept: VecDeque<(Instant, Publication)>,
    top: u64,
    /// Everything after this offset is kept.
    trimmed: u64,
}

impl Stream {
    fn trim(&mut self, kept_max: usize) {
        while let Some((made, publication)) = self.kept.front() {
            if self.kept.len() <= kept_max && made.elapsed() < HISTORY_TTL {
                return;
            }
            self.trimmed = publication.offset.unwrap_or(self.trimmed);
            self.kept.pop_front();
        }
    }
}

/// All of it.
pub(crate) struct Memory {
    hub: Arc<Hub>,
    profile: Profile,
    sparse: bool,
    pub(crate) epoch: String,
    tokens: Verifier,
    streams: Mutex<HashMap<String, Stream>>,
}

impl Memory {
    pub(crate) fn new(hub: Arc<Hub>, profile: Profile, sparse: bool) -> Arc<Self> {
        Arc::new(Self {
            hub,
            profile,
            sparse,
            epoch: uuid::Uuid::new_v4().simple().to_string()[..6].to_owned(),
            // The suites make their tokens without `exp`.
            tokens: Verifier::new().hs256(b"secret").expiry_optional(),
            streams: Mutex::default(),
        })
    }

    /// How much history a channel keeps; an unknown namespace is refused.
    fn kept_max(&self, channel: &str) -> Result<usize, Error> {
        match (
            channel.split_once(':').map(|(namespace, _)| namespace),
            self.profile,
        ) {
            (None, _) | (Some("recovery"), Profile::Js) => Ok(HISTORY_PUBLICATIONS_MAX),
            (Some("smallhistory"), _) => Ok(SMALL_HISTORY_PUBLICATIONS_MAX),
            (Some(_), _) => Err(Error::UNKNOWN_CHANNEL),
        }
    }

    fn with_stream<T>(&self, channel: &str, f: impl FnOnce(&mut Stream) -> T) -> Result<T, Error> {
        let kept_max = self.kept_max(channel)?;
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.entry(channel.to_owned()).or_default();
        stream.trim(kept_max);
        let result = f(stream);
        stream.trim(kept_max);
        Ok(result)
    }

    fn position(&self, offset: u64) -> StreamPosition {
        StreamPosition {
            offset,
            epoch: self.epoch.clone(),
        }
    }

    /// Keeps and sends in one step: the order of the stream is the order on the wire.
    pub(crate) fn append(&self, channel: &str, mut publication: Publication) -> Result<u64, Error> {
        let gap = if self.sparse {
            uuid::Uuid::new_v4().as_u64_pair().0 % 50
        } else {
            0
        };
        self.with_stream(channel, |stream| {
            stream.top += 1 + gap;
            publication.offset = Some(stream.top);
            stream.kept.push_back((Instant::now(), publication.clone()));
            let sent = self.hub.publish(channel, Class::Durable, &publication);
            sent.map(|_| stream.top).map_err(|_| Error::LIMIT_EXCEEDED)
        })?
    }

    pub(crate) fn query(&self, channel: &str, query: &HistoryQuery) -> Result<History, Error> {
        if query
            .since
            .as_ref()
            .is_some_and(|s| !s.epoch.is_empty() && s.epoch != self.epoch)
        {
            return Err(Error::UNRECOVERABLE_POSITION);
        }
        self.with_stream(channel, |stream| {
            let since = query.since.as_ref().map(|since| since.offset);
            let all = stream.kept.iter().map(|(_, publication)| publication);
            let publications = if query.reverse {
                let before = |p: &&Publication| since.is_none_or(|since| p.offset < Some(since));
                all.rev().filter(before).take(query.limit).cloned().collect()
            } else {
                let after = |p: &&Publication| since.is_none_or(|since| p.offset > Some(since));
                all.filter(after).take(query.limit).cloned().collect()
            };
            History {
                publications,
                top: self.position(stream.top),
            }
        })
    }

    fn authenticate(&self, token: &str) -> Result<ConnectionClaims, Refusal> {
        self.tokens.connection(token).map_err(|error| match error {
            TokenError::Expired => Error::TOKEN_EXPIRED.into(),
            TokenError::Invalid => Disconnect::INVALID_TOKEN.into(),
        })
    }

    fn check_subscription(&self, caller: &Caller, channel: &str, token: &str) -> Result<ExpireAt, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        match self.tokens.subscription(token) {
            Ok(claims) if claims.channel == channel && *claims.user == *caller.user => Ok(claims.expire_at),
            Ok(_) => Err(Disconnect::INVALID_TOKEN.into()),
            Err(TokenError::Expired) => Err(Error::TOKEN_EXPIRED.into()),
            Err(TokenError::Invalid) => Err(Error::PERMISSION_DENIED.into()),
        }
    }

    /// By anyone where the profile says so, else by those who are in.
    fn check_member(&self, call: ChannelCall<'_>) -> Result<(), Refusal> {
        self.kept_max(call.channel)?;
        let open = self.profile == Profile::Js && !call.channel.contains(':');
        if open || call.subscribed {
            Ok(())
        } else {
            Err(Error::PERMISSION_DENIED.into())
        }
    }
}

impl Backend for Memory {
    async fn connect(&self, request: &Connect) -> Result<Connected, Refusal> {
        let claims = match (self.profile, request.token.as_str()) {
            (Profile::Js, "") => Default::default(),
            (Profile::Py, "") => return Err(Disconnect::BAD_REQUEST.into()),
            (_, token) => self.authenticate(token)?,
        };
        let channels = match self.profile {
            Profile::Js => claims.channels,
            Profile::Py => vec![format!("#{}", claims.user)],
        };
        Ok(Connected {
            user: claims.user,
            expire_at: claims.expire_at,
            data: None,
            info: claims.info,
            channels,
        })
    }

    async fn refresh(&self, caller: &Caller, token: &str) -> Result<ExpireAt, Refusal> {
        match self.tokens.connection(token) {
            Ok(claims) if *claims.user == *caller.user => Ok(claims.expire_at),
            Err(TokenError::Expired) => Err(Disconnect::EXPIRED.into()),
            Ok(_) | Err(TokenError::Invalid) => Err(Disconnect::INVALID_TOKEN.into()),
        }
    }

    async fn subscribe(&self, caller: &Caller, request: &Subscribe) -> Result<Grant, Refusal> {
        let top = self.with_stream(&request.channel, |stream| stream.top)?;
        let expire_at = match request.server_side {
            true => None,
            false => self.check_subscription(caller, &request.channel, &request.token)?,
        };
        let join_leave = self.profile == Profile::Py;
        Ok(Grant {
            stream: Some(self.position(top)),
            expire_at,
            info: None,
            join_leave,
        })
    }

    async fn sub_refresh(&self, caller: &Caller, channel: &str, token: &str) -> Result<ExpireAt, Refusal> {
        self.check_subscription(caller, channel, token)
    }

    async fn recover(
        &self,
        _caller: &Caller,
        channel: &str,
        after: u64,
        limit: usize,
    ) -> Result<RecoveryPage, Error> {
        self.with_stream(channel, |stream| {
            if after < stream.trimmed {
                return Err(Error::UNRECOVERABLE_POSITION);
            }
            let behind = stream
                .kept
                .iter()
                .map(|(_, p)| p)
                .filter(|p| p.offset > Some(after));
            let publications: Vec<_> = behind.take(limit).cloned().collect();
            let scanned_to = publications.last().and_then(|p| p.offset).unwrap_or(stream.top);
            Ok(RecoveryPage {
                done: scanned_to == stream.top,
                scanned_to,
                publications,
            })
        })?
    }

    async fn publish(&self, caller: &Caller, call: ChannelCall<'_>, data: Bytes) -> Result<(), Refusal> {
        self.check_member(call)?;
        let info = Some(Arc::new(caller.client_info(None)));
        self.append(
            call.channel,
            Publication {
                info,
                ..Publication::new(data)
            },
        )?;
        Ok(())
    }

    async fn history(
        &self,
        _caller: &Caller,
        call: ChannelCall<'_>,
        query: &HistoryQuery,
    ) -> Result<History, Refusal> {
        self.check_member(call)?;
        Ok(self.query(call.channel, query)?)
    }

    async fn presence(&self, _caller: &Caller, call: ChannelCall<'_>) -> Result<(), Refusal> {
        self.check_member(call)
    }

    async fn presence_stats(
        &self,
        _caller: &Caller,
        call: ChannelCall<'_>,
    ) -> Result<Option<PresenceStats>, Refusal> {
        self.check_member(call).map(|()| None)
    }
}
