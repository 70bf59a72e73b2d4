//! The body of a webhook, bounded while it is read.

use std::{sync::Arc, time::Duration};

use actix_web::{
    http::header::{self, HeaderMap},
    web,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::http::problem::Problem;

/// The longest body, in bytes: GitHub sends none that is longer.
const LONGEST: usize = 25 * 1024 * 1024;
/// How long a body may take: GitHub does not wait longer for the answer to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// What every body may have without asking for room: nearly all webhooks are shorter, so that the large ones, which anybody
/// can begin to send, never stand in their way.
const FREE: usize = 64 * 1024;
/// How much all bodies together hold beyond that, in steps of [`FREE`]: 128 MiB, five of the longest.
const STEPS: usize = 2048;

/// Room for the bodies that are held at once.
pub(super) struct Room(Arc<Semaphore>);

/// A body, and the room that it takes.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Default for Room {
    fn default() -> Self {
        Room(Arc::new(Semaphore::new(STEPS)))
    }
}

impl Room {
    /// Reads a body to its end, byte for byte as it was signed.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        payload: web::Payload,
    ) -> Result<Held, Problem> {
        let announced = headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > LONGEST as u64) {
            return Err(too_long());
        }
        let whole = timeout(PATIENCE, self.gather(payload)).await;
        whole.unwrap_or_else(|_| {
            Err(Problem::too_slow(format!(
                "the body did not come within {} s",
                PATIENCE.as_secs()
            )))
        })
    }

    async fn gather(&self, mut payload: web::Payload) -> Result<Held, Problem> {
        let mut bytes = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut has = FREE;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| {
                Problem::malformed(format!("the body ended before its end: {error}"))
            })?;
            if bytes.len() + chunk.len() > LONGEST {
                return Err(too_long());
            }
            while bytes.len() + chunk.len() > has {
                let step = self.0.clone().try_acquire_owned();
                let step = step.map_err(|_| {
                    Problem::unavailable("too many large webhooks at once: send it again")
                })?;
                match &mut room {
                    Some(room) => room.merge(step),
                    None => room = Some(step),
                }
                has += FREE;
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Held {
            bytes: bytes.freeze(),
            _room: room,
        })
    }
}

fn too_long() -> Problem {
    Problem::too_large(format!("a webhook has at most {LONGEST} bytes"))
}
