//! What one person of the crowd does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::crowd::{Client, Dev, Plan, RpcError, Tally};

const NAMES: [&str; 24] = [
    "mika", "joan", "tariq", "lena", "bo", "yuki", "ines", "omar", "nora", "kai", "ada", "felix", "sora",
    "luca", "zoe", "remy", "anya", "theo", "maya", "finn", "ruth", "ivo", "lin", "carla",
];
const STREAMERS: [&str; 8] = [
    "aurora",
    "dj-milo",
    "chef-ana",
    "pixelpaul",
    "nightowl",
    "coach-vee",
    "strings",
    "luna",
];
const TITLES: [&str; 8] = [
    "Late night piano requests",
    "Vinyl only, all night",
    "Noodles from scratch",
    "Speedrun practice",
    "Stargazing chat",
    "Morning stretch",
    "Cello by the window",
    "Painting your ideas",
];
const LINES: [&str; 24] = [
    "hello from Lisbon!",
    "this one is my favourite",
    "first time here, hi",
    "can you play it again?",
    "so good",
    "greetings from Osaka",
    "what a voice",
    "haha",
    "the lighting is perfect today",
    "encore!",
    "who else is at work",
    "how long have you practised?",
    "wow",
    "that was smooth",
    "good evening everyone",
    "here after dinner",
    "my cat is watching too",
    "sound is great",
    "10/10",
    "please say hi to Nora",
    "I missed the start",
    "love this room",
    "see you tomorrow!",
    "one more, one more",
];
/// How often a gift is chosen, by its price: cheap ones often.
const GIFTS: [(&str, u32); 5] = [
    ("heart", 60),
    ("rose", 26),
    ("beer", 10),
    ("rocket", 3),
    ("castle", 1),
];

/// The server's answer to a gift without enough coins, see docs/protocol.md.
const NOT_ENOUGH_COINS: u64 = 414;
const RETRY_AFTER: Duration = Duration::from_secs(1);
const ARRIVAL_SPREAD_MS: u64 = 2_000;

/// A streamer: goes live, talks now and then, ends the session when the crowd leaves.
pub(super) async fn streamer(plan: Arc<Plan>, n: usize, tally: Arc<Tally>, stop: watch::Receiver<bool>) {
    let me = Person::new(plan, streamer_name(n), tally, stop);
    while let Some(client) = me.arrive().await {
        me.leave(me.stream(&client, TITLES[n % TITLES.len()]).await);
    }
}

/// A viewer: enters one room and stays.
pub(super) async fn viewer(plan: Arc<Plan>, n: usize, tally: Arc<Tally>, stop: watch::Receiver<bool>) {
    let room = streamer_name(popular(plan.rooms));
    let name = format!("{}{}", NAMES[n % NAMES.len()], n / NAMES.len() + 1);
    let me = Person::new(plan, name, tally, stop);
    while let Some(client) = me.arrive().await {
        me.leave(me.watch(&client, &room).await);
    }
}

fn streamer_name(n: usize) -> String {
    match n / STREAMERS.len() {
        0 => STREAMERS[n].to_owned(),
        round => format!("{}{}", STREAMERS[n % STREAMERS.len()], round + 1),
    }
}

/// One of `n`, the first ones more often.
fn popular(n: usize) -> usize {
    fastrand::usize(..n).min(fastrand::usize(..n))
}

struct Person {
    plan: Arc<Plan>,
    dev: Dev,
    name: String,
    tally: Arc<Tally>,
    stop: watch::Receiver<bool>,
}

impl Person {
    fn new(plan: Arc<Plan>, name: String, tally: Arc<Tally>, stop: watch::Receiver<bool>) -> Self {
        Self {
            dev: Dev {
                server: plan.server.clone(),
            },
            plan,
            name,
            tally,
            stop,
        }
    }

    /// Connects, as often as it takes; none when it is time to go.
    async fn arrive(&self) -> Option<Client> {
        self.sleep(Duration::from_millis(fastrand::u64(..ARRIVAL_SPREAD_MS)))
            .await;
        while !*self.stop.borrow() {
            match self.connect().await {
                Ok(client) => {
                    self.tally.connected.fetch_add(1, Ordering::Relaxed);
                    return Some(client);
                }
                Err(error) => tracing::debug!(person = %self.name, "{error:#}"),
            }
            self.sleep(RETRY_AFTER).await;
        }
        None
    }

