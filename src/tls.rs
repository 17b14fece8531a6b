//! The certificate, and its renewal while the server runs: a connection that is open keeps what it was opened with, the
//! next one gets what the files hold now. Never serves half of a pair: certificate and key are taken together or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// Between two looks at whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// HTTP/1.1 only: a WebSocket begins as a request of that version.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A pair of files, and what they held when they last made sense.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

/// When the two files were written, and how long they are.
type Looks = [Option<(SystemTime, u64)>; 2];

impl Certificates {
    /// Reads both files. Fails when they cannot be read or do not belong together.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = RwLock::new(read(&certificate, &key, &provider)?);
        Ok(Arc::new(Self {
            certificate,
            key,
            provider,
            current,
        }))
    }

    /// What a listener needs to speak TLS 1.2 and 1.3 with the newest of these certificates.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .context("TLS cannot be set up")?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }

    /// Takes what the files hold now. If that makes no sense, what was there before stays.
    pub fn reload(&self) -> Result<()> {
        let renewed = read(&self.certificate, &self.key, &self.provider)?;
        *self.current.write() = renewed;
        Ok(())
    }

    /// Reloads whenever the files change, and on SIGHUP, until the task is dropped.
    pub async fn follow(self: Arc<Self>) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be watched")?;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = self.looks();
        loop {
            tokio::select! {
                _ = hangup.recv() => self.reload_and_say(),
                _ = looks.tick() => {
                    let now = self.looks();
                    if now != known {
                        known = now;
                        self.reload_and_say();
                    }
                }
            }
        }
    }

    /// Reloads and logs what came of it.
    pub fn reload_and_say(&self) {
        let certificate = self.certificate.display();
        match self.reload() {
            Ok(()) => tracing::info!(%certificate, "the certificate was renewed"),
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(%certificate, why, "the certificate was not renewed: the old one stays");
            }
        }
    }

    fn looks(&self) -> Looks {
        [&self.certificate, &self.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>> {
    let (chain_path, key_path) = (certificate.display(), key.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("tls.certificate {chain_path} cannot be read"))?;
    if chain.is_empty() {
        bail!("tls.certificate {chain_path} holds no certificate");
    }
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("tls.key {key_path} cannot be read"))?;
    let pair = CertifiedKey::from_der(chain, private, provider)
        .with_context(|| format!("{chain_path} and {key_path} do not belong together"))?;
    Ok(Arc::new(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        directory: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            Self { directory }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).expect("written");
        }

        /// A new pair; the names of its files.
        fn renew(&self) {
            let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            self.write("cert.pem", &pair.cert.pem());
            self.write("key.pem", &pair.signing_key.serialize_pem());
        }

        fn load(&self) -> Result<Arc<Certificates>> {
            Certificates::load(self.path("cert.pem"), self.path("key.pem"))
        }
    }

    fn served(certificates: &Certificates) -> CertificateDer<'static> {
        certificates.current.read().cert[0].clone()
    }

    #[test]
    fn a_renewed_pair_is_served_and_half_of_one_is_not() {
        let files = Files::new();
        files.renew();
        let certificates = files.load().expect("a pair");
        let first = served(&certificates);
        let key = std::fs::read_to_string(files.path("key.pem")).expect("read");
        files.renew();
        let renewed_key = std::fs::read_to_string(files.path("key.pem")).expect("read");

        // The certificate has been written and the key not yet.
        files.write("key.pem", &key);
        let error = certificates.reload().expect_err("half a pair");
        assert!(
            format!("{error:#}").contains("do not belong together"),
            "{error:#}"
        );
        assert_eq!(served(&certificates), first);

        files.write("key.pem", &renewed_key);
        certificates.reload().expect("a pair");
        assert_ne!(served(&certificates), first);
    }

    #[test]
    fn files_that_make_no_sense_are_named() {
        let files = Files::new();
        let error = format!("{:#}", files.load().expect_err("there are none"));
        assert!(error.contains("cert.pem"), "{error}");
        files.renew();
        files.write("cert.pem", "nonsense");
        let error = format!("{:#}", files.load().expect_err("no certificate"));
        assert!(
            error.contains("cert.pem") && error.contains("no certificate"),
            "{error}"
        );
        files.renew();
        files.write("key.pem", "nonsense");
        let error = format!("{:#}", files.load().expect_err("no key"));
        assert!(error.contains("key.pem"), "{error}");
    }
}
