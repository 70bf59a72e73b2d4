//! The objects of one bucket: read, listed in pages, removed in batches.

use std::{io, time::Duration};

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::GetObjectOutput,
    types::{Delete, ObjectIdentifier},
};
use bytes::{Bytes, BytesMut};
use nestling_domain::ids::Timestamp;
use tokio::time::timeout;

use super::{Found, words};

/// The longest blob that is read: what we put is 5 MiB at most, and a body of GitHub's 25 MiB.
const LONGEST: usize = 64 << 20;
/// Tries to read a body whose connection is cut in the middle: the SDK tries again only until an answer begins.
const READS: u32 = 3;
/// The longest a body may take once its answer has begun.
const BODY: Duration = Duration::from_mins(1);
/// The most keys that S3 removes at once.
const BATCH: usize = 1000;

/// A bucket, and where in it.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) prefix: String,
    /// The region that is asked.
    pub(super) region: String,
}

impl Bucket {
    /// A key with what stands in front of all.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Why a request failed, for people.
    pub(super) fn words<E>(&self, action: &str, error: &SdkError<E, HttpResponse>) -> io::Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        words::of(&self.name, &self.region, action, error)
    }

    /// All bytes of a blob; `None` when there is none.
    pub(super) async fn read(&self, key: &str) -> io::Result<Option<Bytes>> {
        let mut tries = 1;
        loop {
            let get = self.client.get_object().bucket(&self.name);
            let output = match get.key(self.full(key)).send().await {
                Ok(output) => output,
                Err(error) if is_absence(&error) => return Ok(None),
                Err(error) => return Err(self.words("s3:GetObject", &error)),
            };
            match timeout(BODY, whole(output)).await {
                Ok(Ok(bytes)) => return Ok(Some(bytes)),
                Ok(Err(error)) if tries >= READS || error.kind() == io::ErrorKind::FileTooLarge => {
                    return Err(error);
                }
                Err(_) if tries >= READS => return Err(io::ErrorKind::TimedOut.into()),
                Ok(Err(_)) | Err(_) => tries += 1,
            }
        }
    }

    /// The blobs whose keys begin with this, in order.
    pub(super) async fn find(&self, prefix: &str) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let list = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(self.full(prefix))
                .set_continuation_token(next.take());
            let page = list.send().await;
            let page = page.map_err(|error| self.words("s3:ListBucket", &error))?;
            for object in page.contents() {
                let key = object.key().and_then(|key| key.strip_prefix(&self.prefix));
                let at = object.last_modified().and_then(|at| at.to_millis().ok());
                found.extend(key.map(|key| Found {
                    key: key.to_owned(),
                    bytes: object.size().map_or(0, i64::unsigned_abs),
                    // What says no age is as young as can be: nothing is removed by mistake.
                    written_at: at.map_or(Timestamp(u64::MAX), |at| Timestamp(at.unsigned_abs())),
                }));
            }
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Removes these; those that are not there are no error.
    pub(super) async fn remove(&self, keys: impl Iterator<Item = &str>) -> io::Result<()> {
        let action = "s3:DeleteObject";
        let keys: Vec<&str> = keys.collect();
        for batch in keys.chunks(BATCH) {
            let object = |key: &&str| ObjectIdentifier::builder().key(self.full(key)).build();
            let objects: Result<Vec<_>, _> = batch.iter().map(object).collect();
            let delete = Delete::builder()
                .set_objects(Some(objects.map_err(io::Error::other)?))
                .quiet(true)
                .build()
                .map_err(io::Error::other)?;
            let request = self.client.delete_objects().bucket(&self.name);
            let done = request.delete(delete).send().await;
            let done = done.map_err(|error| self.words(action, &error))?;
            if let Some(error) = done.errors().first() {
                return Err(io::Error::other(format!(
                    "S3 did not remove {} of {} objects: {} ({})",
                    done.errors().len(),
                    batch.len(),
                    error.message().unwrap_or_default(),
                    error.code().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }
}

/// The body of an answer as it streams in, if it is not too long for memory.
async fn whole(output: GetObjectOutput) -> io::Result<Bytes> {
    let too_long = || {
        let says = format!(
            "it is longer than {} MiB, which no blob of ours is",
            LONGEST >> 20
        );
        io::Error::new(io::ErrorKind::FileTooLarge, says)
    };
    let announced = output.content_length().unwrap_or_default();
    let announced = usize::try_from(announced).unwrap_or_default();
    if announced > LONGEST {
        return Err(too_long());
    }
    let mut bytes = BytesMut::with_capacity(announced);
    let mut body = output.body;
    while let Some(part) = body.try_next().await.map_err(io::Error::other)? {
        if bytes.len() + part.len() > LONGEST {
            return Err(too_long());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

fn is_absence<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some("NoSuchKey")
}
