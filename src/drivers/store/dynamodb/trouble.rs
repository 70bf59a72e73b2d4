//! What can go wrong inside, and what it means for whoever asked.

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::drivers::{
    aws::{Failure, Kind},
    store::StoreError,
};

/// Why a piece of work did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// A condition does not hold: that of the action at this place of the transaction. Nothing was written.
    #[error("condition {0} does not hold")]
    Unmet(usize),
    /// See [`StoreError::Conflict`].
    #[error("{0}")]
    Conflict(String),
    /// See [`StoreError::Rejected`].
    #[error("{0}")]
    Rejected(String),
    /// See [`StoreError::Unknown`].
    #[error("{0}")]
    Unknown(String),
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            // Every condition that may fail is met where it is made; this one was not.
            Trouble::Unmet(_) => StoreError::Conflict("the record".to_owned()),
            Trouble::Conflict(what) => StoreError::Conflict(what),
            Trouble::Rejected(why) => StoreError::Rejected(why),
            Trouble::Unknown(why) => StoreError::Unknown(why),
        }
    }
}

/// What an error of one try means for the next.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing was done, and the next try may do better.
    Busy(String),
    /// It may have been done.
    Unclear(String),
    /// No try does better.
    Final(Trouble),
}

/// Judges the error of one try. `asked` is as policies name it, of a table.
pub(super) fn judge<E>(asked: &str, region: &str, error: &SdkError<E, HttpResponse>) -> Verdict
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = Failure::of(asked, error);
    match failure.code.as_str() {
        "ConditionalCheckFailedException" => return Verdict::Final(Trouble::Unmet(0)),
        "TransactionConflictException" => return Verdict::Busy(failure.to_string()),
        // An earlier try under the same token is on its way.
        "TransactionInProgressException" => return Verdict::Unclear(failure.to_string()),
        "ResourceNotFoundException" => {
            return Verdict::Final(Trouble::Rejected(format!(
                "DynamoDB knows no such table for {asked} in {region}: make it with `nestling tables create`, or name the right one in store.dynamodb"
            )));
        }
        _ => {}
    }
    if failure.is_unknown {
        Verdict::Unclear(failure.to_string())
    } else if matches!(
        failure.kind,
        // Credentials are renewed, and a clock is set, while the server runs: what is refused until then is no decision, and is owed.
        Kind::Throttled | Kind::Unreachable | Kind::Expired | Kind::ClockSkew
    ) {
        Verdict::Busy(failure.to_string())
    } else {
        Verdict::Final(Trouble::Rejected(failure.to_string()))
    }
}

/// Judges the error of a look that a person waits for, before [`judge`] does: what a person has to mend is said at once.
pub(super) fn for_people<E>(asked: &str, error: &SdkError<E, HttpResponse>) -> Option<Verdict>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = Failure::of(asked, error);
    let stays = matches!(failure.kind, Kind::Expired | Kind::ClockSkew);
    stays.then(|| Verdict::Final(Trouble::Rejected(failure.to_string())))
}
