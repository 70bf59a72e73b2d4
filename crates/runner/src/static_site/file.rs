//! Answering with a file: whole, in part, or not at all where the visitor has it already (RFC 9110, sections 13 and 14).
//!
//! Our own few lines on two small readers of headers: the libraries that serve files on hyper either need a runtime of
//! several threads (`http-serve`, `serdir`), or have no strong tags, by which a part may be asked for
//! (`hyper-staticfile`, `tower-http`).

use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use http_range::{HttpRange, HttpRangeParseError};
use hyper::body::Frame;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Body, content_type, empty};
use crate::clock::now_millis;

/// Files are read in pieces of this size.
const PIECE: usize = 64 * 1024;
/// A file that changed less than this before the answer may change again within the second that a date names.
const SETTLED: Duration = Duration::from_secs(1);

/// What a visitor gets of a file.
#[derive(Debug, PartialEq, Eq)]
enum Share {
    Whole,
    Part(Range<u64>),
    /// It has this very file already.
    Known,
    /// It wants another file than this one.
    Other,
    /// The file is shorter than the part that it wants.
    Beyond,
}

/// Which file this is, so that another one of the same name is told from it.
struct Version {
    tag: String,
    /// In whole seconds, as dates are said over HTTP.
    changed: SystemTime,
    /// Whether it will not change any more within the second of its date.
    settled: bool,
    length: u64,
}

/// The answer with this file. A page that says that something is missing (`status` is not 200) is always sent whole.
pub(super) async fn answer<B>(
    request: &Request<B>,
    path: &Path,
    status: StatusCode,
) -> std::io::Result<Response<Body>> {
    let file = File::open(path).await?;
    let version = Version::of(&file.metadata().await?)?;
    let share = if status == StatusCode::OK {
        version.share(request.method(), request.headers())
    } else {
        Share::Whole
    };
    let (status, part) = match &share {
        Share::Whole => (status, Some(0..version.length)),
        Share::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part.clone())),
        Share::Known => (StatusCode::NOT_MODIFIED, None),
        Share::Other => (StatusCode::PRECONDITION_FAILED, None),
        Share::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, None),
    };
    let body = match &part {
        Some(part) if request.method() != Method::HEAD => read(file, part).await?,
        _ => empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let mut say = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    say(ETAG, version.tag.clone());
    say(LAST_MODIFIED, httpdate::fmt_http_date(version.changed));
    let length = version.length;
    match &share {
        Share::Part(part) => say(
            CONTENT_RANGE,
            format!("bytes {}-{}/{length}", part.start, part.end - 1),
        ),
        Share::Beyond => say(CONTENT_RANGE, format!("bytes */{length}")),
        Share::Whole | Share::Known | Share::Other => {}
    }
    if let Some(part) = part {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    }
    Ok(response)
}

impl Version {
    fn of(data: &std::fs::Metadata) -> std::io::Result<Self> {
        let (modified, now) = (
            data.modified()?,
            UNIX_EPOCH + Duration::from_millis(now_millis()),
        );
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Times before 1970 and after 9999 have no date in HTTP, and one in the future may not be said.
        let changed = since(modified.min(now)).as_secs();
        let age = now.duration_since(modified);
        Ok(Version {
            tag: format!("\"{:x}-{:x}\"", data.len(), since(modified).as_nanos()),
            changed: UNIX_EPOCH + Duration::from_secs(changed),
            settled: age.is_ok_and(|age| age > SETTLED),
            length: data.len(),
        })
    }

    /// What a request gets; its conditions in the order of RFC 9110, section 13.2.2. A header that cannot be read is as
    /// good as none.
    fn share(&self, method: &Method, headers: &HeaderMap) -> Share {
        if let Some(wanted) = list(headers, IF_MATCH) {
            if !wanted.iter().any(|tag| *tag == "*" || *tag == self.tag) {
                return Share::Other;
            }
        } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| self.changed > since) {
            return Share::Other;
        }
        if let Some(known) = list(headers, IF_NONE_MATCH) {
            // A proxy that packs a file on its way may have made the tag a weak one.
            let bare = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag;
            if known.iter().any(|tag| bare(tag)) {
                return Share::Known;
            }
        } else if date(headers, IF_MODIFIED_SINCE).is_some_and(|since| self.changed <= since) {
            return Share::Known;
        }
        if *method != Method::GET || !self.is_what_the_rest_belongs_to(headers) {
            return Share::Whole;
        }
        let Some(range) = headers.get(RANGE) else {
            return Share::Whole;
        };
        match HttpRange::parse_bytes(range.as_bytes(), self.length).as_deref() {
            Ok([one]) if one.length > 0 => Share::Part(one.start..one.start + one.length),
            Ok([_]) | Err(HttpRangeParseError::NoOverlap) => Share::Beyond,
            // Several parts at once: whoever asks for them takes the whole, too.
            Ok(_) | Err(HttpRangeParseError::InvalidRange) => Share::Whole,
        }
    }

    /// Whether a visitor that has a part of some file, and says which, has a part of this one.
    fn is_what_the_rest_belongs_to(&self, headers: &HeaderMap) -> bool {
        let Some(stated) = headers.get(IF_RANGE) else {
            return true;
        };
        stated.as_bytes() == self.tag.as_bytes()
            || (self.settled && date(headers, IF_RANGE) == Some(self.changed))
    }
}

/// The members of a header that is a list of tags; nothing where there is no such header.
fn list(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let tags = lines.iter().flat_map(|line| line.split(','));
    (!lines.is_empty()).then(|| tags.map(str::trim).collect())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// The bytes of a part of a file, read while they are sent.
async fn read(mut file: File, part: &Range<u64>) -> std::io::Result<Body> {
    file.seek(SeekFrom::Start(part.start)).await?;
    let mut file = file.take(part.end - part.start);
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).await;
            let sent = match read {
                Ok(0) => return,
                Ok(length) => {
                    piece.truncate(length);
                    sender.send(Ok(Frame::data(Bytes::from(piece)))).await
                }
                Err(error) => sender.send(Err(error)).await,
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(BodyExt::boxed(StreamBody::new(Pieces(receiver))))
}

/// The pieces of a file on their way.
struct Pieces(tokio::sync::mpsc::Receiver<std::io::Result<Frame<Bytes>>>);

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<Frame<Bytes>>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

#[cfg(test)]
mod tests;
