//! The gifts on offer at the start of a server: the configured ones in a new journal, what staff made of them ever after.

use actors::{Actors, Reply, Request};
use anyhow::{Context, Result};
use compact_str::CompactString;
use domain::{Catalogue, CommandId, Gift, StreamId, StreamKind, catalogue};
use futures_util::{StreamExt, TryStreamExt, stream};
use journal::{Position, Reader, Record};

/// Who lists the configured gifts, as it stands in the journal.
const AUTHOR: &str = "config";
/// Gifts that are listed at once.
const LISTED_AT_ONCE: usize = 64;
/// Records of the catalogue that are read to see whether it was ever more than the configured one.
const RECORDS_READ_MAX: usize = domain::limits::GIFTS_MAX + 1;

/// Brings the catalogue's actor to what is on offer. Configured gifts are listed once; if that was cut short, it is
/// finished. Afterwards they only say so in the log where they differ.
pub async fn open(actors: &Actors, reader: &dyn Reader, configured: &[Gift]) -> Result<()> {
    let digest = digest(configured);
    if is_listed_by(&first_records(reader).await?, configured.len(), digest) {
        let commands = stream::iter(configured).map(|gift| list(actors, gift, digest));
        commands.buffered(LISTED_AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    let (reply, told) = Reply::channel();
    actors.ask_catalogue(reply);
    let offer = told
        .await
        .context("the catalogue of gifts cannot be read")?
        .answer;
    if Catalogue::new(configured.iter().cloned()).is_ok_and(|wanted| wanted != offer) {
        tracing::info!(
            on_offer = offer.by_price().len(),
            configured = configured.len(),
            "the gifts on offer are those of the journal, not the configured ones: change them in the console"
        );
    }
    Ok(())
}

async fn list(actors: &Actors, gift: &Gift, digest: u64) -> Result<()> {
    // A gift's id is as long as a command id may be: what does not fit is known by its digest.
    let plain = format!("{AUTHOR}:{}", gift.id);
    let command_id = plain.parse::<CommandId>().or_else(|_| {
        let hash = blake3::hash(plain.as_bytes()).to_hex();
        format!("{AUTHOR}:{}", &hash[..32]).parse()
    });
    let request = Request {
        command_id: Some(command_id.context("the id of a gift")?),
        request_hash: digest,
        actor: CompactString::const_new(AUTHOR),
    };
    let (reply, listed) = Reply::channel();
    actors.catalogue(request, catalogue::Command::List(gift.clone()), reply);
    let listed = listed.await;
    listed.with_context(|| format!("the gift {} cannot be listed", gift.id))?;
    Ok(())
}

async fn first_records(reader: &dyn Reader) -> Result<Vec<Record>> {
    let stream = StreamId::new(StreamKind::Catalogue, domain::ids::catalogue_key().as_str());
    let start = Position {
        shard: 0,
        sequence: 0,
    };
    let records = reader.read_stream(&stream, 0, start, RECORDS_READ_MAX).await;
    records.context("the catalogue of gifts cannot be read")
}

/// Whether nothing but a part of this very configuration, or nothing at all, was ever listed.
fn is_listed_by(records: &[Record], configured: usize, digest: u64) -> bool {
    let ours = |record: &Record| record.cause.actor == AUTHOR && record.cause.request_hash == digest;
    records.len() < configured && records.iter().all(ours)
}

/// Of the whole configured list: stored beside each gift of it.
fn digest(configured: &[Gift]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    serde_json::to_writer(&mut hasher, configured).expect("gifts are plain data, and hashing does not fail");
    let hash = hasher.finalize();
    let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*bytes)
}
