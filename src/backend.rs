//! The gateway's port: who may connect, what the channels are, what they held before, what a call does.

use std::sync::Arc;

use bytes::Bytes;
use domain::{RoomId, UserId};
use gateway::{
    Backend, Caller, ChannelCall, Connect, Connected, Disconnect, Error, ExpireAt, Grant, History,
    HistoryQuery, Hub, PresenceStats, Publication, RecoveryPage, Refusal, StreamPosition, Subscribe,
    Unsubscribe,
};
use journal::Position;

use crate::platform::Platform;
use crate::rpc::{self, Failure, Watched};
use crate::sessions::Sessions;
use crate::tokens::Verifier;

/// A user who comes back is told what changed of so many of the newest withdrawals; `withdraw.list` has the others.
const WITHDRAWALS_RECOVERED_MAX: usize = 20;

/// A user who comes back is told so many missed messages and read marks one by one; who missed more starts afresh with
/// `conversation.list`.
const MESSAGES_RECOVERED_MAX: usize = 1_000;

/// Livehouse behind the gateway.
pub struct LivehouseBackend {
    platform: Arc<Platform>,
    verifier: Verifier,
    sessions: Sessions,
    hub: Arc<Hub>,
    epoch: String,
}

/// A channel's name, read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Channel {
    Room(RoomId),
    User(UserId),
    Board(Watched),
}

impl Channel {
    fn parse(name: &str) -> Result<Self, Error> {
        let (family, rest) = name.split_once(':').ok_or(Error::UNKNOWN_CHANNEL)?;
        let parsed = match family {
            "room" => rest.parse().ok().map(Self::Room),
            "user" => rest.parse().ok().map(Self::User),
            "board" => rest.parse().ok().map(Self::Board),
            _ => None,
        };
        parsed.ok_or(Error::UNKNOWN_CHANNEL)
    }
}

impl LivehouseBackend {
    /// The backend of a platform.
    pub fn new(platform: Arc<Platform>, verifier: Verifier, sessions: Sessions, hub: Arc<Hub>) -> Self {
        let epoch = platform.journal.to_string();
        Self {
            platform,
            verifier,
            sessions,
            hub,
            epoch,
        }
    }

    /// Everything up to here is in the views, and what comes later is published live.
    fn top(&self) -> StreamPosition {
        StreamPosition {
            offset: self.platform.views_position(),
            epoch: self.epoch.clone(),
        }
    }

    /// Whether the caller may come into a room.
    async fn admit(&self, caller: &Caller, room: &RoomId) -> Result<(), Error> {
        let entered = self.platform.actors.enter(room, &user_of(caller)?).await;
        entered.map(|_| ()).map_err(|failure| refusal(&failure))
    }

    fn room_positions(&self, room: &RoomId, after: u64, limit: usize) -> Result<Vec<Position>, Error> {
        let after = Position {
            shard: 0,
            sequence: after,
        };
        self.platform
            .views()
            .room_after(room, after, limit)
            .map_err(|_| Error::UNRECOVERABLE_POSITION)
    }

    async fn read(&self, positions: &[Position]) -> Result<Vec<Publication>, Error> {
        self.platform.feed.read(positions).await.map_err(|error| {
            tracing::error!("a room's past cannot be read: {error}");
            Error::INTERNAL
        })
    }

    async fn recover_room(&self, room: &RoomId, after: u64, limit: usize) -> Result<RecoveryPage, Error> {
        // Read the top first: what comes between the two reads is found, and published live as well; the gateway
        // drops the second one by its offset.
        let top = self.platform.views_position().max(after);
        let positions = self.room_positions(room, after, limit)?;
        let done = positions.len() < limit;
        let last = positions.last().map_or(after, |position| position.sequence);
        let scanned_to = if done { last.max(top) } else { last };
        Ok(RecoveryPage {
            publications: self.read(&positions).await?,
            scanned_to,
            done,
        })
    }

    /// A balance is one number: of all that was missed, the newest says it all.
    fn recover_balance(&self, user: &UserId, after: u64) -> RecoveryPage {
        let top = self.platform.views_position().max(after);
        let balance = self.platform.views().balance(user);
        let position = projections::position(balance.changed);
        let mut publications = Vec::new();
        if position.sequence > after {
            let mut json = String::with_capacity(128);
            projections::publication::balance(&balance, &mut json);
            publications.push(Publication::new(json).at(position.sequence));
        }
        RecoveryPage {
            publications,
            scanned_to: top.max(position.sequence),
            done: true,
        }
    }

