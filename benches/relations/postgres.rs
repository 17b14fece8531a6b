//! The peer of the figure `relations`: a follow as two rows of one transaction, one by follower and one by followed.

use std::path::Path;

#[path = "../support/postgres.rs"]
mod server;

const SCHEMA: &str = "
    create table following (follower int not null, streamer int not null, since timestamptz not null default now(),
                            primary key (follower, streamer));
    create table followers (streamer int not null, follower int not null, since timestamptz not null default now(),
                            primary key (streamer, follower));
    create function follow(who int, whom int) returns void language sql as $$
        insert into following values (who, whom) on conflict do nothing;
        insert into followers values (whom, who) on conflict do nothing;
    $$;
";

/// Follows per second, of a million users who follow anybody of 10,000.
pub fn measure(directory: &Path, seconds: u64) -> Result<f64, String> {
    let server = server::Server::start(directory, SCHEMA)?;
    let script = "\\set who random(1, 1000000)\n\\set whom random(1, 10000)\nselect follow(:who, :whom);\n";
    server.pgbench(script, seconds)
}
