//! Who follows and who blocks whom: rows of follows, blocks and their ends between the same few people, close together.
//! Strewn into the commands of a seed by a random source of its own.

use fastrand::Rng;

use crate::script::{Body, Command, STREAMERS, VIEWERS};

/// Seeds below it block nobody: they are as they were before there were blocks, for the sake of `regressions.rs`.
const FROM_SEED: u64 = 128;
/// One seed in so many blocks more people than one may.
const BLOCK_FLOOD_EVERY: u64 = 1_000;
const BLOCK_FLOOD: usize = 1_010;

/// Strews follows and blocks into the commands of a seed.
pub fn strew(seed: u64, mut commands: Vec<Command>) -> Vec<Command> {
    if seed < FROM_SEED {
        return commands;
    }
    let mut random = Rng::with_seed(seed ^ 0x0b10_c4ed);
    for _ in 0..random.usize(0..14) {
        row(&mut random, &mut commands);
    }
    if seed % BLOCK_FLOOD_EVERY == BLOCK_FLOOD_EVERY - 2 {
        for n in 0..BLOCK_FLOOD {
            let whom = format!("pest{n}");
            let command = command(&commands, "ann", Body::Block { whom });
            commands.push(command);
        }
    }
    commands
}

fn command(commands: &[Command], who: &str, body: Body) -> Command {
    let number = 2_000_000 + commands.len() as u64;
    Command {
        key: who.to_owned(),
        actor: who.to_owned(),
        id: format!("a{number}"),
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
    for _ in 0..random.usize(1..9) {
        let (who, whom) = if random.bool() { (one, other) } else { (other, one) };
        let whom = whom.to_owned();
        let body = match random.u8(0..10) {
            0..4 => Body::Follow { whom },
            4 => Body::Unfollow { whom },
            5..8 => Body::Block { whom },
            _ => Body::Unblock { whom },
        };
        let command = command(commands, who, body);
        commands.insert(at, command);
        at = (at + random.usize(1..3)).min(commands.len());
    }
}
