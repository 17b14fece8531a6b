//! The role `watchers`: thousands of users in one room who keep the place of everything durable that they hear, and come
//! back to it when they lose their sockets. The first of them is the witness: it never loses its socket.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use memchr::memmem;
use serde_json::Value;

use crate::house::token;
use crate::process::{argument, tell, told};
use crate::reader::{Clients, Handler};
use crate::support::durations_us;

const WITNESS: usize = 0;
const PATIENCE: Duration = Duration::from_secs(60);
/// Latencies are taken of one client in so many.
const MEASURED: usize = 8;

/// What one client knows of the room's durable publications.
#[derive(Clone, Default)]
struct Known {
    last: u64,
    count: u64,
    sum: u64,
    out_of_order: u64,
}

impl Known {
    fn note(&mut self, offset: u64) {
        if offset <= self.last {
            self.out_of_order += 1;
        }
        self.last = self.last.max(offset);
        self.count += 1;
        self.sum = self.sum.wrapping_add(offset.wrapping_mul(offset));
    }
}

struct Room {
    secret: String,
    room: String,
    epoch: String,
    known: Vec<Known>,
    latencies_ms: Histogram<u64>,
    deliveries: u64,
    unrecovered: u64,
}

impl Handler for Room {
    fn greeting(&mut self, client: usize) -> Option<String> {
        let token = token(&self.secret, &format!("watcher{client}"));
        let recover = match &self.known[client] {
            known if known.last > 0 => format!(
                r#","recover":true,"epoch":"{}","offset":{}"#,
                self.epoch, known.last
            ),
            _ => String::new(),
        };
        Some(format!(
            "{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}\n\
             {{\"id\":2,\"subscribe\":{{\"channel\":\"room:{}\"{recover}}}}}",
            self.room
        ))
    }

    fn message(&mut self, client: usize, payload: &[u8]) -> bool {
        let mut subscribed = false;
        for line in payload.split(|byte| *byte == b'\n') {
            if line.starts_with(br#"{"push""#) {
                self.hear(client, line);
            } else if line.starts_with(br#"{"id":2,"#) {
                self.subscribed(client, line);
                subscribed = true;
            }
        }
        subscribed
    }
}

impl Room {
    fn hear(&mut self, client: usize, line: &[u8]) {
        self.deliveries += 1;
        let Some(offset) = number_after(line, br#""offset":"#) else {
            return;
        };
        self.known[client].note(offset);
        if client.is_multiple_of(MEASURED)
            && let Some(time) = number_after(line, br#""time":"#)
        {
            self.latencies_ms.saturating_record(now_ms().saturating_sub(time));
        }
    }

    fn subscribed(&mut self, client: usize, line: &[u8]) {
        let reply: Value = serde_json::from_slice(line).expect("JSON");
        let result = &reply["subscribe"];
        assert!(result.is_object(), "{reply}");
        if self.epoch.is_empty() {
            result["epoch"]
                .as_str()
                .expect("an epoch")
                .clone_into(&mut self.epoch);
        }
        let known = &mut self.known[client];
        if known.last == 0 {
            // Everybody begins where the room is, and the room is quiet then.
            known.last = result["offset"].as_u64().expect("an offset");
            return;
        }
        if result["recovered"] != true {
            self.unrecovered += 1;
        }
        for publication in result["publications"].as_array().into_iter().flatten() {
            known.note(publication["offset"].as_u64().expect("an offset"));
        }
    }
}

fn number_after(line: &[u8], name: &[u8]) -> Option<u64> {
    let at = memmem::find(line, name)? + name.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn now_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    now.as_millis() as u64
}

/// Enters, says how many seconds that took, then does what it is told.
pub(crate) fn run() {
    let sockets: usize = argument("SOCKETS");
    let room = Room {
        secret: argument("SECRET"),
        room: argument("ROOM"),
        epoch: String::new(),
        known: vec![Known::default(); sockets],
        latencies_ms: durations_us(),
        deliveries: 0,
        unrecovered: 0,
    };
    let began = Instant::now();
    let mut clients = Clients::new(argument("ADDRESS"), "/connection/websocket", sockets, room);
    clients.gather(PATIENCE);
    tell(&began.elapsed().as_secs_f64().to_string());
    let orders = orders();
    let mut stormed: Option<Instant> = None;
    loop {
        clients.turn(Duration::from_millis(20));
        if let Some(began) = stormed
            && clients.ready() == sockets
        {
            tell(&began.elapsed().as_secs_f64().to_string());
            stormed = None;
        }
        let Ok(order) = orders.try_recv() else { continue };
        match order.split_once(' ').unwrap_or((&order, "")) {
            ("slow", count) => {
                let count: usize = count.parse().expect("a number");
                clients.stop_reading(sockets - count..sockets);
            }
            ("measure", _) => {
                clients.handler.latencies_ms.reset();
                clients.handler.deliveries = 0;
            }
            ("report", _) => report(&mut clients),
            ("storm", _) => {
                clients.storm(|n| n != WITNESS);
                stormed = Some(Instant::now());
            }
            ("compare", _) => compare(&mut clients),
            _ => return,
        }
    }
}

/// What this process is told, without waiting for it.
fn orders() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || while sender.send(told()).is_ok() {});
    receiver
}

/// Reads on for a moment: what was sent last is still on its way.
fn settle(clients: &mut Clients<Room>) {
    let end = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < end {
        clients.turn(Duration::from_millis(20));
    }
}

fn report(clients: &mut Clients<Room>) {
    settle(clients);
    let room = &clients.handler;
    let of = |quantile| room.latencies_ms.value_at_quantile(quantile);
    tell(&format!(
        "{} {} {} {}",
        of(0.5),
        of(0.99),
        room.latencies_ms.max(),
        room.deliveries
    ));
}

/// How many publications the witness knows, and how many clients know something else.
fn compare(clients: &mut Clients<Room>) {
    settle(clients);
    let room = &clients.handler;
    let witness = &room.known[WITNESS];
    let differ =
        |known: &&Known| (known.count, known.sum, known.out_of_order) != (witness.count, witness.sum, 0);
    let wrong = room.known.iter().filter(differ).count();
    assert_eq!(room.unrecovered, 0, "somebody could not recover");
    tell(&format!("{} {wrong}", witness.count));
}
