//! The frames of the Centrifuge protocol in JSON as the crowd reads them: borrowed from the frame, and only what the crowd counts
//! or checks. It must never need the server's code to be understood: it reads what any client reads.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One line of a frame: the answer to a command, or a push. A line with neither is the server's ping.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<'a> {
    /// Of the command; 0 in a push.
    #[serde(default)]
    pub id: u32,
    #[serde(borrow)]
    pub error: Option<Refused<'a>>,
    #[serde(borrow)]
    pub push: Option<Push<'a>>,
    #[serde(borrow)]
    pub subscribe: Option<Subscribed<'a>>,
    #[serde(borrow)]
    pub rpc: Option<Called<'a>>,
}

impl Reply<'_> {
    /// Whether the server only asks if somebody is there.
    pub fn is_ping(&self) -> bool {
        self.id == 0 && self.push.is_none()
    }
}

/// A numbered error.
#[derive(Debug, Deserialize)]
pub(super) struct Refused<'a> {
    #[serde(default)]
    pub code: u64,
    #[serde(borrow, default)]
    pub message: Cow<'a, str>,
}

/// The result of a method.
#[derive(Debug, Deserialize)]
pub(super) struct Called<'a> {
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// Something that was not asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Push<'a> {
    /// Left out where the channel goes by its number.
    #[serde(borrow, default)]
    pub channel: Cow<'a, str>,
    #[serde(default)]
    pub id: u64,
    #[serde(borrow, rename = "pub")]
    pub publication: Option<Publication<'a>>,
    pub unsubscribe: Option<Ended>,
}

/// Why a subscription ended.
#[derive(Debug, Deserialize)]
pub(super) struct Ended {
    /// From 2500 on the client subscribes again at once.
    #[serde(default)]
    pub code: u32,
}

/// One publication.
#[derive(Debug, Deserialize)]
pub(super) struct Publication<'a> {
    /// Its position, 0 when it is not durable.
    #[serde(default)]
    pub offset: u64,
    #[serde(borrow)]
    pub data: Data<'a>,
}

/// The fields of any publication that the crowd looks at.
#[derive(Debug, Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Unix milliseconds; 0 where there is none.
    #[serde(default)]
    pub time: u64,
    /// What this connection lost, in `counters`.
    #[serde(default)]
    pub skipped: Skipped,
}

/// Lost publications by class.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Skipped {
    #[serde(default)]
    pub ephemeral: u64,
    #[serde(default)]
    pub state: u64,
}

/// The answer to a subscription.
#[derive(Debug, Deserialize)]
pub(super) struct Subscribed<'a> {
    #[serde(borrow, default)]
    pub epoch: Cow<'a, str>,
    #[serde(default)]
    pub offset: u64,
    /// The channel's number in pushes; 0 where it goes by its name.
    #[serde(default)]
    pub id: u64,
    #[serde(default)]
    pub was_recovering: bool,
    #[serde(default)]
    pub recovered: bool,
    #[serde(borrow, default)]
    pub publications: Vec<Publication<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Reply<'_> {
        serde_json::from_str(line).expect("a reply")
    }

    #[test]
    fn an_empty_object_is_a_ping_and_nothing_else_is() {
        assert!(read("{}").is_ping());
        assert!(!read(r#"{"id":1,"rpc":{"data":{"a":1}}}"#).is_ping());
        assert!(!read(r#"{"push":{"channel":"c","pub":{"data":{"type":"x"}}}}"#).is_ping());
    }

    #[test]
    fn a_recovered_subscription_names_what_was_missed() {
        let line = r#"{"id":3,"subscribe":{"recoverable":true,"epoch":"e","offset":40,"was_recovering":true,"recovered":true,
            "publications":[{"data":{"type":"gift","time":7,"combo":{"id":"c"}},"offset":71},{"data":{"type":"chat"},"offset":76}],"data":{"room":"r"}}}"#;
        let subscribed = read(line).subscribe.expect("a subscription");
        assert!(subscribed.recovered && subscribed.was_recovering);
        let missed: Vec<_> = subscribed
            .publications
            .iter()
            .map(|p| (p.offset, &*p.data.kind))
            .collect();
        assert_eq!(missed, [(71, "gift"), (76, "chat")]);
    }

    #[test]
    fn counters_say_what_was_lost() {
        let line = r#"{"push":{"id":4,"pub":{"data":{"type":"counters","viewers":3,"skipped":{"ephemeral":5,"state":2}}}}}"#;
        let push = read(line).push.expect("a push");
        let skipped = push.publication.expect("a publication").data.skipped;
        assert_eq!((push.id, skipped.ephemeral, skipped.state), (4, 5, 2));
    }
}
