//! Why AWS did not do what was asked, in words: services say the same in many ways.

use std::{error::Error, fmt, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use nestling_domain::text::clean;

/// The longest of AWS's own words that are repeated.
const LONGEST_WORDS: usize = 300;

/// A request to AWS that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was asked, as policies name it, and of what: `kms:Decrypt with alias/nestling`.
    pub asked: String,
    /// What kind of failure it is.
    pub kind: Kind,
    /// AWS's own code, such as `AccessDeniedException`; empty when it gave none.
    pub code: String,
    /// AWS's own words, or those of the connection; shown to people, and may be empty.
    pub said: String,
    /// Whether it may have been done nevertheless: the request was sent, and no answer says that nothing happened.
    pub is_unknown: bool,
}

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There are no credentials.
    NoCredentials,
    /// The credentials are no longer good.
    Expired,
    /// AWS does not know the credentials, or the secret key does not belong to them.
    WrongCredentials,
    /// The clock of this machine is wrong.
    ClockSkew,
    /// The credentials are good, and may not do this.
    Denied,
    /// Too much is asked at present.
    Throttled,
    /// Nobody answers, or no answer came in time, or AWS is in trouble itself.
    Unreachable,
    /// Something that only the asking driver understands, by its [`Failure::code`].
    Other,
}

impl Failure {
    /// Of an error that the SDK gives up with. `asked` is as in [`Failure::asked`].
    pub fn of<E>(asked: impl Into<String>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let service = error.as_service_error();
        let code = service.and_then(ProvideErrorMetadata::code);
        let code = code.unwrap_or_default().to_owned();
        let said = match service {
            Some(error) => error.message().unwrap_or_default().to_owned(),
            None => root_of(error),
        };
        let is_answered = matches!(error, SdkError::ServiceError(_));
        let was_not_made = matches!(error, SdkError::ConstructionFailure(_));
        let kind = if is_answered {
            kind_of(&code, &said, status)
        } else if lacks_credentials(error) {
            Kind::NoCredentials
        } else if was_not_made {
            Kind::Other
        } else {
            Kind::Unreachable
        };
        // An answer of four hundred and something says that nothing was done, and so does a connection that was never made.
        let is_unknown = if is_answered {
            kind != Kind::Throttled && status.is_none_or(|status| status >= 500)
        } else {
            kind == Kind::Unreachable && !was_refused(error)
        };
        // The words about a signature repeat what was signed, the session's token among it.
        let said = if kind == Kind::WrongCredentials {
            String::new()
        } else {
            clean(&said, LONGEST_WORDS)
        };
        Failure {
            asked: asked.into(),
            kind,
            code,
            said,
            is_unknown,
        }
    }

    /// AWS's code and words, as far as there are any.
    fn quoted(&self) -> String {
        match (self.code.as_str(), self.said.as_str()) {
            ("", "") => String::new(),
            ("", said) => format!(" ({said})"),
            (code, "") => format!(" ({code})"),
            (code, said) => format!(" ({code}: {said})"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { asked, code, .. } = self;
        let quoted = self.quoted();
        match self.kind {
            Kind::NoCredentials => write!(
                f,
                "no credentials of AWS were found for {asked}: give the server's machine or container a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
            Kind::Expired => write!(
                f,
                "AWS refuses {asked}: the credentials have expired ({code}): renew them; those of a role renew themselves"
            ),
            Kind::WrongCredentials => write!(
                f,
                "AWS refuses {asked}: it does not know these credentials ({code}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active"
            ),
            Kind::ClockSkew => write!(
                f,
                "AWS refuses {asked}: the clock of this machine is wrong{quoted}: set it by the network (timedatectl set-ntp true)"
            ),
            Kind::Denied => {
                let action = asked.split(' ').next().unwrap_or_default();
                write!(
                    f,
                    "AWS refuses {asked}: these credentials may not do that{quoted}: allow {action} in the policy of the server's role"
                )
            }
            Kind::Throttled => write!(
                f,
                "AWS takes no more of {asked} at present{quoted}: nothing was done, and another try may help"
            ),
            Kind::Unreachable => write!(f, "AWS gives no good answer to {asked}{quoted}"),
            Kind::Other => write!(f, "AWS refuses {asked}{quoted}"),
        }
    }
}

impl Error for Failure {}

/// What a code means; where that is not enough, its words and the status.
fn kind_of(code: &str, said: &str, status: Option<u16>) -> Kind {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Kind::Expired,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Kind::ClockSkew,
        // JSON services say so of a wrong clock, too.
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            let is_of_time = said.contains("Signature expired") || said.contains("not yet current");
            if is_of_time {
                Kind::ClockSkew
            } else {
                Kind::WrongCredentials
            }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "AuthFailure" => Kind::WrongCredentials,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "AllAccessDisabled"
        | "AccountProblem" => Kind::Denied,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "PriorRequestNotComplete" => Kind::Throttled,
        _ => match status {
            Some(429) => Kind::Throttled,
            // An answer to HEAD has no words.
            Some(403) if code.is_empty() || code == "Forbidden" => Kind::Denied,
            Some(500..) => Kind::Unreachable,
            _ => Kind::Other,
        },
    }
}

/// The last cause of an error, which says what really happened.
fn root_of(error: &(dyn Error + 'static)) -> String {
    let last = causes(error).last();
    last.map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        (*error).source()
    })
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<CredentialsError>)
}

/// Whether nobody listened, or the name is not known: then nothing was sent.
fn was_refused(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let refused = cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        refused || cause.to_string().contains("dns error")
    })
}
