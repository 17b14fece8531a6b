//! Thousands of WebSocket clients in one thread, as cheap as a client can be: it reads, finds the frames and hands them
//! on. What it costs is not what is measured, but it shares the machine. Runs in a process of its own.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

/// Connections under way at once while the crowd gathers.
const GATHERING: usize = 200;
/// Each thousandth viewer comes from another address, as servers limit what one address may have.
const PER_ADDRESS: usize = 500;
const READ_BYTES: usize = 1 << 18;

/// What the clients say and what becomes of what they hear.
pub(crate) trait Handler {
    /// Sent right after the handshake, as one text message.
    fn greeting(&mut self, client: usize) -> Option<String>;
    /// A whole message arrived; true = what the greeting asked for is there.
    fn message(&mut self, client: usize, payload: &[u8]) -> bool;
}

enum State {
    Absent,
    Connecting,
    Upgrading,
    Greeted,
    Ready,
}

struct Client {
    stream: Option<TcpStream>,
    state: State,
    /// The beginning of a frame whose rest has not come yet.
    partial: Vec<u8>,
}

/// The clients.
pub(crate) struct Clients<H> {
    pub(crate) handler: H,
    address: SocketAddr,
    path: String,
    poll: Poll,
    clients: Vec<Client>,
    waiting: VecDeque<usize>,
    under_way: usize,
    at_once: usize,
    ready: usize,
    /// Sockets that the server ended, and handshakes that it refused.
    pub(crate) lost: u64,
    retry: VecDeque<(Instant, usize)>,
    buffer: Vec<u8>,
}

impl<H: Handler> Clients<H> {
    /// So many clients of `ws://address/path`, not connected yet.
    pub(crate) fn new(address: SocketAddr, path: &str, clients: usize, handler: H) -> Self {
        let absent = || Client {
            stream: None,
            state: State::Absent,
            partial: Vec::new(),
        };
        Self {
            handler,
            address,
            path: path.to_owned(),
            poll: Poll::new().expect("epoll"),
            clients: (0..clients).map(|_| absent()).collect(),
            waiting: (0..clients).collect(),
            under_way: 0,
            at_once: GATHERING,
            ready: 0,
            lost: 0,
            retry: VecDeque::new(),
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Clients whose greeting was answered.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    /// Connects them all, some at a time.
    pub(crate) fn gather(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        while self.ready < self.clients.len() {
            assert!(
                Instant::now() < end,
                "only {} of {} clients came through, {} were lost",
                self.ready,
                self.clients.len(),
                self.lost
            );
            self.turn(Duration::from_millis(20));
        }
    }

    /// Drops the connections of those clients at once, and comes back at once. They are ready again as they come.
    pub(crate) fn storm(&mut self, who: impl Fn(usize) -> bool) {
        self.at_once = usize::MAX;
        for n in (0..self.clients.len()).filter(|n| who(*n)) {
            self.drop_client(n);
            self.waiting.push_back(n);
        }
    }

    /// From now on these are never read from.
    pub(crate) fn stop_reading(&mut self, clients: impl Iterator<Item = usize>) {
        for n in clients {
            if let Some(stream) = &mut self.clients[n].stream {
                self.poll.registry().deregister(stream).expect("registered");
            }
        }
    }

    /// Reads what there is, waiting at most so long.
    pub(crate) fn turn(&mut self, wait: Duration) {
        let now = Instant::now();
        while self.retry.front().is_some_and(|(at, _)| *at <= now) {
            self.waiting.extend(self.retry.pop_front().map(|(_, n)| n));
        }
        while self.under_way < self.at_once {
            let Some(n) = self.waiting.pop_front() else { break };
            self.connect(n);
        }
        let mut events = Events::with_capacity(4_096);
        match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            polled => polled.expect("epoll"),
        }
        for event in &events {
            self.serve(event.token().0);
        }
    }

    fn connect(&mut self, n: usize) {
        let raw = RawSocket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        raw.set_nonblocking(true).expect("non-blocking");
        raw.set_tcp_nodelay(true).expect("no delay");
        raw.set_reuse_address(true).expect("reuse");
        let host = Ipv4Addr::new(127, 0, 0, 2 + (n / PER_ADDRESS) as u8);
        raw.bind(&SocketAddr::from((host, 0)).into()).expect("an address");
        match raw.connect(&self.address.into()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(115) => {}
            connected => connected.expect("connects"),
        }
        let mut stream = TcpStream::from_std(raw.into());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(n), both)
            .expect("registered");
        let client = &mut self.clients[n];
        client.stream = Some(stream);
        client.state = State::Connecting;
        self.under_way += 1;
    }

