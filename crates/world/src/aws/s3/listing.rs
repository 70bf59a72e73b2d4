//! Pages of keys (`ListObjectsV2`).

use std::time::{Duration, UNIX_EPOCH};

use super::{
    super::wire::{Answer, Answered, Request, escaped},
    Bucket, read_token, tag, token,
};

pub(super) fn list(bucket: &Bucket, name: &str, request: &Request, most: usize) -> Answered {
    let bad = |says: &str| Answer::xml_error(400, "InvalidArgument", says);
    if request.parameter("list-type") != Some("2") {
        return Err(bad("the model knows list-type=2 only"));
    }
    let prefix = request.parameter("prefix").unwrap_or_default();
    let asked = request.parameter("max-keys").map_or(Ok(1000), str::parse);
    let size = asked.map_err(|_| bad("max-keys"))?.min(most);
    let after = match request.parameter("continuation-token") {
        Some(token) => Some(
            read_token(token).ok_or_else(|| bad("The continuation token provided is incorrect"))?,
        ),
        None => request.parameter("start-after").map(str::to_owned),
    };
    let mut found = bucket.objects.iter().filter(|(key, _)| {
        key.starts_with(prefix) && after.as_ref().is_none_or(|after| *key > after)
    });
    let page: Vec<_> = found.by_ref().take(size).collect();
    let is_truncated = found.next().is_some();
    let object = |(key, object): &(&String, &super::Object)| {
        format!(
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            escaped(key),
            moment(object.put_at),
            escaped(&tag(&object.bytes)),
            object.bytes.len()
        )
    };
    let contents: String = page.iter().map(object).collect();
    let next = page.last().filter(|_| is_truncated);
    let next = next.map_or(String::new(), |(key, _)| {
        format!(
            "<NextContinuationToken>{}</NextContinuationToken>",
            token(key)
        )
    });
    let body = format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{name}</Name><Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{size}</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>{contents}{next}</ListBucketResult>",
        escaped(prefix),
        page.len()
    );
    Ok(Answer::xml(200, &body))
}

/// `2026-11-22T17:00:00.000Z`; of whole seconds, as S3 tells it.
fn moment(milliseconds: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_secs(milliseconds / 1000);
    // `Sun, 22 Nov 2026 17:00:00 GMT`
    let text = httpdate::fmt_http_date(at);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(part(8, 11)).unwrap_or_default() / 3 + 1;
    format!(
        "{}-{month:02}-{}T{}.000Z",
        part(12, 16),
        part(5, 7),
        part(17, 25)
    )
}
