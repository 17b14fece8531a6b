//! One person of the crowd: a connection that comes back, commands that are repeated until the server has answered, and a
//! purse that must add up. It must never make a new command id for a retry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::crowd::books::Purse;
use crate::crowd::client::Manner;
use crate::crowd::stage::{Gift, Phase, Stage};
use crate::crowd::tally::add;
use crate::crowd::watcher::Watcher;
use crate::crowd::{Client, RpcError};

/// Codes after which the same command may succeed a moment later.
const MAY_SUCCEED_LATER: [u64; 3] = [100, 111, 400];
/// The server's words for a token that is too old.
const TOKEN_EXPIRED: u64 = 109;
/// Pauses before the next try of a connection or command: at first, and at most.
const RETRY_MS_MIN: u64 = 100;
const RETRY_MS_MAX: u64 = 3_000;
/// How long the server may take until a purse shows the last gift.
const PURSE_WITHIN: Duration = Duration::from_secs(15);

/// A command that was not accepted, or has no answer although the evening is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    Refused(u64),
    Unanswered,
}

/// One person.
pub(super) struct Person {
    pub stage: Arc<Stage>,
    pub name: String,
    pub room: String,
    pub watcher: Arc<Watcher>,
    manner: Manner,
    token: Option<String>,
    client: Option<Arc<Client>>,
    /// None until the first answer, and after a grant of which nobody knows whether it took place.
    purse: Option<Purse>,
    /// The position of the newest own command.
    newest: u64,
    /// Tickets before the crowd came.
    tickets_before: u64,
    /// Why the room does not let this person in.
    pub shut_out: Option<u64>,
}

impl Person {
    /// The nth person of the crowd, with eyes for one room; `keeps_time` unless it turns deaf on purpose.
    pub fn new(stage: Arc<Stage>, n: usize, name: String, room: String, keeps_time: bool) -> Self {
        let (book, tally) = (stage.book(&room), stage.tally.clone());
        let watcher = Arc::new(Watcher::new(&name, &room, book, tally, keeps_time));
        stage.watchers.lock().push(watcher.clone());
        let manner = Manner {
            source: Stage::source(n),
            watcher: Some(watcher.clone()),
            tally: stage.tally.clone(),
            cut: Some(stage.cut.clone()),
        };
        Self {
            stage,
            name,
            room,
            watcher,
            manner,
            token: None,
            client: None,
            purse: None,
            newest: 0,
            tickets_before: 0,
            shut_out: None,
        }
    }

    /// The connection, made anew as often as it takes, in the room unless the room says no; none when the evening is closed.
    pub async fn client(&mut self) -> Option<Arc<Client>> {
        let mut pause_ms = RETRY_MS_MIN;
        while self.stage.phase() < Phase::Closed {
            if let Some(client) = self.client.clone().filter(|client| client.is_connected()) {
                if self.watcher.is_inside() || self.shut_out.is_some() {
                    return Some(client);
                }
                if self.enter(&client).await {
                    return Some(client);
                }
            }
            self.lose();
            match self.connect().await {
                Ok(client) => {
                    add(&self.stage.tally.connected, 1);
                    add(&self.stage.tally.connections, 1);
                    self.client = Some(Arc::new(client));
                    pause_ms = RETRY_MS_MIN;
                    continue;
                }
                Err(error) => {
                    add(&self.stage.tally.turned_away, 1);
                    if matches!(
                        error.downcast_ref(),
                        Some(RpcError::Answered {
                            code: TOKEN_EXPIRED,
                            ..
                        })
                    ) {
                        self.token = None;
                    }
                    tracing::debug!(person = %self.name, "{error:#}");
                }
            }
            self.sleep(Duration::from_millis(pause_ms / 2 + fastrand::u64(..pause_ms)))
                .await;
            pause_ms = (pause_ms * 2).min(RETRY_MS_MAX);
        }
        None
    }

