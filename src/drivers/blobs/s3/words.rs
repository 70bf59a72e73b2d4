//! What S3 says of a bucket, in words.

use std::io;

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::drivers::aws::{Failure, Kind};

/// The header in which S3 says where a bucket really is.
const REGION: &str = "x-amz-bucket-region";

/// Why an action on a bucket failed, for people. The kind of the error is `NotFound` where there is no such bucket here,
/// and `PermissionDenied` where it is refused: neither gets better by itself.
pub(super) fn of<E>(
    bucket: &str,
    region: &str,
    action: &str,
    error: &SdkError<E, HttpResponse>,
) -> io::Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = Failure::of(format!("{action} in the bucket {bucket}"), error);
    let raw = error.raw_response();
    let status = raw.map(|raw| raw.status().as_u16());
    let theirs = raw.and_then(|raw| raw.headers().get(REGION));
    let is_elsewhere = theirs.is_some_and(|theirs| theirs != region)
        || matches!(
            failure.code.as_str(),
            "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
        )
        || status == Some(301);
    if is_elsewhere {
        let theirs = theirs.unwrap_or("another region");
        let says = format!(
            "the bucket {bucket} is in {theirs}, and {region} is asked: set aws.region to where the buckets are"
        );
        return io::Error::new(io::ErrorKind::NotFound, says);
    }
    if failure.code == "NoSuchBucket" {
        let says = format!(
            "there is no bucket {bucket} in {region}: make it (aws s3 mb s3://{bucket} --region {region}), or name another in blobs.s3"
        );
        return io::Error::new(io::ErrorKind::NotFound, says);
    }
    let kind = match failure.kind {
        Kind::Denied
        | Kind::NoCredentials
        | Kind::Expired
        | Kind::WrongCredentials
        | Kind::ClockSkew => io::ErrorKind::PermissionDenied,
        Kind::Throttled => io::ErrorKind::ResourceBusy,
        Kind::Unreachable => io::ErrorKind::NotConnected,
        Kind::Other => io::ErrorKind::Other,
    };
    io::Error::new(kind, failure)
}
