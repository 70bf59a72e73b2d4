//! Signature Version 4, as AWS verifies it: in the header, or in an address that was signed beforehand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{
    State,
    server::Service,
    wire::{Request, hex},
};

/// A signature may be so much older or younger than the service's clock.
const TOLERATED: Duration = Duration::from_mins(15);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What is signed instead of the body's digest where the body comes in frames.
const IN_FRAMES: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Why a request is not taken.
pub(super) struct Wrong {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) says: String,
}

/// Where a signature says what it is of.
struct Claim {
    access_key: String,
    /// `20261122/eu-central-1/s3/aws4_request`.
    scope: String,
    signed_headers: String,
    signature: String,
    /// `20261122T170000Z`.
    date: String,
    /// For how long the address is good, where it was signed beforehand.
    expires: Option<Duration>,
}

/// Whether somebody who may ask has asked exactly this; answers it with its body as it was meant.
pub(super) fn verify(
    state: &State,
    request: Request,
    service: Service,
    now: SystemTime,
) -> Result<Request, Wrong> {
    let claim = claim(&request).ok_or_else(|| {
        wrong(
            service,
            "AccessDenied",
            "MissingAuthenticationTokenException",
            "the request is not signed",
        )
    })?;
    let credential = state.credentials.get(&claim.access_key).ok_or_else(|| {
        wrong(
            service,
            "InvalidAccessKeyId",
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    })?;
    if credential.has_expired {
        return Err(Wrong {
            status: 400,
            ..wrong(
                service,
                "ExpiredToken",
                "ExpiredTokenException",
                "The security token included in the request is expired",
            )
        });
    }
    is_timely(&claim, service, now)?;
    let is_for_us = claim.scope.split('/').nth(2) == Some(service.name());
    let wanted = signature(&credential.secret, &claim, &request);
    if !is_for_us || wanted.as_deref() != Some(&*claim.signature) {
        return Err(wrong(
            service,
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        ));
    }
    meant(request)
}

fn claim(request: &Request) -> Option<Claim> {
    if let Some(signature) = request.parameter("X-Amz-Signature") {
        let (access_key, scope) = request.parameter("X-Amz-Credential")?.split_once('/')?;
        let expires = request.parameter("X-Amz-Expires")?.parse().ok()?;
        return Some(Claim {
            access_key: access_key.to_owned(),
            scope: scope.to_owned(),
            signed_headers: request.parameter("X-Amz-SignedHeaders")?.to_owned(),
            signature: signature.to_owned(),
            date: request.parameter("X-Amz-Date")?.to_owned(),
            expires: Some(Duration::from_secs(expires)),
        });
    }
    let header = request.header("authorization")?.strip_prefix(ALGORITHM)?;
    let field = |name: &str| {
        let found = header
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name));
        found.and_then(|value| value.strip_prefix('='))
    };
    let (access_key, scope) = field("Credential")?.split_once('/')?;
    Some(Claim {
        access_key: access_key.to_owned(),
        scope: scope.to_owned(),
        signed_headers: field("SignedHeaders")?.to_owned(),
        signature: field("Signature")?.to_owned(),
        date: request.header("x-amz-date")?.to_owned(),
        expires: None,
    })
}

fn is_timely(claim: &Claim, service: Service, now: SystemTime) -> Result<(), Wrong> {
    let signed = moment(&claim.date).ok_or_else(|| {
        wrong(
            service,
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
            "no date",
        )
    })?;
    if let Some(expires) = claim.expires {
        let is_early = signed > now + TOLERATED;
        if is_early || now > signed + expires {
            return Err(wrong(
                service,
                "AccessDenied",
                "AccessDeniedException",
                "Request has expired",
            ));
        }
        return Ok(());
    }
    let Some(says) = untimely(signed, now) else {
        return Ok(());
    };
    let says = match service {
        Service::S3 => "The difference between the request time and the current time is too large.",
        Service::Kms => says,
    };
    Err(wrong(
        service,
        "RequestTimeTooSkewed",
        "InvalidSignatureException",
        says,
    ))
}

