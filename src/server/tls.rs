//! HTTPS, with a certificate and its key from two PEM files. They are looked at again while the server runs, so that whoever
//! renews them need not restart it; a pair that cannot be used leaves the one before in its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tracing::{info, warn};

/// How often the files are looked at, by a connection that comes.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where a certificate and its key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The certificate, then those that vouch for it.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Why a pair cannot be used: which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotUsable {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no such thing.
    #[error("{} holds no {wanted} in PEM", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// They do not belong together, or are of a kind that is not spoken.
    #[error("{} is not the key of the certificate in {}: {source}", key.display(), certificate.display())]
    Apart {
        /// The one file.
        certificate: PathBuf,
        /// The other.
        key: PathBuf,
        /// What TLS says.
        source: rustls::Error,
    },
}

/// How TLS is spoken with this pair, looked at again as it changes.
pub(super) fn config(pair: Pair) -> Result<ServerConfig, NotUsable> {
    config_looking(pair, LOOK_EVERY)
}

fn config_looking(pair: Pair, every: Duration) -> Result<ServerConfig, NotUsable> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let kept = Kept {
        seen: seen(&pair),
        looked_at: Instant::now(),
        key: load(&pair, &provider)?,
    };
    let renewed = Renewed {
        pair,
        provider: provider.clone(),
        every,
        kept: Mutex::new(kept),
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("the provider speaks TLS 1.2 and 1.3"));
    Ok(config
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(renewed)))
}

/// The pair as it is now.
#[derive(Debug)]
struct Renewed {
    pair: Pair,
    provider: Arc<CryptoProvider>,
    every: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    key: Arc<CertifiedKey>,
    /// What the files were when they were read, or tried.
    seen: [Option<(SystemTime, u64)>; 2],
    looked_at: Instant,
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.looked_at.elapsed() >= self.every {
            kept.looked_at = Instant::now();
            let now = seen(&self.pair);
            if now != kept.seen {
                kept.seen = now;
                match load(&self.pair, &self.provider) {
                    Ok(key) => {
                        info!(
                            "took the new certificate in {}",
                            self.pair.certificate.display()
                        );
                        kept.key = key;
                    }
                    // Whoever writes two files writes one after the other: the next change is looked at, too.
                    Err(error) => warn!("the certificate of before stays: {error}"),
                }
            }
        }
        Some(kept.key.clone())
    }
}

/// When the files were written last, and how long they are.
fn seen(pair: &Pair) -> [Option<(SystemTime, u64)>; 2] {
    [&pair.certificate, &pair.key].map(|path| {
        let data = fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len()))
    })
}

fn load(pair: &Pair, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, NotUsable> {
    let text = read(&pair.certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .collect();
    if chain.is_empty() {
        return Err(empty(&pair.certificate, "certificate"));
    }
    let text = zeroize::Zeroizing::new(read(&pair.key)?);
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| empty(&pair.key, "private key"))?;
    let apart = |source| NotUsable::Apart {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
        source,
    };
    let found = CertifiedKey::from_der(chain, key, provider).map_err(apart)?;
    Ok(Arc::new(found))
}

fn read(path: &Path) -> Result<Vec<u8>, NotUsable> {
    fs::read(path).map_err(|source| NotUsable::Read {
        path: path.to_owned(),
        source,
    })
}

fn empty(path: &Path, wanted: &'static str) -> NotUsable {
    NotUsable::Empty {
        path: path.to_owned(),
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use actix_web::{App, HttpServer, web};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;

    /// Writes a new pair for `nestling.test`; its certificate.
    fn write(pair: &Pair) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["nestling.test".to_owned()]).unwrap();
        fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
        fs::write(&pair.certificate, made.cert.pem()).unwrap();
        made.cert.der().clone()
    }

    fn pair(folder: &Path) -> Pair {
        Pair {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        }
    }

    /// What a server answers to somebody who trusts this certificate and no other; nothing when its own is another.
    fn ask(port: u16, trusted: CertificateDer<'static>) -> Option<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "nestling.test".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(client), name).unwrap();
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let request = b"GET / HTTP/1.1\r\nHost: nestling.test\r\nConnection: close\r\n\r\n";
        stream.write_all(request).ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    #[actix::test]
    async fn a_renewed_certificate_is_taken_and_a_broken_one_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let pair = pair(folder.path());
        let first = write(&pair);
        let tls = config_looking(pair.clone(), Duration::ZERO).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = || App::new().route("/", web::get().to(async || "over TLS"));
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.listen_rustls_0_23(listener, tls).unwrap().run();
        let handle = server.handle();
        actix::spawn(server);
        let asked = async |trusted: &CertificateDer<'static>| {
            let trusted = trusted.clone();
            web::block(move || ask(port, trusted)).await.unwrap()
        };
        assert!(asked(&first).await.unwrap().ends_with("over TLS"));

        let second = write(&pair);
        assert!(asked(&second).await.unwrap().ends_with("over TLS"));
        assert_eq!(asked(&first).await, None, "it is not shown any more");
        fs::write(&pair.key, "no key at all").unwrap();
        assert!(asked(&second).await.is_some(), "the one before stays");
        handle.stop(false).await;
    }

    #[test]
    fn a_pair_that_cannot_be_used_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let pair = pair(folder.path());
        let refused = || config(pair.clone()).unwrap_err().to_string();
        assert!(refused().contains("certificate.pem cannot be read"));
        write(&pair);
        let other = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        fs::write(&pair.key, other.signing_key.serialize_pem()).unwrap();
        assert!(refused().contains("key.pem is not the key of the certificate"));
        fs::write(&pair.key, "").unwrap();
        assert!(refused().contains("key.pem holds no private key in PEM"));
    }
}
