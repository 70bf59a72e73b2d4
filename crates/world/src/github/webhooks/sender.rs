//! Sends deliveries: signed, with a limit of time, never again by itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use crate::github::{
    Shared, keys,
    state::{Sent, State},
};

/// GitHub does not wait for one answer before it sends the next event. So long a delivery has the road for itself here, so
/// that a story's events come in their order unless the receiver is slow or the story orders otherwise.
const HEAD_START: Duration = Duration::from_millis(500);

type Post = Client<HttpConnector, Full<Bytes>>;

/// A delivery as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Id of the delivery.
    pub delivery: u64,
    /// Where it goes.
    pub url: String,
    /// What is sent along, signatures included.
    pub headers: Vec<(String, String)>,
    /// The payload, byte for byte.
    pub body: Vec<u8>,
}

/// Sends whatever comes, until the model ends.
pub(crate) async fn send_all(shared: Arc<Shared>, mut outbox: UnboundedReceiver<u64>) {
    let client: Post = Client::builder(TokioExecutor::new()).build_http();
    while let Some(id) = outbox.recv().await {
        let one = tokio::spawn(send(shared.clone(), client.clone(), id));
        let _ = timeout(HEAD_START, one).await;
    }
}

async fn send(shared: Arc<Shared>, client: Post, id: u64) {
    let (letter, patience) = {
        let state = shared.lock();
        (state.letter(id), state.outbox.patience())
    };
    if let Some(letter) = letter {
        let begun = Instant::now();
        let headers = letter.headers.clone();
        let (status, words, answer) = match timeout(patience, post(client, letter)).await {
            Err(_) => (None, "timed out".to_owned(), String::new()),
            Ok(Err(())) => (None, "failed to connect to host".to_owned(), String::new()),
            Ok(Ok((status, words, answer))) => (Some(status), words, answer),
        };
        let sent = Sent {
            status,
            words,
            duration: begun.elapsed().as_secs_f64(),
            headers,
            answer,
        };
        if let Some(delivery) = shared.lock().deliveries.get_mut(&id) {
            delivery.sent = Some(sent);
        }
    }
    shared.lock().outbox.under_way -= 1;
}

async fn post(client: Post, letter: Letter) -> Result<(u16, String, String), ()> {
    let mut request = Request::post(&letter.url);
    for (name, value) in &letter.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(letter.body)).map_err(|_| ())?;
    let response = client.request(request).await.map_err(|_| ())?;
    let status = response.status();
    let words = status.canonical_reason().unwrap_or_default().to_owned();
    let answer = response.into_body().collect().await.map_err(|_| ())?;
    let answer = String::from_utf8_lossy(&answer.to_bytes()).into_owned();
    Ok((status.as_u16(), words, answer))
}

impl State {
    pub(super) fn letter(&self, id: u64) -> Option<Letter> {
        let delivery = self.deliveries.get(&id)?;
        let app = self.apps.get(&delivery.app)?;
        let body = serde_json::to_vec(&delivery.payload).ok()?;
        let mut headers = vec![
            ("Accept".into(), "*/*".into()),
            ("Content-Type".into(), "application/json".into()),
            ("User-Agent".into(), "GitHub-Hookshot/0000000".into()),
            ("X-GitHub-Delivery".into(), delivery.guid.clone()),
            ("X-GitHub-Event".into(), delivery.event.clone()),
            ("X-GitHub-Hook-ID".into(), app.hook_id.to_string()),
            (
                "X-GitHub-Hook-Installation-Target-ID".into(),
                app.id.to_string(),
            ),
            (
                "X-GitHub-Hook-Installation-Target-Type".into(),
                "integration".into(),
            ),
        ];
        if !app.webhook_secret.is_empty() {
            let secret = &app.webhook_secret;
            headers.push(("X-Hub-Signature".into(), keys::old_signature(secret, &body)));
            headers.push(("X-Hub-Signature-256".into(), keys::signature(secret, &body)));
        }
        Some(Letter {
            delivery: id,
            url: app.webhook_url.clone(),
            headers,
            body,
        })
    }
}