    async fn connect(&mut self) -> Result<Client> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.stage.dev.token(&self.name).await?,
        };
        self.token = Some(token.clone());
        Client::connect_as(&self.stage.plan.server, &token, self.manner.clone()).await
    }

    /// Enters the room; false when the connection failed meanwhile.
    async fn enter(&mut self, client: &Client) -> bool {
        let began = Instant::now();
        match client.watch(&self.watcher).await {
            Ok(()) => {
                self.stage.tally.acknowledged("(subscribe)", began.elapsed());
                true
            }
            Err(RpcError::Answered { code, .. }) if MAY_SUCCEED_LATER.contains(&code) => {
                self.sleep(Duration::from_millis(RETRY_MS_MIN)).await;
                false
            }
            Err(RpcError::Answered { code, .. }) => {
                self.stage.tally.refused_with(code);
                self.shut_out = Some(code);
                true
            }
            Err(RpcError::Gone) => false,
        }
    }

    /// The connection is gone or let go.
    pub fn lose(&mut self) {
        if self.client.take().is_some() {
            // What the old connection has still to say is not heard any more.
            self.watcher.begin();
            self.stage
                .tally
                .connected
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Out of the room for a moment, on purpose.
    pub async fn stroll(&mut self, away: Duration) {
        let Some(client) = self.client().await else { return };
        let channel = format!("room:{}", self.room);
        if client.unsubscribe(&channel).await.is_ok() {
            self.watcher.left();
            self.pause(away).await;
        }
    }

    /// Reads what there is in the purse before the evening begins.
    pub async fn open_purse(&mut self) {
        while self.purse.is_none() && self.stage.phase() == Phase::Open {
            let Some(client) = self.client().await else { return };
            if let Ok(wallet) = client.rpc("wallet.get", json!({})).await {
                self.purse = Some(Purse {
                    before: number(&wallet, "coins"),
                    ..Purse::default()
                });
                self.tickets_before = number(&wallet, "tickets");
            } else {
                self.sleep(Duration::from_millis(RETRY_MS_MIN)).await;
            }
        }
    }

    /// Sends a command until it is answered, with one id however many connections that takes.
    pub async fn command(&mut self, method: &str, mut data: Value) -> Result<Value, No> {
        if data.get("command_id").is_none() {
            data["command_id"] = command_id().into();
        }
        let mut pause_ms = RETRY_MS_MIN;
        loop {
            let client = self.client().await.ok_or(No::Unanswered)?;
            let began = Instant::now();
            match client.rpc(method, data.clone()).await {
                Ok(answer) => {
                    self.stage.tally.acknowledged(method, began.elapsed());
                    self.newest = self.newest.max(number(&answer, "position"));
                    return Ok(answer);
                }
                Err(RpcError::Answered { code, .. }) if MAY_SUCCEED_LATER.contains(&code) => {}
                Err(RpcError::Answered { code, .. }) => {
                    self.stage.tally.refused_with(code);
                    return Err(No::Refused(code));
                }
                Err(RpcError::Gone) if client.is_connected() => {
                    // No answer in time: like the SDKs, start over with a new connection.
                    self.lose();
                }
                Err(RpcError::Gone) => {}
            }
            self.sleep(Duration::from_millis(pause_ms / 2 + fastrand::u64(..pause_ms)))
                .await;
            pause_ms = (pause_ms * 2).min(RETRY_MS_MAX);
        }
    }

    /// A last command on the connection that there is; the evening is over, so nobody waits for more.
    pub async fn farewell(&mut self, method: &str) {
        if let Some(client) = &self.client {
            // Refused when there is nothing to end.
            _ = client.rpc(method, json!({ "command_id": command_id() })).await;
        }
    }

    /// Says something; whether the room took it.
    pub async fn chat(&mut self, text: &str) -> Result<(), No> {
        let data = json!({ "room": self.room, "text": text });
        let answer = self.command("chat.send", data).await?;
        add(&self.stage.tally.chats, 1);
        self.stage
            .book(&self.room)
            .acknowledged(number(&answer, "position"));
        Ok(())
    }

    /// Orders something in the room, as one in charge.
    pub async fn order(&mut self, what: &str, mut data: Value) -> Result<(), No> {
        data["room"] = self.room.clone().into();
        let answer = self.command(&format!("room.{what}"), data).await?;
        self.stage
            .book(&self.room)
            .acknowledged(number(&answer, "position"));
        Ok(())
    }

    /// Coins for a gift of this price, from the demo where there are not enough.
    pub async fn afford(&mut self, coins: u64) -> bool {
        let Some(purse) = &mut self.purse else { return true };
        if purse.left().is_some_and(|left| left >= coins) {
            return true;
        }
        let grant = self.stage.plan.coins.max(coins);
        match self.stage.dev.grant(&self.name, grant).await {
            Ok(()) => purse.granted += grant,
            Err(error) => {
                // It may have taken place or not: this purse proves nothing any more.
                self.purse = None;
                tracing::debug!(person = %self.name, "{error:#}");
                return false;
            }
        }
        true
    }

    /// A gift command was acknowledged: `count` gifts were paid with it.
    pub fn gave(&mut self, gift: &Gift, count: u64, answer: &Value) {
        add(&self.stage.tally.gifts, 1);
        add(&self.stage.tally.coins, gift.coins * count);
        self.newest = self.newest.max(number(answer, "position"));
        self.stage
            .book(&self.room)
            .acknowledged(number(answer, "position"));
        self.stage.earned(&self.room, gift.tickets * count);
        if let Some(purse) = &mut self.purse {
            purse.spent += gift.coins * count;
        }
    }

    /// Compares the purse with the server's; what does not add up is a violation.
    pub async fn check_purse(&mut self) {
        let Some(expected) = self.purse.as_ref().map(Purse::left) else {
            return;
        };
        let Some(found) = self.wallet_becomes("coins", expected.unwrap_or(0)).await else {
            return;
        };
        add(&self.stage.purses_checked, 1);
        if Some(found) != expected {
            let words = format!(
                "{} has {found} coins, must have {expected:?}: {:?}",
                self.name, self.purse
            );
            self.stage.tally.violations.add(words);
        }
    }

    /// Compares the tickets with the acknowledged gifts of this person's room.
    pub async fn check_tickets(&mut self) {
        if self.purse.is_none() {
            return;
        }
        let expected = self.tickets_before + self.stage.tickets(&self.name);
        let Some(found) = self.wallet_becomes("tickets", expected).await else {
            return;
        };
        add(&self.stage.purses_checked, 1);
        if found != expected {
            let words = format!("{} has {found} tickets, must have {expected}", self.name);
            self.stage.tally.violations.add(words);
        }
    }

    /// What the wallet says once it says what is expected, or at last; none when it could not be asked.
    async fn wallet_becomes(&mut self, field: &str, expected: u64) -> Option<u64> {
        let end = Instant::now() + PURSE_WITHIN;
        let mut found = None;
        while found != Some(expected) && Instant::now() < end {
            let client = self.client().await?;
            if let Ok(wallet) = client
                .rpc("wallet.get", json!({ "min_position": self.newest }))
                .await
            {
                found = Some(number(&wallet, field));
            }
            if found != Some(expected) {
                self.sleep(Duration::from_millis(RETRY_MS_MIN)).await;
            }
        }
        found
    }

    /// Waits about as long as `mean`, or until something else is to be done; false when it is time to stop.
    pub async fn pause(&self, mean: Duration) -> bool {
        self.wait(mean.mul_f64(0.2 + 1.6 * fastrand::f64()), Phase::LastRound)
            .await;
        self.stage.phase() == Phase::Open
    }

    /// Waits, but not beyond the end of the evening.
    pub async fn sleep(&self, time: Duration) {
        self.wait(time, Phase::Closed).await;
    }

    /// Waits for a phase of the evening; keeps the connection meanwhile.
    pub async fn until(&mut self, phase: Phase) {
        while self.stage.phase() < phase {
            let Some(client) = self.client().await else { return };
            let mut phases = self.stage.phase.clone();
            tokio::select! {
                _ = phases.wait_for(|now| *now >= phase) => return,
                () = client.gone() => {}
            }
        }
    }

    async fn wait(&self, time: Duration, phase: Phase) {
        let mut phases = self.stage.phase.clone();
        let lost = async {
            match &self.client {
                Some(client) => client.gone().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = phases.wait_for(|now| *now >= phase) => {}
            () = lost => {}
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.lose();
    }
}

/// A number of an answer, 0 where it is missing.
pub(super) fn number(answer: &Value, field: &str) -> u64 {
    answer.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// A new id for a command.
pub(super) fn command_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}
