//! What is refused, one story per item.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::*;

/// Refused with these headers, in the same words as every other bad signature, and nothing is stored.
async fn is_unsigned(headers: &[(&str, &str)]) {
    let world = server().await;
    let mut wire = github(&world, "star", "one");
    for (name, value) in headers {
        wire = wire.with(name, value);
    }
    let reply = post(&wire, STAR).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    assert_eq!(
        reply.detail(),
        "this is not signed with the secret that is shared with the sender"
    );
    assert_eq!(log(&world).await, []);
    world.stop().await;
}

#[actix::test]
async fn bad_input_missing_signature() {
    is_unsigned(&[]).await;
}

#[actix::test]
async fn bad_input_signature_with_another_secret() {
    is_unsigned(&[("x-hub-signature-256", &signature("guessed", STAR))]).await;
}

#[actix::test]
async fn bad_input_signature_of_another_body() {
    is_unsigned(&[("x-hub-signature-256", &signature(SECRET, b"{}"))]).await;
}

#[actix::test]
async fn bad_input_signature_with_sha1_only() {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let digits = hmac::sign(&key, STAR);
    let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}"));
    let old = format!("sha1={}", digits.collect::<String>());
    is_unsigned(&[("x-hub-signature", &old)]).await;
    is_unsigned(&[("x-hub-signature-256", &old)]).await;
}

#[actix::test]
async fn bad_input_truncated_signature() {
    let whole = signature(SECRET, STAR);
    for length in ["sha256=".len(), whole.len() - 2, whole.len() - 1] {
        is_unsigned(&[("x-hub-signature-256", &whole[..length])]).await;
    }
}

#[actix::test]
async fn bad_input_signature_of_another_form() {
    let whole = signature(SECRET, STAR);
    for odd in [
        whole.to_uppercase(),
        whole.replace("sha256=", ""),
        format!("{whole}00"),
        format!("{}é{}", &whole[..9], &whole[11..]),
    ] {
        is_unsigned(&[("x-hub-signature-256", &odd)]).await;
    }
}

/// Sends this head, then bodies of this kind, until an answer comes; the answer's first line.
async fn over_a_socket(world: &World, head: &str, chunk: &[u8], chunks: usize) -> String {
    let address = world.services.addresses.dashboard.rsplit_once(':').unwrap();
    let port: u16 = address.1.parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let claimed = signature(SECRET, b"");
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-github-event: push\r\nx-github-delivery: one\r\nx-hub-signature-256: {claimed}\r\n{head}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..chunks {
        stream.write_all(chunk).await.unwrap();
    }
    let mut answer = Vec::new();
    let first = timeout(Duration::from_secs(20), async {
        while !answer.contains(&b'\n') {
            let mut more = [0; 1024];
            let read = stream.read(&mut more).await.unwrap();
            assert_ne!(read, 0, "no answer");
            answer.extend_from_slice(&more[..read]);
        }
    });
    first.await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[actix::test]
async fn bad_input_oversized_by_its_own_word() {
    let world = server().await;
    let head = format!("content-length: {}", 25 * 1024 * 1024 + 1);
    let answer = over_a_socket(&world, &head, b"", 0).await;
    assert_eq!(answer, "HTTP/1.1 413 Payload Too Large");
    assert_eq!(log(&world).await, []);
    world.stop().await;
}

#[actix::test]
async fn bad_input_oversized_without_saying_so() {
    let world = server().await;
    let spaces = vec![b' '; 1024 * 1024];
    let megabyte = [b"100000\r\n", spaces.as_slice(), b"\r\n"].concat();
    let head = "transfer-encoding: chunked";
    let answer = over_a_socket(&world, head, &megabyte, 26).await;
    assert_eq!(answer, "HTTP/1.1 413 Payload Too Large");
    assert_eq!(log(&world).await, []);
    world.stop().await;
}

/// A large one that is signed is read beside the threads that answer, and is as good as any.
#[actix::test]
async fn a_body_of_nearly_the_longest_kind_is_taken() {
    let world = server().await;
    let mut body = br#"{"action":"created","text":""#.to_vec();
    body.resize(25 * 1024 * 1024 - 2, b'a');
    body.extend(b"\"}");
    let reply = send(&world, "star", "one", &body).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    let record = serde_json::to_string(&log(&world).await[0].0).unwrap();
    assert!(record.len() < 300, "only what is decided is kept: {record}");
    world.stop().await;
}

#[actix::test]
async fn bad_input_of_another_content_type() {
    let world = server().await;
    for kind in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let wire = github(&world, "star", "one");
        let wire = wire.with("x-hub-signature-256", &signature(SECRET, STAR));
        let wire = wire.with("content-type", kind);
        let reply = post(&wire, STAR).await;
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert_eq!(log(&world).await, []);
    world.stop().await;
}

#[actix::test]
async fn bad_input_without_event_or_id_or_with_odd_ones() {
    let world = server().await;
    let wire = github(&world, "star", "one");
    let wire = wire.with("x-hub-signature-256", &signature(SECRET, STAR));
    let long = "a".repeat(65);
    for (name, odd) in [
        ("x-github-event", None),
        ("x-github-delivery", None),
        ("x-github-event", Some("")),
        ("x-github-event", Some("pull request")),
        ("x-github-event", Some(&*long)),
        ("x-github-delivery", Some("one unreadable")),
        ("x-github-delivery", Some("../one")),
        ("x-github-delivery", Some(&*long)),
    ] {
        let wire = odd.map_or_else(|| wire.without(name), |odd| wire.with(name, odd));
        let reply = post(&wire, STAR).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name} {odd:?}");
        assert!(reply.detail().contains(name), "{reply:?}");
    }
    assert_eq!(log(&world).await, []);
    world.stop().await;
}

/// Signed, and not readable: refused each time, recorded once, and for an admin to read.
async fn is_recorded_as_ignored(body: &[u8], why: &str) {
    let world = server().await;
    for _ in 0..2 {
        let reply = send(&world, "push", "one", body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{reply:?}");
        assert_eq!(reply.detail(), why);
    }
    let decided = decided(&world, "one unreadable").await;
    assert_eq!(decided, format!("push: ignored: {why}"));
    assert_eq!(log(&world).await.len(), 1);
    // When a later version can read it, or GitHub sends it whole, the same id is taken.
    let reply = send(&world, "star", "one", STAR).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    world.stop().await;
}

#[actix::test]
async fn bad_input_not_json() {
    let why = "the body of this `push` webhook is not JSON: expected value at line 1 column 1";
    is_recorded_as_ignored(b"payload=%7B%7D", why).await;
}

#[actix::test]
async fn bad_input_json_of_another_shape() {
    let why = "this `push` webhook is not of the shape that GitHub documents: invalid type: integer `5`, expected a string at line 1 column 8";
    is_recorded_as_ignored(br#"{"ref":5}"#, why).await;
}

#[actix::test]
async fn bad_input_a_reason_that_would_fill_the_log() {
    let world = server().await;
    let body = format!(r#"{{"installation":"{}"}}"#, "a".repeat(100_000));
    let reply = send(&world, "push", "one", body.as_bytes()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.detail().len(), LONGEST_REASON);
    world.stop().await;
}

#[actix::test]
async fn bad_input_names_that_would_fill_the_log() {
    let world = server().await;
    let body = format!(
        r#"{{"ref":"refs/heads/{}","deleted":true,"after":""}}"#,
        "a".repeat(LONGEST_RECORD)
    );
    let reply = send(&world, "push", "one", body.as_bytes()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        reply.detail(),
        "what is kept of a webhook has at most 524288 bytes, and this has more"
    );
    world.stop().await;
}
