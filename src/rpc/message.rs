//! `message.send`, `message.list`, `message.read`, `conversation.list`.
//!
//! The views say where messages stand, the journal what they say: texts are kept nowhere else.

use domain::conversation::{Answer, Command, ReadMessages, SendMessage};
use domain::limits::MESSAGE_TEXT_CHARS_MAX;
use domain::text::clean;
use domain::{Rejection, UserId};
use journal::Position;
use projections::views::{Conversation, Page as Found};
use serde::{Deserialize, Serialize};

use crate::feed::Message;
use crate::platform::Platform;
use crate::rpc::request::{Page, id, parse, parse_command};
use crate::rpc::{Failure, Outcome, json};

#[derive(Serialize, Deserialize)]
struct Send {
    to: String,
    text: String,
}

#[derive(Serialize)]
struct Sent {
    position: u64,
    /// The how-manieth of the sender's messages in this conversation.
    number: u64,
}

pub(super) async fn send(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Send>("message.send", data)?;
    let to: UserId = id(&command.body.to)?;
    let text = &command.body.text;
    // What the conversation would say, and no more of it: a text that it refuses anyway is not searched.
    let blocked_word =
        clean(text, MESSAGE_TEXT_CHARS_MAX).is_ok_and(|cleaned| platform.words.blocks(&cleaned));
    let send = Command::Send(SendMessage {
        blocked_word,
        ..SendMessage::new(user.clone(), to, text.as_str())
    });
    let accepted = platform.actors.conversation(command.request(user), send).await?;
    let Answer::Sent { number } = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    json(&Sent {
        position: accepted.position.sequence,
        number,
    })
}

#[derive(Serialize, Deserialize)]
struct Read {
    with: String,
    upto: u64,
}

#[derive(Serialize)]
struct Marked {
    position: u64,
    upto: u64,
}

pub(super) async fn read(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Read>("message.read", data)?;
    let read = Command::Read(ReadMessages {
        reader: user.clone(),
        from: id(&command.body.with)?,
        upto: command.body.upto,
    });
    let accepted = platform.actors.conversation(command.request(user), read).await?;
    let Answer::Read { upto } = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    json(&Marked {
        position: accepted.position.sequence,
        upto,
    })
}

/// How far both have read.
#[derive(Serialize, Default)]
struct Marks {
    /// What the caller has not read.
    unread: u64,
    /// How many of the other one's messages the caller has read.
    read: u64,
    /// How many of the caller's messages the other one has read.
    read_by: u64,
}

impl Marks {
    fn of(conversation: &Conversation) -> Self {
        Self {
            unread: conversation.unread(),
            read: conversation.read,
            read_by: conversation.read_by_other,
        }
    }
}

#[derive(Deserialize)]
struct With {
    with: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
struct Thread {
    messages: Vec<Message>,
    #[serde(flatten)]
    marks: Marks,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(super) async fn list(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let With { with, page } = parse(data)?;
    let with: UserId = id(&with)?;
    let limit = page.limit()?;
    let (found, marks) = {
        let views = platform.views();
        let found = views.messages(user, &with, page.cursor.as_deref(), limit)??;
        (found, views.conversation(user, &with)?)
    };
    let Found { entries, cursor } = found;
    let messages = newest_first(platform, entries).await?;
    let marks = marks.as_ref().map(Marks::of).unwrap_or_default();
    json(&Thread {
        messages,
        marks,
        cursor,
    })
}

#[derive(Serialize)]
struct Line {
    with: UserId,
    #[serde(flatten)]
    marks: Marks,
    last: Message,
}

#[derive(Serialize)]
struct Lines {
    conversations: Vec<Line>,
    /// Over all conversations.
    unread: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(super) async fn conversations(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<Page>(data)?;
    let limit = page.limit()?;
    let (found, unread) = {
        let views = platform.views();
        let found = views.conversations(user, page.cursor.as_deref(), limit)??;
        (found, views.unread(user)?)
    };
    let Found { entries, cursor } = found;
    let newest = entries.iter().map(|conversation| conversation.last).collect();
    let newest = newest_first(platform, newest).await?;
    // Both are ordered by the newest message; one that cannot be found would be a fault of the view.
    let lines = entries.iter().zip(newest).map(|(conversation, last)| Line {
        with: conversation.with.clone(),
        marks: Marks::of(conversation),
        last,
    });
    json(&Lines {
        conversations: lines.collect(),
        unread: unread.messages,
        cursor,
    })
}

/// The messages at these positions, of which the newest comes first.
async fn newest_first(platform: &Platform, mut positions: Vec<Position>) -> Result<Vec<Message>, Failure> {
    positions.reverse();
    let mut messages = platform.feed.messages(&positions).await?;
    if messages.len() != positions.len() {
        tracing::error!(
            ?positions,
            "a view knows of messages that are not in the journal: rebuild `conversations`"
        );
        return Err(Failure::Internal);
    }
    messages.reverse();
    Ok(messages)
}
