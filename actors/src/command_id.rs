//! By which text the journal knows a command of a stream: two users' ids must never meet in one.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};
use domain::UserId;
use journal::command_id::QUALIFIER;

use crate::Request;

/// The text by which the journal knows a command of the stream of `key`.
pub(crate) fn journal_id<'a>(key: &UserId, request: &'a Request) -> Option<Cow<'a, str>> {
    let id = request.command_id.as_ref()?;
    if request.actor == key.as_str() {
        return Some(Cow::Borrowed(id.as_str()));
    }
    Some(Cow::Owned(format!("{}{QUALIFIER}{id}", request.actor)))
}

/// The same, without a copy where it can be had so.
pub(crate) fn into_journal_id(key: &UserId, request: Request) -> Option<CompactString> {
    let id = request.command_id?;
    if request.actor == key.as_str() {
        return Some(id.into_text());
    }
    Some(format_compact!("{}{QUALIFIER}{id}", request.actor))
}
