//! The connection's questions to the backend, each one future that ends in an answer for the session. Nothing here
//! touches a socket or a session.

use std::sync::Arc;

use crate::backend::{Backend, Caller, ChannelCall, Connect, RecoveryPage, Subscribe};
use crate::error::{Error, Refusal};
use crate::gateway::Gateway;
use crate::limits;
use crate::peer::Peer;
use crate::publication::StreamPosition;
use crate::session::{Answer, Call, Entered, Opened};

/// Authenticates, then opens the server-side subscriptions: each is attached to the hub first, so that nothing falls
/// between its top and live.
pub(crate) async fn connect<B: Backend>(
    gateway: Gateway<B>,
    peer: Arc<Peer>,
    request: Connect,
    positions: Vec<(String, StreamPosition)>,
) -> Answer {
    Answer::Connect(enter(gateway, peer, request, positions).await)
}

async fn enter<B: Backend>(
    gateway: Gateway<B>,
    peer: Arc<Peer>,
    request: Connect,
    mut positions: Vec<(String, StreamPosition)>,
) -> Result<Entered, Refusal> {
    let mut connected = gateway.backend().connect(&request).await?;
    let caller = Arc::new(Caller {
        client: request.client,
        user: connected.user.as_str().into(),
        info: connected.info.take(),
        sdk: request.name,
        peer: request.peer,
    });
    let mut subs: Vec<(Arc<str>, Opened)> = Vec::with_capacity(connected.channels.len());
    for channel in std::mem::take(&mut connected.channels) {
        if subs.iter().any(|(known, _)| **known == channel) {
            continue;
        }
        if subs.len() == gateway.config().channels_per_connection_max {
            return Err(Error::LIMIT_EXCEEDED.into());
        }
        gateway.hub().attach(&peer, &channel, true, false);
        let known = positions.iter().position(|(name, _)| *name == channel);
        let recover = known.map(|index| positions.swap_remove(index).1);
        let name: Arc<str> = channel.as_str().into();
        let request = Subscribe {
            channel,
            recover,
            server_side: true,
            ..Subscribe::default()
        };
        let opened = open(gateway.backend(), &caller, &request, false).await?;
        note_recoverable(&peer, &name, &opened);
        subs.push((name, opened));
    }
    Ok(Entered {
        caller,
        connected,
        subs,
    })
}

/// Every call of a connected client but `rpc`.
pub(crate) async fn connected<B: Backend>(
    gateway: Gateway<B>,
    peer: Arc<Peer>,
    caller: Arc<Caller>,
    call: Call,
) -> Answer {
    let backend = gateway.backend();
    match call {
        Call::Connect { request, positions } => {
            Answer::Connect(Box::pin(enter(gateway, peer, request, positions)).await)
        }
        Call::Subscribe {
            id,
            channel,
            request,
            reject_unrecovered,
            compact,
        } => {
            let mut result = open(backend, &caller, &request, reject_unrecovered).await;
            if let Ok(opened) = &mut result {
                note_recoverable(&peer, &channel, opened);
                let attachment = peer.attachment(&channel).filter(|_| compact);
                opened.push_id = attachment.map_or(0, |attachment| attachment.channel.id);
            }
            Answer::Subscribe { id, channel, result }
        }
        Call::Recover {
            channel,
            serial,
            after,
        } => {
            let result = page(backend, &caller, &channel, after).await;
            Answer::Recover {
                channel,
                serial,
                result,
            }
        }
        Call::Refresh { id, token } => Answer::Refresh {
            id,
            result: backend.refresh(&caller, &token).await,
        },
        Call::SubRefresh { id, channel, token } => {
            let result = backend.sub_refresh(&caller, &channel, &token).await;
            Answer::SubRefresh { id, channel, result }
        }
        Call::Publish {
            id,
            channel,
            subscribed,
            data,
        } => {
            let call = ChannelCall {
                channel: &channel,
                subscribed,
            };
            Answer::Publish {
                id,
                result: backend.publish(&caller, call, data).await,
            }
        }
        Call::Presence {
            id,
            channel,
            subscribed,
        } => {
            let call = ChannelCall {
                channel: &channel,
                subscribed,
            };
            let allowed = backend.presence(&caller, call).await;
            Answer::Presence {
                id,
                result: allowed.map(|()| gateway.hub().presence(&channel)),
            }
        }
        Call::PresenceStats {
            id,
            channel,
            subscribed,
        } => {
            let call = ChannelCall {
                channel: &channel,
                subscribed,
            };
            let counts = backend.presence_stats(&caller, call).await;
            let counted = counts.map(|own| own.unwrap_or_else(|| gateway.hub().presence_stats(&channel)));
            Answer::PresenceStats { id, result: counted }
        }
        Call::History {
            id,
            channel,
            subscribed,
            query,
        } => {
            let call = ChannelCall {
                channel: &channel,
                subscribed,
            };
            Answer::History {
                id,
                result: backend.history(&caller, call, &query).await,
            }
        }
        Call::Rpc { id, method, data } => rpc(gateway, caller, id, method, data).await,
    }
}

