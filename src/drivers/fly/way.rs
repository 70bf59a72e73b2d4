//! The way to Fly and back: one request, and the whole of its answer.

use async_trait::async_trait;
use hyper::{Request, Response};
use reqwest::Client;

/// The longest answer that is read, in bytes: a thousand machines with their events are some 4 MB.
const LONGEST_ANSWER: usize = 16 << 20;

/// Carries requests to Fly, and answers back.
#[async_trait]
pub(crate) trait Way: Send + Sync {
    /// Carries one request. Where no whole answer comes, in words for people why: what was asked may have been done all the same.
    async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String>;
}

/// Over the network.
pub(super) struct Network(pub(super) Client);

#[async_trait]
impl Way for Network {
    async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let request = reqwest::Request::try_from(request).map_err(|error| in_words(&error))?;
        let answer = self.0.execute(request).await;
        let mut answer = answer.map_err(|error| in_words(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| in_words(&error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(format!("an answer of more than {LONGEST_ANSWER} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = Response::new(body);
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}

/// What went wrong, without the address: it is said elsewhere.
fn in_words(error: &reqwest::Error) -> String {
    let mut words = match error {
        error if error.is_connect() => "it cannot be reached".to_owned(),
        error if error.is_timeout() => "it did not answer in time".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        words = format!("{words}: {deeper}");
        source = deeper.source();
    }
    words
}
