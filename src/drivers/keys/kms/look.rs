//! A look before anything happens: whether the key is there, and may be used as it must be.

use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType};

use super::{Context, KeyError, Keys as _, KmsKeys, words};
use crate::drivers::aws::{Failure, Kind};

/// What is sealed and opened to see whether that goes.
const PROBE: &[u8] = b"of nestling check";

impl KmsKeys {
    /// Whether the key is there and of the right kind, as far as that is shown, and then whether it seals and opens.
    /// Answers its ARN, as KMS tells it.
    pub async fn look(&self) -> Result<String, KeyError> {
        let key_id = &self.order.key_id;
        let described = self.client.describe_key().key_id(key_id).send().await;
        let metadata = match described {
            Ok(described) => described.key_metadata,
            // Who may not see what the key is may use it nevertheless.
            Err(error) if Failure::of("kms:DescribeKey", &error).kind == Kind::Denied => None,
            Err(error) => {
                let told = words::of(key_id, &self.region, "kms:DescribeKey", &error);
                return self.seen(Err(told));
            }
        };
        if let Some(says) = metadata.as_ref().and_then(|key| unfit(key_id, key)) {
            return self.seen(Err(KeyError::Unusable(says)));
        }
        let context = Context {
            app: "the server".to_owned(),
            class: "check".to_owned(),
            name: "check".to_owned(),
        };
        let key = self.sealing(&context).await?;
        let envelope = self.seal(&context, PROBE).await?;
        // From KMS, not from the cache: permission to wrap is not permission to unwrap.
        super::lock(&self.cache).forget();
        self.open(&context, &envelope).await?;
        Ok(key.arn)
    }
}

/// Why a key cannot be used, as its description says.
fn unfit(key_id: &str, key: &KeyMetadata) -> Option<String> {
    match key.key_state() {
        Some(KeyState::Disabled) => return Some(words::disabled(key_id)),
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => {
            let day = key.deletion_date().map(ToString::to_string);
            let day = day.as_deref().and_then(|at| at.get(..10));
            return Some(words::going(key_id, day));
        }
        Some(KeyState::Enabled | KeyState::Updating) | None => {}
        Some(other) => {
            return Some(format!(
                "the KMS key {key_id} cannot be used in its state, {}",
                other.as_str()
            ));
        }
    }
    let symmetric = key
        .key_spec()
        .is_none_or(|spec| *spec == KeySpec::SymmetricDefault);
    let encrypts = key
        .key_usage()
        .is_none_or(|usage| *usage == KeyUsageType::EncryptDecrypt);
    (!symmetric || !encrypts).then(|| words::wrong_kind(key_id))
}