    async fn connect(&self) -> Result<Client> {
        let token = self.dev.token(&self.name).await?;
        Client::connect(&self.plan.server, &token, self.tally.publications.clone()).await
    }

    fn leave(&self, outcome: Result<(), RpcError>) {
        self.tally.connected.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = outcome {
            tracing::debug!(person = %self.name, "{error}");
        }
    }

    async fn stream(&self, client: &Client, title: &str) -> Result<(), RpcError> {
        // Refused when the session of an earlier visit still runs: then it is live already.
        let _ = self.call(client, "live.start", json!({ "title": title })).await;
        client.subscribe(&format!("room:{}", self.name)).await?;
        while self.pause(Duration::from_secs(20)).await && client.is_connected() {
            self.chat(client, &self.name).await;
        }
        if *self.stop.borrow() {
            self.call(client, "live.stop", json!({})).await?;
        }
        Ok(())
    }

    async fn watch(&self, client: &Client, room: &str) -> Result<(), RpcError> {
        let pace = Duration::from_secs(60) / self.plan.actions_per_minute.max(1);
        client.subscribe(&format!("room:{room}")).await?;
        while self.pause(pace).await && client.is_connected() {
            match fastrand::u32(..100) {
                0..=49 => self.chat(client, room).await,
                50..=84 => self.gift(client, room).await,
                85..=94 => self.combo(client, room).await,
                _ => _ = self.call(client, "follow.add", json!({ "streamer": room })).await,
            }
        }
        Ok(())
    }

    /// Waits about as long as `mean`; false when it is time to go.
    async fn pause(&self, mean: Duration) -> bool {
        self.sleep(mean.mul_f64(0.2 + 1.6 * fastrand::f64())).await;
        !*self.stop.borrow()
    }

    async fn sleep(&self, time: Duration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Sends a command with an id of its own and waits for the answer.
    async fn call(&self, client: &Client, method: &str, mut data: Value) -> Result<Value, RpcError> {
        data["command_id"] = format!("{:016x}", fastrand::u64(..)).into();
        let answer = client.rpc(method, data).await;
        if answer.is_err() {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn chat(&self, client: &Client, room: &str) {
        let text = LINES[fastrand::usize(..LINES.len())];
        if self
            .call(client, "chat.send", json!({ "room": room, "text": text }))
            .await
            .is_ok()
        {
            self.tally.chats.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn gift(&self, client: &Client, room: &str) {
        self.send_gift(client, json!({ "room": room, "gift": some_gift(), "count": 1 }))
            .await;
    }

    /// Taps fast for a moment: cumulative totals of one combo.
    async fn combo(&self, client: &Client, room: &str) {
        let id = format!("c{:012x}", fastrand::u64(..1 << 48));
        let mut total = 0;
        for _ in 0..fastrand::u32(3..20) {
            total += fastrand::u32(1..6);
            let combo = json!({ "id": id, "total": total });
            self.send_gift(
                client,
                json!({ "room": room, "gift": "heart", "count": 1, "combo": combo }),
            )
            .await;
            if !self.pause(Duration::from_millis(150)).await {
                return;
            }
        }
    }

    async fn send_gift(&self, client: &Client, gift: Value) {
        let began = Instant::now();
        match self.call(client, "gift.send", gift).await {
            Ok(_) => {
                self.tally.gifts.fetch_add(1, Ordering::Relaxed);
                let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.tally.ack_us.lock().await.saturating_record(us);
            }
            Err(RpcError::Answered {
                code: NOT_ENOUGH_COINS,
                ..
            }) => {
                if let Err(error) = self.dev.grant(&self.name, self.plan.coins).await {
                    tracing::debug!(person = %self.name, "{error:#}");
                }
            }
            Err(_) => {}
        }
    }
}

fn some_gift() -> &'static str {
    let mut left = fastrand::u32(..100);
    for (gift, weight) in GIFTS {
        if left < weight {
            return gift;
        }
        left -= weight;
    }
    GIFTS[0].0
}
