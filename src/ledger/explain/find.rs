//! Which command is meant: by its id alone, and by its sender or its stream where several have the same id.

use domain::{OrderId, StreamId, StreamKind, UserId, WithdrawalId};
use journal::{Position, Reader, Record, codec, command_id};

use super::money;
use crate::ledger::history::Backwards;
use crate::ledger::limits::{SAME_ID_COMMANDS_MAX, WITHDRAWAL_RECORDS_MAX};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The command's id as its client made it; or the id of an order, or, with a user, of a withdrawal.
    pub id: &'a str,
    /// Only what this user sent, or what went to this user's own streams.
    pub user: Option<&'a UserId>,
    /// Only what went to this stream.
    pub stream: Option<&'a StreamId>,
}

/// The first record of every command that is meant, oldest first: none, one, or several of the same id.
pub async fn find(reader: &dyn Reader, question: Question<'_>) -> journal::Result<Vec<Record>> {
    let mut found = commands(reader, question).await?;
    if found.is_empty() {
        found.extend(order(reader, question).await?);
    }
    if found.is_empty() {
        found.extend(withdrawal(reader, question).await?);
    }
    Ok(found)
}

async fn commands(reader: &dyn Reader, question: Question<'_>) -> journal::Result<Vec<Record>> {
    let mut found = reader
        .find_command_anywhere(question.id, SAME_ID_COMMANDS_MAX)
        .await?;
    if found.len() >= SAME_ID_COMMANDS_MAX {
        // So many share it that the one that is meant may not be among them; its own streams tell.
        found.extend(in_own_streams(reader, question).await?);
        found.sort_by_key(|record| record.position);
        found.dedup_by_key(|record| record.position);
    }
    found.retain(|record| {
        let of_user = |user: &UserId| {
            record.cause.actor == user.as_str() || record.stream.user().is_some_and(|own| own == *user)
        };
        question.user.is_none_or(of_user) && question.stream.is_none_or(|stream| record.stream == *stream)
    });
    Ok(found)
}

async fn in_own_streams(reader: &dyn Reader, question: Question<'_>) -> journal::Result<Vec<Record>> {
    let mut found = Vec::new();
    let mut streams: Vec<_> = question.stream.cloned().into_iter().collect();
    if let Some(user) = question.user {
        streams.extend([StreamId::viewer(user), StreamId::streamer(user)]);
        let theirs = format!("{user}{}{}", command_id::QUALIFIER, question.id);
        found.extend(
            reader
                .find_command_anywhere(&theirs, SAME_ID_COMMANDS_MAX)
                .await?,
        );
    }
    for stream in streams {
        found.extend(reader.find_command(&stream, question.id).await?);
    }
    Ok(found)
}

/// The beginning of the order of this id.
async fn order(reader: &dyn Reader, question: Question<'_>) -> journal::Result<Option<Record>> {
    let Ok(order) = question.id.parse::<OrderId>() else {
        return Ok(None);
    };
    let stream = StreamId::new(StreamKind::Order, order.as_str());
    let mut records = reader.read_stream(&stream, 0, Position::start(0), 1).await?;
    Ok(records.pop())
}

/// The newest step of the withdrawal of this id, of the user who is named.
async fn withdrawal(reader: &dyn Reader, question: Question<'_>) -> journal::Result<Option<Record>> {
    let (Some(user), Ok(id)) = (question.user, question.id.parse::<WithdrawalId>()) else {
        return Ok(None);
    };
    let mut records = Backwards::open(reader, StreamId::streamer(user), None).await?;
    for _ in 0..WITHDRAWAL_RECORDS_MAX {
        let Some(record) = records.next().await? else {
            break;
        };
        if money::is_of_withdrawals(&record)
            && money::withdrawal_of(&codec::decode(&record.as_ref())?) == Some(&id)
        {
            return Ok(Some(record));
        }
    }
    Ok(None)
}
