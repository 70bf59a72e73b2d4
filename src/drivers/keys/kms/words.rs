//! What KMS says of a key, in words.

use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::KeyError;
use crate::drivers::aws::{Failure, Kind};

/// Why an action with a key failed: [`KeyError::Failed`] where another try may help.
pub(super) fn of<E>(
    key_id: &str,
    region: &str,
    action: &str,
    error: &SdkError<E, HttpResponse>,
) -> KeyError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = Failure::of(format!("{action} with {key_id}"), error);
    let said = &failure.said;
    let says = match failure.code.as_str() {
        "DisabledException" => disabled(key_id),
        "KMSInvalidStateException" if said.contains("pending deletion") => going(key_id, None),
        "KMSInvalidStateException" => {
            format!("the KMS key {key_id} cannot be used in its state ({said})")
        }
        "NotFoundException" => missing(key_id, region),
        "InvalidKeyUsageException" => wrong_kind(key_id),
        "KeyUnavailableException" | "DependencyTimeoutException" | "KMSInternalException" => {
            return KeyError::Failed(failure.to_string());
        }
        _ => {
            let may_pass = matches!(
                failure.kind,
                // Credentials are renewed, and a clock is set, while the server runs.
                Kind::Throttled | Kind::Unreachable | Kind::Expired | Kind::ClockSkew
            );
            let told = failure.to_string();
            return if may_pass {
                KeyError::Failed(told)
            } else {
                KeyError::Unusable(told)
            };
        }
    };
    KeyError::Unusable(says)
}

pub(super) fn disabled(key_id: &str) -> String {
    format!("the KMS key {key_id} is disabled: enable it (aws kms enable-key)")
}

/// `day` is when it goes, if that is known.
pub(super) fn going(key_id: &str, day: Option<&str>) -> String {
    let when = day.map_or(String::new(), |day| format!(" on {day}"));
    format!(
        "the KMS key {key_id} is to be deleted{when}, and every secret with it: cancel that (aws kms cancel-key-deletion), and enable it"
    )
}

pub(super) fn missing(key_id: &str, region: &str) -> String {
    match region_of(key_id) {
        Some(theirs) if theirs != region => format!(
            "the KMS key {key_id} is in {theirs}, and {region} is asked: set aws.region to where the key is, or name a key of {region}"
        ),
        _ => format!(
            "there is no KMS key {key_id} in {region}: make it, or name another in keys.kms.key_id"
        ),
    }
}

pub(super) fn wrong_kind(key_id: &str) -> String {
    format!(
        "the KMS key {key_id} does not encrypt data keys: name a symmetric one (key spec SYMMETRIC_DEFAULT, usage ENCRYPT_DECRYPT)"
    )
}

/// The region of an ARN.
fn region_of(key_id: &str) -> Option<&str> {
    let mut parts = key_id.split(':');
    (parts.next() == Some("arn"))
        .then(|| parts.nth(2))
        .flatten()
}
