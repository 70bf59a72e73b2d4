//! Addresses signed beforehand: good for one key, one length and five minutes, without a credential.

use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::*;

const VALID: Duration = Duration::from_mins(5);

/// Puts at an address as a machine does, which knows nothing else.
async fn put(address: &str, body: &[u8]) -> StatusCode {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(Method::PUT)
        .uri(address)
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap();
    client.request(request).await.unwrap().status()
}

#[tokio::test]
async fn an_address_is_good_for_one_key_and_exactly_its_length() {
    let (s3, _model) = model().await;
    let address = s3.address(SEGMENT, 5, VALID).await.unwrap().unwrap();
    assert_eq!(put(&address, b"four").await, StatusCode::FORBIDDEN);
    assert_eq!(put(&address, b"sixsix").await, StatusCode::FORBIDDEN);
    assert_eq!(s3.get(SEGMENT).await.unwrap(), None);
    assert_eq!(put(&address, b"fives").await, StatusCode::OK);
    assert_eq!(s3.get(SEGMENT).await.unwrap().unwrap(), "fives");

    let other = address.replace("000001", "000002");
    assert_eq!(put(&other, b"fives").await, StatusCode::FORBIDDEN);
    let longer = address.replace("X-Amz-Expires=300", "X-Amz-Expires=3000");
    assert_ne!(longer, address);
    assert_eq!(put(&longer, b"fives").await, StatusCode::FORBIDDEN);
    assert!(!address.contains(nestling_world::aws::SECRET_KEY));
    assert!(s3.address("../x", 5, VALID).await.is_err());
}

#[tokio::test]
async fn an_address_ends_after_its_time_whatever_the_clock_of_the_server_says() {
    let (s3, model) = model().await;
    model.act(|aws| aws.clock_ahead = -3_600);
    // The first answer tells what time it is there.
    s3.list("").await.unwrap();
    let address = s3.address(SEGMENT, 5, VALID).await.unwrap().unwrap();
    assert_eq!(put(&address, b"fives").await, StatusCode::OK);
    model.act(|aws| aws.clock_ahead += 301);
    assert_eq!(put(&address, b"fives").await, StatusCode::FORBIDDEN);
}