    /// Every message and read mark that was missed, and of balance and withdrawals the newest.
    async fn recover_user(&self, user: &UserId, after: u64, limit: usize) -> Result<RecoveryPage, Error> {
        let mut page = self.recover_state(user, after, limit)?;
        let told = self.told_after(user, after)?;
        let told = &told[..told.len().min(limit)];
        let missed = self.platform.feed.private(told).await.map_err(|error| {
            tracing::error!("a user's messages cannot be read: {error}");
            Error::INTERNAL
        })?;
        page.publications.extend(missed);
        page.publications.sort_by_key(|publication| publication.offset);
        // What is over the limit is for the next page, and whatever stands behind it.
        if let Some(last) = told.get(limit.saturating_sub(1)) {
            page.publications
                .retain(|publication| publication.offset.is_some_and(|offset| offset <= last.sequence));
            (page.scanned_to, page.done) = (last.sequence, false);
        }
        Ok(page)
    }

    /// Where the messages and read marks stand that a user missed.
    fn told_after(&self, user: &UserId, after: u64) -> Result<Vec<Position>, Error> {
        let after = Position {
            shard: 0,
            sequence: after,
        };
        let told = self
            .platform
            .views()
            .told_after(user, after, MESSAGES_RECOVERED_MAX + 1);
        let told = told.map_err(|error| {
            tracing::error!("a user's messages cannot be found: {error}");
            Error::INTERNAL
        })?;
        if told.len() > MESSAGES_RECOVERED_MAX {
            return Err(Error::UNRECOVERABLE_POSITION);
        }
        Ok(told)
    }

    /// The balance, and where withdrawals stand that changed: each once, as it is now.
    fn recover_state(&self, user: &UserId, after: u64, limit: usize) -> Result<RecoveryPage, Error> {
        let mut page = self.recover_balance(user, after);
        let after = Position {
            shard: 0,
            sequence: after,
        };
        let changed = self.platform.views().withdrawals_changed(
            user,
            after,
            WITHDRAWALS_RECOVERED_MAX.min(limit.saturating_sub(1)),
        );
        let mut publications: Vec<_> = changed
            .map_err(|error| {
                tracing::error!("a user's withdrawals cannot be read: {error}");
                Error::INTERNAL
            })?
            .iter()
            .map(|change| Publication::new(change.json()).at(change.position.sequence))
            .collect();
        // A withdrawal comes before the balance that it changed.
        publications.append(&mut page.publications);
        publications.sort_by_key(|publication| publication.offset);
        let last = publications.last().and_then(|publication| publication.offset);
        page.scanned_to = page.scanned_to.max(last.unwrap_or(0));
        page.publications = publications;
        Ok(page)
    }

    async fn room_history(&self, room: &RoomId, query: &HistoryQuery) -> Result<History, Error> {
        let top = self.top();
        if let Some(since) = &query.since
            && !since.epoch.is_empty()
            && since.epoch != self.epoch
        {
            return Err(Error::UNRECOVERABLE_POSITION);
        }
        let mut positions = match &query.since {
            _ if query.limit == 0 => Vec::new(),
            Some(since) if !query.reverse => self.room_positions(room, since.offset, query.limit)?,
            since => {
                let mut retained = self.platform.views().room_newest(room, usize::MAX);
                if let Some(since) = since {
                    retained.truncate(retained.partition_point(|p| p.sequence < since.offset));
                }
                if query.reverse {
                    retained.drain(..retained.len().saturating_sub(query.limit));
                }
                retained
            }
        };
        positions.truncate(query.limit);
        let mut publications = self.read(&positions).await?;
        if query.reverse {
            publications.reverse();
        }
        Ok(History { publications, top })
    }
}

fn user_of(caller: &Caller) -> Result<UserId, Error> {
    caller.user.parse().map_err(|_| Error::UNAUTHORIZED)
}

fn refusal(failure: &Failure) -> Error {
    let (code, message) = failure.code_and_message();
    let error = Error::new(code, message);
    if failure.is_temporary() {
        error.temporary()
    } else {
        error
    }
}

impl Backend for LivehouseBackend {
    async fn connect(&self, request: &Connect) -> Result<Connected, Refusal> {
        if request.token.is_empty() {
            return Err(Disconnect::BAD_REQUEST.into());
        }
        let claims = self.verifier.check(&request.token)?;
        if !self.sessions.has_room(&claims.user) {
            return Err(Disconnect::CONNECTION_LIMIT.into());
        }
        let channels = vec![format!("user:{}", claims.user)];
        Ok(Connected {
            user: claims.user.to_string(),
            expire_at: claims.expires_at_s,
            channels,
            ..Connected::default()
        })
    }

    async fn refresh(&self, caller: &Caller, token: &str) -> Result<ExpireAt, Refusal> {
        let claims = self.verifier.check(token)?;
        if claims.user.as_str() != &*caller.user {
            return Err(Disconnect::INVALID_TOKEN.into());
        }
        Ok(claims.expires_at_s)
    }

