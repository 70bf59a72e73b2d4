//! S3, as far as Nestling asks it: whole objects, pages of keys, removal in batches, rules of retention.

mod listing;

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::Method;

use super::{
    State,
    wire::{Answer, Answered, Request, escaped, hex},
};

/// All buckets.
#[derive(Debug)]
pub struct Buckets {
    /// By name.
    pub buckets: BTreeMap<String, Bucket>,
    /// The most keys of one page, whatever is asked for.
    pub page: usize,
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets {
            buckets: BTreeMap::new(),
            page: 1000,
        }
    }
}

/// A bucket.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    /// Where it lies.
    pub region: String,
    /// By key.
    pub objects: BTreeMap<String, Object>,
    /// Rules of retention: what keys begin with, and after how many days they go.
    pub rules: Vec<(String, u32)>,
}

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    /// All of it.
    pub bytes: Bytes,
    /// When it was put, in milliseconds since 1970.
    pub put_at: u64,
}

impl State {
    /// Makes an empty bucket in this region.
    pub fn create_bucket(&mut self, name: &str, region: &str) {
        let bucket = Bucket {
            region: region.to_owned(),
            ..Bucket::default()
        };
        self.s3.buckets.insert(name.to_owned(), bucket);
    }
}

/// The action that a request is, as policies name it.
pub(super) fn action(request: &Request) -> &'static str {
    let (_, key) = named(request);
    let asks = |name: &str| request.parameter(name).is_some();
    match (&request.method, key.is_empty()) {
        (&Method::HEAD, true) => "HeadBucket",
        (&Method::GET, true) if asks("lifecycle") => "GetLifecycleConfiguration",
        (&Method::GET, true) => "ListBucket",
        (&Method::POST, true) if asks("delete") => "DeleteObject",
        (&Method::PUT, false) => "PutObject",
        (&Method::GET, false) => "GetObject",
        _ => "Unknown",
    }
}

/// Bucket and key of a request: the model is asked by paths, as whatever is no host of AWS.
fn named(request: &Request) -> (String, String) {
    let path = request.path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let pair = format!("k={}", key.replace('+', "%2B"));
    let key = url::form_urlencoded::parse(pair.as_bytes()).next();
    (
        bucket.to_owned(),
        key.map(|(_, key)| key.into_owned()).unwrap_or_default(),
    )
}

pub(super) fn answer(state: &mut State, action: &str, request: &Request) -> Answered {
    let (name, key) = named(request);
    if action == "s3:PutObject" {
        let bytes = state.put_bytes.entry(key.clone()).or_default();
        *bytes += request.body.len() as u64;
    }
    if action == "s3:PutObject" && request.parameter("X-Amz-Signature").is_some() {
        state.put_past.push(key.clone());
    }
    let page = state.s3.page;
    let is_head = request.method == Method::HEAD;
    let bucket = state.s3.buckets.get_mut(&name).ok_or_else(|| {
        if is_head {
            return Answer::empty(404);
        }
        Answer::xml_error(404, "NoSuchBucket", "The specified bucket does not exist")
    })?;
    if bucket.region != state.region {
        let region = bucket.region.clone();
        let moved = if is_head {
            Answer::empty(301)
        } else {
            let says = "The bucket you are attempting to access must be addressed using the specified endpoint.";
            Answer::xml_error(301, "PermanentRedirect", says)
        };
        return Err(moved.with("x-amz-bucket-region", region));
    }
    match action {
        "s3:HeadBucket" => {
            Ok(Answer::empty(200).with("x-amz-bucket-region", bucket.region.clone()))
        }
        "s3:GetLifecycleConfiguration" => rules(bucket),
        "s3:ListBucket" => listing::list(bucket, &name, request, page),
        "s3:DeleteObject" => remove(bucket, request),
        "s3:PutObject" => put(bucket, key, request),
        "s3:GetObject" => get(bucket, &key),
        _ => Err(Answer::xml_error(
            501,
            "NotImplemented",
            "the model does not know this",
        )),
    }
}

fn put(bucket: &mut Bucket, key: String, request: &Request) -> Answered {
    if key.len() > 1024 {
        return Err(Answer::xml_error(
            400,
            "KeyTooLongError",
            "Your key is too long",
        ));
    }
    if request.header("if-none-match") == Some("*") && bucket.objects.contains_key(&key) {
        let says = "At least one of the pre-conditions you specified did not hold";
        return Err(Answer::xml_error(412, "PreconditionFailed", says));
    }
    let object = Object {
        bytes: request.body.clone(),
        put_at: now(),
    };
    let answer = Answer::empty(200).with("etag", tag(&object.bytes));
    bucket.objects.insert(key, object);
    Ok(answer)
}

fn get(bucket: &Bucket, key: &str) -> Answered {
    let object = bucket
        .objects
        .get(key)
        .ok_or_else(|| Answer::xml_error(404, "NoSuchKey", "The specified key does not exist."))?;
    Ok(Answer {
        body: object.bytes.clone(),
        ..Answer::empty(200)
    }
    .with("content-type", "application/octet-stream")
    .with("etag", tag(&object.bytes)))
}

fn remove(bucket: &mut Bucket, request: &Request) -> Answered {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let keys: Vec<&str> = body
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split("</Key>").next())
        .collect();
    if keys.is_empty() || keys.len() > 1000 {
        let says = "The XML you provided was not well-formed or did not validate against our published schema";
        return Err(Answer::xml_error(400, "MalformedXML", says));
    }
    for key in keys {
        bucket.objects.remove(
            &key.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        );
    }
    Ok(Answer::xml(
        200,
        "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></DeleteResult>",
    ))
}

fn rules(bucket: &Bucket) -> Answered {
    if bucket.rules.is_empty() {
        let says = "The lifecycle configuration does not exist";
        return Err(Answer::xml_error(404, "NoSuchLifecycleConfiguration", says));
    }
    let rule = |(prefix, days): &(String, u32)| {
        format!(
            "<Rule><ID>story</ID><Status>Enabled</Status><Filter><Prefix>{}</Prefix></Filter><Expiration><Days>{days}</Days></Expiration></Rule>",
            escaped(prefix)
        )
    };
    let rules: String = bucket.rules.iter().map(rule).collect();
    Ok(Answer::xml(
        200,
        &format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>"),
    ))
}

/// Of no use but to be compared.
fn tag(bytes: &[u8]) -> String {
    let sum = digest::digest(&digest::SHA256, bytes);
    format!("\"{}\"", hex(&sum.as_ref()[..16]))
}

#[allow(clippy::disallowed_methods, reason = "a model's clock is its own")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// What a page goes on after, and what nobody reads in it.
fn token(after: &str) -> String {
    STANDARD.encode(after)
}

fn read_token(token: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()
}
