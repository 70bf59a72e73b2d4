//! A look before anything happens: whether the buckets are there, and may be used as they must be.

use std::io;

use aws_sdk_s3::primitives::ByteStream;

use super::{Bucket, Retention, S3};

/// The object that a look puts, reads and removes again.
const PROBE: &str = "nestling-check";

/// What was found of one bucket.
#[derive(Debug)]
pub struct Look {
    /// Its name.
    pub bucket: String,
    /// Whether it can be used, or why not.
    pub outcome: io::Result<Looked>,
}

/// A bucket that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// After how many days a lifecycle rule removes what lies there; `None` when none does, or none is shown.
    pub days: Option<u32>,
}

impl S3 {
    /// Whether the buckets are there at all, in this region and for these credentials; the first that is not.
    pub async fn reach(&self) -> io::Result<()> {
        for bucket in self.buckets() {
            bucket.reach().await?;
        }
        Ok(())
    }

    /// Puts, lists, reads and removes something in each bucket.
    pub async fn look(&self) -> Vec<Look> {
        let mut looks = Vec::new();
        for bucket in self.buckets() {
            looks.push(Look {
                bucket: bucket.name.clone(),
                outcome: bucket.look().await,
            });
        }
        looks
    }
}

impl Bucket {
    /// Whether it is there. By a list, because an error to `HEAD` has no words.
    async fn reach(&self) -> io::Result<()> {
        let list = self.client.list_objects_v2().bucket(&self.name);
        let listed = list.prefix(self.full(PROBE)).max_keys(1).send().await;
        listed.map_err(|error| self.words("s3:ListBucket", &error))?;
        Ok(())
    }

    async fn look(&self) -> io::Result<Looked> {
        self.reach().await?;
        let put = self.client.put_object().bucket(&self.name);
        let put = put
            .key(self.full(PROBE))
            .body(ByteStream::from_static(b"of nestling check"));
        put.send()
            .await
            .map_err(|error| self.words("s3:PutObject", &error))?;
        let read = self.read(PROBE).await;
        let listed = self.find(PROBE).await;
        self.remove(std::iter::once(PROBE)).await?;
        if read?.is_none() || listed?.is_empty() {
            return Err(io::Error::other(format!(
                "the bucket {} does not show what was just put there: it is not as consistent as S3 is, and cannot be used",
                self.name
            )));
        }
        let days = match self.retention().await {
            Ok(Retention::Days(days)) => Some(days),
            // Who may not see the rules loses nothing but this word.
            Ok(Retention::Forever) | Err(_) => None,
        };
        Ok(Looked { days })
    }
}
