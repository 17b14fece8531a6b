//! What each command leads to. Refusals first; then one call to the backend, or an answer at once.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Call, Effect, Phase, Session, Sub};
use crate::backend::{Connect, HistoryQuery, Subscribe};
use crate::error::{Disconnect, Error};
use crate::limits;
use crate::protocol::{
    Command, ConnectRequest, FLAG_COMPACT, FLAG_REJECT_UNRECOVERED, Format, HistoryRequest, Reply, Request,
    SubscribeRequest, is_json,
};
use crate::publication::StreamPosition;

impl Session {
    pub(super) fn handle_command(&mut self, mut command: Command) {
        let id = command.id;
        let request = command.request.take();
        match (&self.phase, request) {
            (Phase::Open, Some(Request::Connect(request))) if id > 0 => self.connect(id, request),
            (Phase::Connected, None) if id == 0 => self.pong(&command),
            (Phase::Connected, Some(Request::Send)) => self.close(Disconnect::NOT_AVAILABLE),
            (Phase::Connected, Some(request)) if id > 0 => self.connected_command(id, request, &command),
            _ => self.bad_request(&command),
        }
    }

    fn connected_command(&mut self, id: u32, request: Request, command: &Command) {
        if request.channel().is_some_and(|channel| channel.is_empty()) {
            return self.bad_request(command);
        }
        if request
            .channel()
            .is_some_and(|channel| channel.len() > limits::CHANNEL_NAME_BYTES_MAX)
        {
            return self.reply(id, &Reply::Error(&Error::BAD_REQUEST));
        }
        match request {
            Request::Rpc { method, data } => self.rpc(id, method, data),
            Request::Subscribe(request) => self.subscribe(id, request),
            Request::Unsubscribe { channel } => self.unsubscribe(id, &channel),
            Request::Publish { channel, data, kind } => self.publish(id, channel, data, kind),
            Request::Presence { channel } => {
                let subscribed = self.is_subscribed(&channel);
                self.call(Call::Presence {
                    id,
                    channel,
                    subscribed,
                });
            }
            Request::PresenceStats { channel } => {
                let subscribed = self.is_subscribed(&channel);
                self.call(Call::PresenceStats {
                    id,
                    channel,
                    subscribed,
                });
            }
            Request::History(request) => self.history(id, request),
            Request::Refresh { token } if token.is_empty() => self.bad_request(command),
            Request::Refresh { token } => self.call(Call::Refresh { id, token }),
            Request::SubRefresh { channel, token, kind } => self.sub_refresh(id, &channel, token, kind),
            // `connect` twice; `send` with an id has been dealt with.
            Request::Connect(_) | Request::Send => self.bad_request(command),
        }
    }

    fn connect(&mut self, id: u32, request: ConnectRequest) {
        self.phase = Phase::Connecting { id };
        let positions = request
            .positions
            .into_iter()
            .take(self.config.channels_per_connection_max)
            .map(|(channel, offset, epoch)| (channel, StreamPosition { offset, epoch }))
            .collect();
        let request = Connect {
            client: self.client.clone(),
            token: request.token,
            data: request.data,
            name: request.name,
            version: request.version,
            peer: self.peer,
        };
        self.call(Call::Connect { request, positions });
    }

    fn pong(&mut self, command: &Command) {
        if self.timers.pong_by.take().is_none() {
            self.bad_request(command);
        }
    }

    fn rpc(&mut self, id: u32, method: ByteString, data: Option<Bytes>) {
        if method.len() > limits::METHOD_NAME_BYTES_MAX {
            return self.reply(id, &Reply::Error(&Error::METHOD_NOT_FOUND));
        }
        self.call(Call::Rpc {
            id,
            method,
            data: data.unwrap_or_default(),
        });
    }

    fn subscribe(&mut self, id: u32, request: SubscribeRequest) {
        if request.kind != 0 {
            return self.reply(id, &Reply::Error(&Error::NOT_AVAILABLE));
        }
        if request.filtered {
            return self.reply(id, &Reply::Error(&Error::BAD_REQUEST));
        }
        if self.subs.contains_key(&*request.channel) {
            return self.reply(id, &Reply::Error(&Error::ALREADY_SUBSCRIBED));
        }
        if self.subs.len() >= self.config.channels_per_connection_max {
            return self.reply(id, &Reply::Error(&Error::LIMIT_EXCEEDED));
        }
        let channel: Arc<str> = Arc::from(&*request.channel);
        self.subs.insert(
            channel.clone(),
            Sub::Opening {
                unsubscribe: Vec::new(),
                revoked: None,
            },
        );
        let recover = request.recover.then_some(StreamPosition {
            offset: request.offset,
            epoch: request.epoch,
        });
        let call = Subscribe {
            channel: channel.to_string(),
            token: request.token,
            data: request.data,
            recover,
            server_side: false,
        };
        let reject_unrecovered = request.flag & FLAG_REJECT_UNRECOVERED != 0;
        self.call(Call::Subscribe {
            id,
            channel,
            request: call,
            reject_unrecovered,
            // The published JavaScript SDK cannot find a channel by its number in Protobuf: it compares 64-bit objects.
            compact: self.format == Format::Json && request.flag & FLAG_COMPACT != 0,
        });
    }

