//! The servers that are measured side by side: the gateway alone, nginx with nchan, and a bare loop over actix-ws. Each
//! has one channel that everybody at [`Peer::path`] hears, and publishes what is posted to [`Peer::publish_path`].

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use gateway::{
    Backend, Caller, Class, Config, Connect, Connected, Error, Gateway, Grant, Hub, Publication, Refusal,
    Subscribe, ws,
};

use super::process::{Process, tell};

/// The channel of the gateway.
pub(crate) const CHANNEL: &str = "c";

/// A running server.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// What a client says first; the answer to its second command means that it is there.
    pub(crate) greeting: Option<String>,
    publish_path: &'static str,
    /// Bytes that the server puts around what is published.
    pub(crate) envelope_bytes: usize,
}

impl Peer {
    /// The gateway with nothing behind it.
    pub(crate) fn gateway() -> Self {
        let mut process = Process::in_role("gateway", &[]);
        let address = process.line().parse().expect("an address");
        Self {
            name: "the gateway alone",
            process,
            address,
            path: ws::PATH,
            greeting: Some(format!(
                "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"{CHANNEL}\"}}}}"
            )),
            publish_path: "/pub",
            envelope_bytes: r#"{"push":{"channel":"c","pub":{"data":}}}"#.len(),
        }
    }

    /// The smallest server that one would write with actix-ws.
    pub(crate) fn bare_actix_ws() -> Self {
        let mut process = Process::in_role("actix-ws", &[]);
        let address = process.line().parse().expect("an address");
        Self {
            name: "a bare actix-ws loop",
            process,
            address,
            path: "/sub",
            greeting: None,
            publish_path: "/pub",
            envelope_bytes: 0,
        }
    }

    /// nginx with nchan, as Debian packages them. `None` = they are not installed.
    pub(crate) fn nchan(directory: &Path) -> Option<Self> {
        const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
        if !Path::new(MODULE).exists() {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let configuration = directory.join("nginx.conf");
        std::fs::write(&configuration, nginx_configuration(MODULE, address)).expect("written");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory).arg("-c").arg(&configuration);
        let process = Process::spawn(&mut command);
        let end = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "nginx does not answer");
            std::thread::yield_now();
        }
        Some(Self {
            name: "nginx + nchan",
            process,
            address,
            path: "/sub",
            greeting: None,
            publish_path: "/pub",
            envelope_bytes: 0,
        })
    }

    /// A way to publish.
    pub(crate) fn publisher(&self) -> Publisher {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_nodelay(true).expect("no delay");
        Publisher {
            stream,
            path: self.publish_path,
        }
    }
}

/// One worker: what costs nchan least.
fn nginx_configuration(module: &str, address: SocketAddr) -> String {
    format!(
        "load_module {module};
         user root; daemon off; worker_processes 1; worker_rlimit_nofile 20000;
         pid nginx.pid; error_log stderr crit;
         events {{ worker_connections 16000; }}
         http {{
           access_log off; tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000;
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;
           server {{
             listen {address} backlog=4096;
             location /sub {{ nchan_subscriber websocket; nchan_channel_id room; }}
             location /pub {{ nchan_publisher; nchan_channel_id room; nchan_message_buffer_length 1; }}
           }}
         }}\n"
    )
}

/// Posts to a server, one after the other on one connection.
pub(crate) struct Publisher {
    stream: TcpStream,
    path: &'static str,
}

impl Publisher {
    pub(crate) fn publish(&mut self, data: &str) {
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{data}",
            self.path,
            data.len()
        );
        self.stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let mut bytes = [0; 4_096];
        loop {
            let read = self.stream.read(&mut bytes).expect("answered");
            assert_ne!(read, 0, "the server hung up");
            answer.extend_from_slice(&bytes[..read]);
            let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
                continue;
            };
            let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
            assert!(text.starts_with("http/1.1 20"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
            if answer.len() >= head + 4 + length {
                return;
            }
        }
    }
}

/// The role `gateway`.
pub(crate) fn serve_gateway() {
    struct Open;
    impl Backend for Open {
        async fn connect(&self, _request: &Connect) -> Result<Connected, Refusal> {
            Ok(Connected::default())
        }
        async fn subscribe(&self, _caller: &Caller, _request: &Subscribe) -> Result<Grant, Refusal> {
            Ok(Grant::default())
        }
        async fn rpc(&self, _caller: &Caller, _method: &str, _data: Bytes) -> Result<Bytes, Refusal> {
            Err(Error::METHOD_NOT_FOUND.into())
        }
    }
    async fn publish(hub: Data<Hub>, body: Bytes) -> HttpResponse {
        let published = hub.publish(CHANNEL, Class::Durable, &Publication::new(body));
        match published {
            Ok(_) => HttpResponse::Ok().finish(),
            Err(error) => HttpResponse::BadRequest().body(error.to_string()),
        }
    }
    actix_web::rt::System::new().block_on(async {
        let hub = Hub::new();
        let gateway = Gateway::new(Config::default(), hub.clone(), Arc::new(Open));
        let listener = ws::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        tell(&listener.local_addr().expect("bound").to_string());
        let app = move || {
            let hub = Data::from(hub.clone());
            App::new().app_data(hub).route("/pub", web::post().to(publish))
        };
        let server = ws::Front::new(gateway).listen(listener, app).expect("listens");
        server.await.expect("serves");
    });
}

type Sessions = Mutex<Vec<actix_ws::Session>>;

/// The role `actix-ws`.
pub(crate) fn serve_actix_ws() {
    async fn enter(
        request: HttpRequest,
        body: web::Payload,
        sessions: Data<Sessions>,
    ) -> Result<HttpResponse, actix_web::Error> {
        let (response, session, mut messages) = actix_ws::handle(&request, body)?;
        sessions.lock().expect("whole").push(session.clone());
        actix_web::rt::spawn(async move {
            let mut session = session;
            while let Some(Ok(message)) = messages.recv().await {
                if let actix_ws::Message::Ping(payload) = message {
                    // The next message says that it is gone.
                    let _ = session.pong(&payload).await;
                }
            }
        });
        Ok(response)
    }
    async fn publish(sessions: Data<Sessions>, body: String) -> HttpResponse {
        let all = sessions.lock().expect("whole").clone();
        let message = actix_web::web::Bytes::from(body);
        let message = bytestring::ByteString::try_from(message).expect("UTF-8");
        for mut session in all {
            // Who is gone is gone.
            let _ = session.text(message.clone()).await;
        }
        HttpResponse::Ok().finish()
    }
    actix_web::rt::System::new().block_on(async {
        let sessions = Data::new(Sessions::default());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(sessions.clone())
                .route("/sub", web::get().to(enter))
                .route("/pub", web::post().to(publish))
        });
        let server = server.tcp_nodelay(true).bind("127.0.0.1:0").expect("a free port");
        tell(&server.addrs()[0].to_string());
        server.run().await.expect("serves");
    });
}
