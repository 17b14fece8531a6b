//! A backend with one stream that is never trimmed, whose every answer waits until the test lets it go.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::backend::{Backend, Caller, Connect, Connected, Grant, RecoveryPage, Subscribe};
use crate::error::{Error, Refusal};
use crate::peer::lock;
use crate::publication::{Publication, StreamPosition};

pub(super) const EPOCH: &str = "life";
/// Publications read at once, so that most recoveries take several pages.
const PAGE: usize = 5;

#[derive(Debug)]
pub(super) struct Stream {
    publications: Mutex<Vec<Publication>>,
    gate: Semaphore,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            publications: Mutex::default(),
            gate: Semaphore::new(0),
        }
    }
}

impl Stream {
    /// Adds the next publication; offsets have gaps, as those of a filtered log have.
    pub(super) fn append(&self, bytes: usize) -> Publication {
        let mut publications = lock(&self.publications);
        let offset = publications.len() as u64 * 3 + 2;
        let publication = Publication::new(format!("\"{}\"", "d".repeat(bytes))).at(offset);
        publications.push(publication.clone());
        publication
    }

    /// Lets so many calls go on.
    pub(super) fn answer(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    /// All offsets behind a place.
    pub(super) fn offsets_after(&self, after: u64) -> Vec<u64> {
        let publications = lock(&self.publications);
        let offsets = publications.iter().filter_map(|publication| publication.offset);
        offsets.filter(|offset| *offset > after).collect()
    }

    async fn turn(&self) {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
    }

    fn top(&self) -> u64 {
        lock(&self.publications)
            .last()
            .and_then(|last| last.offset)
            .unwrap_or(0)
    }
}

impl Backend for Stream {
    async fn connect(&self, request: &Connect) -> Result<Connected, Refusal> {
        self.turn().await;
        Ok(Connected {
            user: request.token.clone(),
            ..Connected::default()
        })
    }

    async fn subscribe(&self, _caller: &Caller, _request: &Subscribe) -> Result<Grant, Refusal> {
        self.turn().await;
        let top = StreamPosition {
            offset: self.top(),
            epoch: EPOCH.to_owned(),
        };
        self.turn().await;
        Ok(Grant {
            stream: Some(top),
            ..Grant::default()
        })
    }

    async fn recover(
        &self,
        _caller: &Caller,
        _channel: &str,
        after: u64,
        limit: usize,
    ) -> Result<RecoveryPage, Error> {
        self.turn().await;
        let publications = lock(&self.publications).clone();
        let behind = publications
            .into_iter()
            .filter(|publication| publication.offset > Some(after));
        let mut page: Vec<_> = behind.take(limit.min(PAGE) + 1).collect();
        let done = page.len() <= PAGE;
        page.truncate(PAGE);
        let last = page.last().and_then(|last| last.offset).unwrap_or(after);
        Ok(RecoveryPage {
            publications: page,
            scanned_to: last,
            done,
        })
    }

    async fn snapshot(
        &self,
        _caller: &Caller,
        _channel: &str,
        _recovered: bool,
    ) -> Result<Option<Bytes>, Refusal> {
        self.turn().await;
        Ok(None)
    }
}
