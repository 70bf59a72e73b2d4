//! Uploads: through the server, or past it, where it gives an address for that.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use nestling_protocol::log::{Upload, UploadAddress};
use nestling_protocol::path;
use tokio::time::timeout;

use super::way::{Origin, Way};
use super::{Attempt, Server, Stale, away, late};

/// A put past the server that takes longer counts as lost: 5 MiB on a slow line.
const PUT_TIMEOUT: Duration = Duration::from_secs(30);

impl Server {
    /// Puts bytes under a name, until they are there. Sealed ones complete the object.
    ///
    /// A machine may not reach what the server reaches, and the other way round: so where one way fails the other is tried next,
    /// by everything that this runner uploads.
    pub(crate) async fn upload(
        &self,
        generation: u32,
        name: &str,
        content: Bytes,
        sealed: bool,
    ) -> Result<(), Stale> {
        let asked = |direct| Upload {
            generation,
            name: name.to_owned(),
            length: content.len() as u64,
            sealed,
            direct,
        };
        self.insist(|| {
            let past = self.past.load(Ordering::Relaxed);
            self.upload_once(asked(past), content.clone())
        })
        .await
    }

    async fn upload_once(&self, asked: Upload, content: Bytes) -> Result<(), Attempt> {
        // An address is good for one put and for five minutes: each attempt asks for its own.
        let address: UploadAddress = match self.post_once(path::UPLOAD, &asked).await {
            Ok(address) => address,
            Err(refused) => {
                // It is there by the other way already, and its answer was lost.
                if matches!(&refused, Attempt::Refused(StatusCode::CONFLICT, _)) {
                    self.turn_from(asked.direct);
                }
                return Err(refused);
            }
        };
        let put = if address.url.starts_with('/') {
            self.put_once(&address.url, content).await
        } else if asked.direct {
            put_past(&address.url, content).await
        } else {
            let name = &asked.name;
            Err(Attempt::Away(format!(
                "upload address of {name} is not one of the server's own"
            )))
        };
        if put.is_err() {
            self.turn_from(asked.direct);
        }
        put
    }

    /// What is uploaded next goes the other way, if there is one.
    fn turn_from(&self, past: bool) {
        let other = !past && matches!(self.way, Way::Network(_));
        self.past.store(other, Ordering::Relaxed);
    }
}

/// Puts bytes at this very address, once. It is its own permission: our token is for the server alone. No error repeats it.
async fn put_past(url: &str, content: Bytes) -> Result<(), Attempt> {
    let no_address = || Attempt::Away("the address to put at is none".to_owned());
    let url: Uri = url.parse().map_err(|_| no_address())?;
    let place = url.path_and_query().ok_or_else(no_address)?.as_str();
    let way = Way::Network(Origin::of(&url).map_err(away)?);
    let request = Request::builder()
        .method(Method::PUT)
        .uri(place)
        .header(HOST, way.host())
        .header(CONTENT_LENGTH, content.len())
        .body(Full::new(content))
        .map_err(|_| no_address())?;
    let whole = async {
        let mut sender = way.connect().await?;
        let response = sender.send_request(request).await.map_err(away)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let whose = way.host();
        Err(Attempt::Refused(
            status,
            format!("{whose} does not take it"),
        ))
    };
    timeout(PUT_TIMEOUT, whole).await.map_err(late)?
}