/// The hot path: its future is small and does nothing but ask.
pub(crate) async fn rpc<B: Backend>(
    gateway: Gateway<B>,
    caller: Arc<Caller>,
    id: u32,
    method: bytestring::ByteString,
    data: bytes::Bytes,
) -> Answer {
    Answer::Rpc {
        id,
        result: gateway.backend().rpc(&caller, &method, data).await,
    }
}

fn note_recoverable(peer: &Peer, channel: &str, opened: &Opened) {
    if opened.grant.stream.is_some() {
        peer.set_recoverable(channel);
    }
}

/// Authorises a subscription and recovers its first page. The channel is attached already.
async fn open<B: Backend>(
    backend: &B,
    caller: &Caller,
    request: &Subscribe,
    reject_unrecovered: bool,
) -> Result<Opened, Refusal> {
    let grant = backend.subscribe(caller, request).await?;
    let (was_recovering, recovered) = match (&grant.stream, &request.recover) {
        (Some(top), Some(from)) => (true, first_page(backend, caller, request, top, from).await?),
        _ => (false, None),
    };
    if was_recovering && recovered.is_none() && reject_unrecovered {
        return Err(Error::UNRECOVERABLE_POSITION.into());
    }
    let data = backend
        .snapshot(caller, &request.channel, recovered.is_some())
        .await?;
    Ok(Opened {
        grant,
        was_recovering,
        recovered,
        data,
        push_id: 0,
    })
}

async fn first_page<B: Backend>(
    backend: &B,
    caller: &Caller,
    request: &Subscribe,
    top: &StreamPosition,
    from: &StreamPosition,
) -> Result<Option<(u64, RecoveryPage)>, Refusal> {
    let same_stream = from.epoch.is_empty() || from.epoch == top.epoch;
    if !same_stream || from.offset > top.offset {
        return Ok(None);
    }
    match page(backend, caller, &request.channel, from.offset).await {
        Ok(page) => Ok(Some((from.offset, page))),
        Err(error) if error.code == Error::UNRECOVERABLE_POSITION.code => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One page of a stream, cut to the limits, whatever the backend returned.
async fn page<B: Backend>(
    backend: &B,
    caller: &Caller,
    channel: &str,
    after: u64,
) -> Result<RecoveryPage, Error> {
    let limit = limits::RECOVERY_PAGE_PUBLICATIONS;
    let mut page = backend.recover(caller, channel, after, limit).await?;
    page.publications
        .retain(|publication| publication.offset.is_some_and(|offset| offset > after));
    let mut bytes = 0;
    let fitting = page.publications.iter().take(limit).take_while(|publication| {
        bytes += publication.data.len();
        bytes <= limits::RECOVERY_PAGE_BYTES_MAX
    });
    let count = fitting.count().max(1);
    if count < page.publications.len() {
        page.publications.truncate(count);
        page.done = false;
        page.scanned_to = page
            .publications
            .last()
            .and_then(|last| last.offset)
            .unwrap_or(after);
    }
    if !page.done && page.scanned_to <= after {
        tracing::error!(
            channel,
            after,
            "a recovery page that is neither last nor leads on"
        );
        return Err(Error::INTERNAL);
    }
    Ok(page)
}