    async fn subscribe(&self, caller: &Caller, request: &Subscribe) -> Result<Grant, Refusal> {
        match Channel::parse(&request.channel)? {
            Channel::Room(room) => {
                self.admit(caller, &room).await?;
                Ok(Grant {
                    stream: Some(self.top()),
                    ..Grant::default()
                })
            }
            Channel::User(user) if user.as_str() == &*caller.user => Ok(Grant {
                stream: Some(self.top()),
                ..Grant::default()
            }),
            Channel::User(_) => Err(Error::PERMISSION_DENIED.into()),
            Channel::Board(_) => Ok(Grant::default()),
        }
    }

    async fn recover(
        &self,
        _: &Caller,
        channel: &str,
        after: u64,
        limit: usize,
    ) -> Result<RecoveryPage, Error> {
        match Channel::parse(channel)? {
            Channel::Room(room) => self.recover_room(&room, after, limit).await,
            Channel::User(user) => self.recover_user(&user, after, limit).await,
            Channel::Board(_) => Err(Error::UNRECOVERABLE_POSITION),
        }
    }

    async fn snapshot(
        &self,
        caller: &Caller,
        channel: &str,
        recovered: bool,
    ) -> Result<Option<Bytes>, Refusal> {
        let platform = &*self.platform;
        let data = match Channel::parse(channel)? {
            // Who got everything that was missed needs no picture of the whole.
            Channel::Room(_) if recovered => return Ok(None),
            Channel::Room(room) => {
                let user = user_of(caller)?;
                platform.pictures.for_user(platform, &room, &user).await
            }
            Channel::User(_) => return Ok(None),
            Channel::Board(board) => {
                let now = rpc::board_now(platform, &board).map(|(json, _)| json);
                platform.watched.note(board);
                now
            }
        };
        data.map(Some).map_err(|failure| refusal(&failure).into())
    }

    async fn history(
        &self,
        caller: &Caller,
        call: ChannelCall<'_>,
        query: &HistoryQuery,
    ) -> Result<History, Refusal> {
        match Channel::parse(call.channel)? {
            Channel::Room(room) => {
                self.admit(caller, &room).await?;
                Ok(self.room_history(&room, query).await?)
            }
            Channel::User(_) | Channel::Board(_) => Err(Error::NOT_AVAILABLE.into()),
        }
    }

    async fn presence_stats(
        &self,
        _: &Caller,
        call: ChannelCall<'_>,
    ) -> Result<Option<PresenceStats>, Refusal> {
        match Channel::parse(call.channel)? {
            Channel::Room(_) => Ok(None),
            Channel::User(_) | Channel::Board(_) => Err(Error::NOT_AVAILABLE.into()),
        }
    }

    async fn rpc(&self, caller: &Caller, method: &str, data: Bytes) -> Result<Bytes, Refusal> {
        let user = user_of(caller)?;
        rpc::call(&self.platform, &user, method, &data)
            .await
            .map_err(|failure| refusal(&failure).into())
    }

    fn on_connected(&self, caller: &Arc<Caller>) {
        if let Ok(user) = user_of(caller)
            && let Some((client, why)) = self.sessions.enter(&user, &caller.client)
        {
            self.hub.disconnect_client(&client, &why);
        }
    }

    fn on_disconnected(&self, caller: &Arc<Caller>, _: &Disconnect) {
        if let Ok(user) = user_of(caller) {
            self.sessions.leave(&user, &caller.client);
        }
    }

    fn on_subscribed(&self, caller: &Arc<Caller>, channel: &str) {
        if let (Ok(Channel::Room(room)), Ok(user)) = (Channel::parse(channel), user_of(caller)) {
            self.platform.audience.enter(&room, &user, self.platform.now_ms());
        }
    }

    fn on_unsubscribed(&self, caller: &Arc<Caller>, channel: &str, _: Option<&Unsubscribe>) {
        if let (Ok(Channel::Room(room)), Ok(user)) = (Channel::parse(channel), user_of(caller)) {
            self.platform.audience.leave(&room, &user, self.platform.now_ms());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read_by_family_and_everything_else_is_unknown() {
        let room: RoomId = "star".parse().unwrap();
        assert_eq!(Channel::parse("room:star"), Ok(Channel::Room(room.clone())));
        assert_eq!(
            Channel::parse("user:ann"),
            Ok(Channel::User("ann".parse().unwrap()))
        );
        assert_eq!(
            Channel::parse("board:tickets"),
            Ok(Channel::Board("tickets".parse().unwrap()))
        );
        assert_eq!(
            Channel::parse("board:room:star/session"),
            Ok(Channel::Board("room:star/session".parse().unwrap()))
        );
        for unknown in [
            "",
            "room",
            "room:",
            "room:a b",
            "x:y",
            "board:z",
            "board:coins/year",
            "user:",
        ] {
            assert_eq!(Channel::parse(unknown), Err(Error::UNKNOWN_CHANNEL), "{unknown}");
        }
    }
}
