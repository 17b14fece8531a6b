//! Sockets within TLS, and a certificate that is renewed while they are open.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::PATIENCE;
use crate::operations::{serve, token};
use crate::support::Server;

/// Makes a certificate for `localhost` and writes it and its key.
fn renew(directory: &Path) -> CertificateDer<'static> {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).expect("written");
    write("cert.pem", pair.cert.pem());
    write("key.pem", pair.signing_key.serialize_pem());
    pair.cert.der().clone()
}

fn trusting(certificates: &[&CertificateDer<'static>]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add((*certificate).clone()).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

async fn open(address: &str, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    connector.connect(name, stream).await
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("it showed one");
    chain[0].clone()
}

async fn ask(socket: &mut WebSocketStream<TlsStream<TcpStream>>, command: Value) -> Value {
    socket
        .send(Message::text(command.to_string()))
        .await
        .expect("sent");
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("in time");
        let text = message
            .expect("open")
            .expect("no error")
            .into_text()
            .expect("text");
        let mut values = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        if let Some(reply) = values.find(|value| value["id"] == command["id"]) {
            return reply;
        }
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_newcomers_and_open_sockets_stay() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = renew(directory.path());
    let file = |name: &str| directory.path().join(name);
    let server = Server::spawn(
        serve(&file("data"))
            .env("LIVEHOUSE_TLS_CERTIFICATE", file("cert.pem"))
            .env("LIVEHOUSE_TLS_KEY", file("key.pem")),
    );
    let address = server.address.trim_start_matches("https://").to_owned();
    assert_ne!(address, server.address, "it says that it speaks TLS");

    let stream = open(&address, &trusting(&[&first])).await.expect("TLS");
    assert_eq!(shown(&stream), first);
    let url = format!("wss://{address}/connection/websocket");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream)
        .await
        .expect("upgraded");
    let connect = json!({ "id": 1, "connect": { "token": token("ann") } });
    let reply = ask(&mut socket, connect).await;
    assert!(reply["connect"]["client"].is_string(), "{reply}");

    let second = renew(directory.path());
    let hangup = Command::new("kill")
        .args(["-HUP", &server.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(hangup.success());
    let either = trusting(&[&first, &second]);
    let deadline = Instant::now() + PATIENCE;
    while shown(&open(&address, &either).await.expect("TLS")) != second {
        assert!(Instant::now() < deadline, "the old certificate is still shown");
    }

    let wallet = json!({ "id": 2, "rpc": { "method": "wallet.get", "data": {} } });
    let reply = ask(&mut socket, wallet).await;
    assert_eq!(reply["rpc"]["data"]["coins"], 0, "{reply}");
}
