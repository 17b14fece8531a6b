//! The peer of the figure `gifts`: PostgreSQL 15 with its default durability, on the same disk, driven by pgbench.
//!
//! A gift is one transaction: idempotency key, debit, credit.

use std::path::Path;

#[path = "../support/postgres.rs"]
mod server;

use server::Server;

/// Transactions per second.
pub struct Peer {
    /// All gifts to one streamer, whose row everybody waits for.
    pub one_streamer: f64,
    /// Gifts spread over 10,000 streamers.
    pub spread: f64,
}

const SCHEMA: &str = "
    create table viewers (id int primary key, coins bigint not null check (coins >= 0));
    create table streamers (id int primary key, tickets bigint not null);
    create table gifts (command_id uuid primary key, viewer int not null, streamer int not null,
                        coins bigint not null, tickets bigint not null, coins_left bigint not null);
    insert into viewers select n, 1000000000000 from generate_series(1, 10000) n;
    insert into streamers select n, 0 from generate_series(1, 10000) n;
    create function gift(command uuid, who int, whom int) returns bigint language plpgsql as $$
    declare done bigint;
    begin
        select coins_left into done from gifts where command_id = command;
        if found then return done; end if;
        update viewers set coins = coins - 10 where id = who and coins >= 10 returning coins into done;
        if not found then raise exception 'not enough coins'; end if;
        insert into gifts values (command, who, whom, 10, 5, done);
        update streamers set tickets = tickets + 5 where id = whom;
        return done;
    end $$;
";

/// Measures both for this many seconds each.
pub fn measure(directory: &Path, seconds: u64) -> Result<Peer, String> {
    let server = Server::start(directory, SCHEMA)?;
    let one_streamer = server.pgbench(&script("1"), seconds)?;
    let spread = server.pgbench(&script("random(1, 10000)"), seconds)?;
    Ok(Peer { one_streamer, spread })
}

fn script(streamer: &str) -> String {
    format!(
        "\\set viewer random(1, 10000)\n\\set streamer {streamer}\n\
         select gift(gen_random_uuid(), :viewer, :streamer);\n"
    )
}
