//! Requests and answers as they travel: JSON 1.0, an operation named in a header.

use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// An error that DynamoDB answers with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fail {
    pub(super) status: u16,
    pub(super) code: String,
    message: String,
    /// Why a transaction was cancelled: per action.
    reasons: Vec<Reason>,
}

/// Why one action of a transaction was not done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reason {
    None,
    Unmet,
    Conflict,
    Throttled,
    Invalid(String),
}

impl Fail {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Fail {
            status: 400,
            code: code.to_owned(),
            message: message.into(),
            reasons: Vec::new(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Fail::new("ValidationException", message)
    }

    pub(super) fn unmet() -> Self {
        Fail::new(
            "ConditionalCheckFailedException",
            "The conditional request failed",
        )
    }

    pub(super) fn no_table(name: &str) -> Self {
        Fail::new(
            "ResourceNotFoundException",
            format!("Requested resource not found: Table: {name} not found"),
        )
    }

    pub(super) fn throttled() -> Self {
        Fail::new(
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.",
        )
    }

    pub(super) fn conflict() -> Self {
        Fail::new(
            "TransactionConflictException",
            "Transaction is ongoing for the item",
        )
    }

    pub(super) fn with_status(status: u16) -> Self {
        let code = if status == 503 {
            "ServiceUnavailable"
        } else {
            "InternalServerError"
        };
        Fail {
            status,
            ..Fail::new(
                code,
                "The request processing has failed because of an unknown error",
            )
        }
    }

    pub(super) fn cancelled(reasons: Vec<Reason>) -> Self {
        let codes: Vec<&str> = reasons.iter().map(Reason::code).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        Fail {
            reasons,
            ..Fail::new("TransactionCanceledException", message)
        }
    }

    pub(super) fn body(&self) -> Json {
        let mut body = json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{}", self.code),
            "message": self.message,
        });
        if !self.reasons.is_empty() {
            let reasons: Vec<Json> = self.reasons.iter().map(Reason::show).collect();
            body["CancellationReasons"] = reasons.into();
            body["Message"] = self.message.clone().into();
        }
        body
    }
}

impl Reason {
    fn code(&self) -> &'static str {
        match self {
            Reason::None => "None",
            Reason::Unmet => "ConditionalCheckFailed",
            Reason::Conflict => "TransactionConflict",
            Reason::Throttled => "ThrottlingError",
            Reason::Invalid(_) => "ValidationError",
        }
    }

    fn show(&self) -> Json {
        let message = match self {
            Reason::None => return json!({ "Code": "None" }),
            Reason::Unmet => "The conditional request failed",
            Reason::Conflict => "Transaction is ongoing for the item",
            Reason::Throttled => {
                "Throughput exceeds the current capacity for one or more global secondary indexes."
            }
            Reason::Invalid(why) => why,
        };
        json!({ "Code": self.code(), "Message": message })
    }
}

/// A request's body; a member that the model does not know is refused.
pub(super) fn parse<T: DeserializeOwned>(body: &Json) -> Result<T, Fail> {
    T::deserialize(body)
        .map_err(|error| Fail::invalid(format!("the model does not know that: {error}")))
}
