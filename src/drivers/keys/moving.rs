//! Keys on the move: what is sealed from now on is sealed by KMS, and what the local key file sealed before still opens.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;

use super::{
    Context, KeyError, KeyFileError, Keys,
    local::{self, LocalKeys},
};

/// Two drivers: one that seals, and one that opens what is older.
#[derive(Clone)]
pub struct Moving {
    now: Arc<dyn Keys>,
    before: Arc<LocalKeys>,
}

impl Moving {
    /// `now`, and beside it the master key of this data folder where there is one: no new one is made.
    pub fn beside(now: Arc<dyn Keys>, folder: &Path) -> Result<Arc<dyn Keys>, KeyFileError> {
        if !folder.join(local::MASTER_KEY).exists() {
            return Ok(now);
        }
        let before = Arc::new(LocalKeys::open(folder)?);
        Ok(Arc::new(Moving { now, before }))
    }
}

#[async_trait]
impl Keys for Moving {
    fn trouble(&self) -> Option<String> {
        self.now.trouble()
    }

    async fn seal(&self, context: &Context, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.now.seal(context, plain).await
    }

    async fn open(&self, context: &Context, envelope: &[u8]) -> Result<Vec<u8>, KeyError> {
        if envelope.first() == Some(&local::VERSION) {
            return self.before.open(context, envelope).await;
        }
        self.now.open(context, envelope).await
    }
}