    fn drop_client(&mut self, n: usize) {
        let client = &mut self.clients[n];
        match client.state {
            State::Absent => {}
            State::Ready => self.ready -= 1,
            State::Connecting | State::Upgrading | State::Greeted => self.under_way -= 1,
        }
        client.stream = None;
        client.state = State::Absent;
        client.partial = Vec::new();
    }

    /// Ended by the other side: comes back a little later.
    fn lose(&mut self, n: usize) {
        self.lost += 1;
        self.drop_client(n);
        self.retry
            .push_back((Instant::now() + Duration::from_millis(200), n));
    }

    fn serve(&mut self, n: usize) {
        if let (State::Connecting, Some(stream)) = (&self.clients[n].state, &self.clients[n].stream) {
            if stream.peer_addr().is_err() {
                if !matches!(stream.take_error(), Ok(None)) {
                    self.lose(n);
                }
                return;
            }
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n",
                self.path, self.address
            );
            self.clients[n].state = State::Upgrading;
            self.write(n, request.as_bytes());
        }
        while let Some(stream) = &mut self.clients[n].stream {
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.lose(n),
                Ok(bytes) => {
                    self.take(n, bytes);
                    if bytes < READ_BYTES {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.lose(n),
            }
        }
    }

    /// Bytes for client `n` are in the buffer.
    fn take(&mut self, n: usize, bytes: usize) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut partial = std::mem::take(&mut self.clients[n].partial);
        let all = if partial.is_empty() {
            &buffer[..bytes]
        } else {
            partial.extend_from_slice(&buffer[..bytes]);
            &partial[..]
        };
        let used = self.take_all(n, all);
        let rest = all[used..].to_vec();
        self.buffer = buffer;
        if matches!(self.clients[n].state, State::Absent) {
            return;
        }
        self.clients[n].partial = rest;
    }

    /// How many bytes were used up.
    fn take_all(&mut self, n: usize, all: &[u8]) -> usize {
        let mut used = 0;
        if matches!(self.clients[n].state, State::Upgrading) {
            let Some(end) = all.windows(4).position(|end| end == b"\r\n\r\n") else {
                return 0;
            };
            if !all.starts_with(b"HTTP/1.1 101") {
                self.lose(n);
                return all.len();
            }
            used = end + 4;
            match self.handler.greeting(n) {
                Some(greeting) => {
                    self.clients[n].state = State::Greeted;
                    self.say(n, &greeting);
                }
                None => self.is_ready(n),
            }
        }
        while let Some((head, payload)) = frame(&all[used..]) {
            let message = &all[used + head..used + head + payload];
            match all[used] & 0xf {
                1 | 2 => self.hear(n, message),
                8 => {
                    self.lose(n);
                    return all.len();
                }
                _ => {}
            }
            used += head + payload;
        }
        used
    }

    fn hear(&mut self, n: usize, message: &[u8]) {
        // The protocol's ping, alone or behind other objects.
        if message.ends_with(b"{}") && (message.len() == 2 || message[message.len() - 3] == b'\n') {
            self.say(n, "{}");
        }
        let answered = self.handler.message(n, message);
        if answered && matches!(self.clients[n].state, State::Greeted) {
            self.is_ready(n);
        }
    }

    fn is_ready(&mut self, n: usize) {
        let client = &mut self.clients[n];
        client.state = State::Ready;
        // Nothing more is written but the answers to pings.
        if let Some(stream) = &mut client.stream {
            let registry = self.poll.registry();
            registry
                .reregister(stream, Token(n), Interest::READABLE)
                .expect("registered");
        }
        self.under_way -= 1;
        self.ready += 1;
    }

    /// Sends one text message, masked with zeros.
    pub(crate) fn say(&mut self, n: usize, text: &str) {
        let mut frame = vec![0x81];
        match text.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.write(n, &frame);
    }

    /// What a client says fits into any socket's buffer.
    fn write(&mut self, n: usize, bytes: &[u8]) {
        if let Some(stream) = &mut self.clients[n].stream {
            let written = stream.write(bytes);
            if !matches!(written, Ok(length) if length == bytes.len()) {
                self.lose(n);
            }
        }
    }
}

/// Lengths of the head and the payload of the frame that these bytes begin with, if it is whole.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, payload) = match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= head + payload).then_some((head, payload))
}