/// What services with JSON say of a signature of this moment; `None` if it is neither too old nor too young.
pub(super) fn untimely(signed: SystemTime, now: SystemTime) -> Option<&'static str> {
    let apart = now
        .duration_since(signed)
        .unwrap_or_else(|early| early.duration());
    if apart <= TOLERATED {
        return None;
    }
    Some(if signed < now {
        "Signature expired: it is now earlier than the service takes"
    } else {
        "Signature not yet current: it is later than the service takes"
    })
}

fn signature(secret: &str, claim: &Claim, request: &Request) -> Option<String> {
    let header = |name: &str| {
        let value: Vec<&str> = request.header(name)?.split_whitespace().collect();
        Some(format!("{name}:{}\n", value.join(" ")))
    };
    let headers: Option<String> = claim.signed_headers.split(';').map(header).collect();
    let headers = headers?;
    let mut query: Vec<(String, String)> = request
        .query
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let payload = if claim.expires.is_some() {
        "UNSIGNED-PAYLOAD".to_owned()
    } else {
        let given = request.header("x-amz-content-sha256").map(str::to_owned);
        given.unwrap_or_else(|| sha256(&request.body))
    };
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        request.method,
        request.path,
        query.join("&"),
        claim.signed_headers
    );
    let text = format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        claim.date,
        claim.scope,
        sha256(canonical.as_bytes())
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in claim.scope.split('/') {
        key = mac(&key, part.as_bytes());
    }
    Some(hex(&mac(&key, text.as_bytes())))
}

/// The body as it was meant, once its digests hold.
fn meant(mut request: Request) -> Result<Request, Wrong> {
    let bad = |says: &str| Wrong {
        status: 400,
        code: "BadDigest",
        says: says.to_owned(),
    };
    let digest = request.header("x-amz-content-sha256").map(str::to_owned);
    let mut checksum = request.header("x-amz-checksum-crc32").map(str::to_owned);
    if digest.as_deref() == Some(IN_FRAMES) {
        let (body, trailer) =
            unframed(&request.body).ok_or_else(|| bad("the frames are broken"))?;
        request.body = body;
        let trailer = trailer
            .lines()
            .find_map(|line| line.strip_prefix("x-amz-checksum-crc32:"));
        checksum = trailer.map(|sum| sum.trim().to_owned());
    } else if let Some(digest) = digest
        && digest != "UNSIGNED-PAYLOAD"
        && digest != sha256(&request.body)
    {
        return Err(bad("the body is not what was signed"));
    }
    match checksum {
        Some(sum) if sum != STANDARD.encode(crc32(&request.body).to_be_bytes()) => {
            Err(bad("the body is not what its checksum says"))
        }
        _ => Ok(request),
    }
}

/// What comes in frames of `aws-chunked`, and what is said behind it.
fn unframed(framed: &[u8]) -> Option<(Bytes, String)> {
    let mut body = Vec::new();
    let mut rest = framed;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let head = std::str::from_utf8(rest.get(..end)?).ok()?;
        let length = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
        rest = rest.get(end + 2..)?;
        if length == 0 {
            return Some((body.into(), String::from_utf8_lossy(rest).into_owned()));
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

fn wrong(service: Service, of_s3: &'static str, of_others: &'static str, says: &str) -> Wrong {
    let (status, code) = match service {
        Service::S3 => (403, of_s3),
        Service::Kms => (400, of_others),
    };
    Wrong {
        status,
        code,
        says: says.to_owned(),
    }
}

/// `20261122T170000Z` as a moment.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let of_day = number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?;
    // Days since 1970, with years that begin in March.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = u64::try_from(days * 86_400 + of_day).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_checksums_are_those_of_the_books() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(moment("19700101T000000Z"), Some(at(0)));
        assert_eq!(moment("20240229T120000Z"), Some(at(1_709_208_000)));
        assert_eq!(moment("20261231T235959Z"), Some(at(1_798_761_599)));
        assert_eq!(moment("yesterday"), None);
        // The check value of CRC-32.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn frames_are_put_together() {
        let framed = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-amz-checksum-crc32:abc=\r\n\r\n";
        let (body, trailer) = unframed(framed).unwrap();
        assert_eq!(body, "hello world");
        assert!(trailer.starts_with("x-amz-checksum-crc32:abc="));
        assert!(unframed(b"5\r\nhel").is_none());
    }
}