    fn unsubscribe(&mut self, id: u32, channel: &str) {
        match self.subs.get_mut(channel) {
            Some(Sub::Opening { unsubscribe, .. }) => {
                // Waits for the subscribe; counted as under way so that such commands cannot pile up.
                unsubscribe.push(id);
                self.in_flight += 1;
            }
            Some(Sub::Open { .. }) => {
                self.remove_open(channel, None);
                self.reply(id, &Reply::Unsubscribe);
            }
            None => self.reply(id, &Reply::Unsubscribe),
        }
    }

    fn publish(&mut self, id: u32, channel: ByteString, data: Option<Bytes>, kind: i32) {
        if kind != 0 {
            return self.reply(id, &Reply::Error(&Error::NOT_AVAILABLE));
        }
        let Some(data) = data.filter(|data| is_json(data)) else {
            return self.reply(id, &Reply::Error(&Error::BAD_REQUEST));
        };
        let subscribed = self.is_subscribed(&channel);
        self.call(Call::Publish {
            id,
            channel,
            subscribed,
            data,
        });
    }

    fn history(&mut self, id: u32, request: HistoryRequest) {
        let backwards_from_nothing =
            request.reverse && request.since.as_ref().is_some_and(|(offset, _)| *offset == 0);
        if backwards_from_nothing {
            return self.reply(id, &Reply::Error(&Error::BAD_REQUEST));
        }
        let limit = usize::try_from(request.limit).unwrap_or(limits::HISTORY_PUBLICATIONS_MAX);
        let query = HistoryQuery {
            limit: limit.min(limits::HISTORY_PUBLICATIONS_MAX),
            since: request
                .since
                .map(|(offset, epoch)| StreamPosition { offset, epoch }),
            reverse: request.reverse,
        };
        let subscribed = self.is_subscribed(&request.channel);
        self.call(Call::History {
            id,
            channel: request.channel,
            subscribed,
            query,
        });
    }

    fn sub_refresh(&mut self, id: u32, channel: &str, token: String, kind: i32) {
        if kind != 0 {
            return self.reply(id, &Reply::Error(&Error::NOT_AVAILABLE));
        }
        if token.is_empty() {
            return self.reply(id, &Reply::Error(&Error::BAD_REQUEST));
        }
        match self.subs.get_key_value(channel) {
            Some((channel, Sub::Open { .. })) => {
                let channel = channel.clone();
                self.call(Call::SubRefresh { id, channel, token });
            }
            _ => self.reply(id, &Reply::Error(&Error::PERMISSION_DENIED)),
        }
    }

    fn is_subscribed(&self, channel: &str) -> bool {
        matches!(self.subs.get(channel), Some(Sub::Open { .. }))
    }

    /// Ends an opening subscription that did not open, and answers who waited for its end.
    pub(super) fn forget_opening(&mut self, channel: &Arc<str>, waiting: Vec<u32>) {
        self.subs.remove(channel);
        self.effects.push_back(Effect::Left {
            channel: channel.clone(),
            why: None,
            was_open: false,
        });
        self.answer_waiting(waiting);
    }

    pub(super) fn answer_waiting(&mut self, waiting: Vec<u32>) {
        self.in_flight -= waiting.len();
        for id in waiting {
            self.reply(id, &Reply::Unsubscribe);
        }
    }
}

impl Request {
    fn channel(&self) -> Option<&str> {
        match self {
            Request::Subscribe(request) => Some(&request.channel),
            Request::History(request) => Some(&request.channel),
            Request::Unsubscribe { channel }
            | Request::Publish { channel, .. }
            | Request::Presence { channel }
            | Request::PresenceStats { channel }
            | Request::SubRefresh { channel, .. } => Some(channel),
            Request::Connect(_) | Request::Rpc { .. } | Request::Send | Request::Refresh { .. } => None,
        }
    }
}
