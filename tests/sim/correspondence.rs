//! Who writes to whom: rows of messages, read marks, follows and blocks between two people, close together. Strewn into the
//! commands of a seed by a random source of its own.

use domain::Rejection;
use fastrand::Rng;

use crate::script::{Body, Command, STREAMERS, Text, VIEWERS, conversation};

/// Seeds below it write nothing: they are as they were before there were messages, for the sake of `regressions.rs`.
const FROM_SEED: u64 = 128;

/// Strews messages into the commands of a seed.
pub fn strew(seed: u64, mut commands: Vec<Command>) -> Vec<Command> {
    if seed < FROM_SEED {
        return commands;
    }
    let mut random = Rng::with_seed(seed ^ 0x1e77_e45f);
    for _ in 0..random.usize(0..7) {
        row(&mut random, &mut commands);
    }
    commands
}

fn command(commands: &[Command], who: &str, body: Body) -> Command {
    let number = 4_000_000 + commands.len() as u64;
    let key = match &body {
        Body::Message { to, .. } => conversation(who, to),
        Body::Read { from, .. } => conversation(who, from),
        _ => who.to_owned(),
    };
    Command {
        key,
        actor: who.to_owned(),
        id: format!("l{number}"),
        hash: number,
        body,
    }
}

/// A few acts between two people, one after the other.
fn row(random: &mut Rng, commands: &mut Vec<Command>) {
    let all: Vec<&str> = STREAMERS.into_iter().chain(VIEWERS).collect();
    let mut pick = || all[random.usize(0..all.len())];
    let (one, other) = (pick(), pick());
    let mut at = random.usize(0..commands.len() + 1);
    // Some only ever write; others answer, and follow back.
    let talkative = random.u8(1..4);
    for _ in 0..random.usize(1..12) {
        let (who, whom) = if random.u8(0..4) < talkative {
            (one, other)
        } else {
            (other, one)
        };
        let whom = whom.to_owned();
        let body = match random.u8(0..20) {
            0..12 => Body::Message {
                to: whom,
                text: text(random),
                blocked: random.u8(0..16) == 0,
            },
            12..15 => Body::Read {
                from: whom,
                upto: random.u64(0..6),
            },
            15..18 => Body::Follow { whom },
            18 => Body::Block { whom },
            _ => Body::Unblock { whom },
        };
        let command = command(commands, who, body);
        commands.insert(at, command);
        at = (at + random.usize(1..3)).min(commands.len());
    }
}

fn text(random: &mut Rng) -> Text {
    let (raw, kept) = match random.u8(0..20) {
        0 => (" \u{7}".to_owned(), Err(Rejection::TextEmpty)),
        1 => ("x".repeat(501), Err(Rejection::TextTooLong)),
        2 => (" p\u{0}sst ".to_owned(), Ok("psst".to_owned())),
        _ => ("psst".to_owned(), Ok("psst".to_owned())),
    };
    Text { raw, kept }
}
