//! What is special about blobs in S3: two buckets, pages and batches, and whatever goes wrong on the way.

mod addresses;
mod trouble;

use std::{any::Any, sync::Arc};

use nestling_world::aws::{Emulator, Model};

use super::*;
use crate::drivers::{
    aws::tests::{account_at, account_in, real_account},
    blobs::conformance::{AnyBlobs, conformance},
};

const LOGS: &str = "nestling-logs";
const ARTIFACTS: &str = "nestling-artifacts";
const SEGMENT: &str = "environments/shop-pr-1/3/logs/runtime/000001";
const SEAL: &str = "environments/shop-pr-1/3/sealed/logs/runtime/000001";
const TESTS: &str = "environments/shop-pr-1/3/tests.json";

fn order(prefix: &str) -> Order {
    Order {
        logs_bucket: LOGS.to_owned(),
        artifacts_bucket: ARTIFACTS.to_owned(),
        prefix: prefix.to_owned(),
    }
}

/// The model with both buckets, and blobs in them.
async fn model() -> (S3, Model) {
    let model = Model::start().unwrap();
    model.act(|aws| {
        aws.create_bucket(LOGS, "eu-central-1");
        aws.create_bucket(ARTIFACTS, "eu-central-1");
    });
    let account = account_at(&model.base()).await;
    (S3::new(&account, &order("nestling/")), model)
}

fn keys_in(model: &Model, bucket: &str) -> Vec<String> {
    model.act(|aws| aws.s3.buckets[bucket].objects.keys().cloned().collect())
}

mod on_the_model {
    use super::*;

    async fn fresh() -> Option<(AnyBlobs, Box<dyn Any>)> {
        let (s3, model) = model().await;
        // A list of some keys has pages, and what is behind the first counts, too.
        model.act(|aws| aws.s3.page = 3);
        Some((Arc::new(s3), Box::new(model)))
    }

    conformance!(fresh);
}

mod on_the_emulator {
    use super::*;

    async fn fresh() -> Option<(AnyBlobs, Box<dyn Any>)> {
        let emulator = Emulator::start().unwrap()?;
        // Names of buckets are everybody's, also across accounts.
        let own = |name: &str| format!("{name}-{}", emulator.access_key());
        let order = Order {
            logs_bucket: own(LOGS),
            artifacts_bucket: own(ARTIFACTS),
            prefix: String::new(),
        };
        let s3 = S3::new(&account_in(&emulator).await, &order);
        for bucket in s3.buckets() {
            let made = bucket.client.create_bucket().bucket(&bucket.name);
            made.create_bucket_configuration(
                aws_sdk_s3::types::CreateBucketConfiguration::builder()
                    .location_constraint("eu-central-1".into())
                    .build(),
            )
            .send()
            .await
            .unwrap();
        }
        Some((Arc::new(s3), Box::new(emulator)))
    }

    conformance!(fresh);
}

mod on_a_real_account {
    use super::*;

    /// With `NESTLING_TEST_BUCKET`: everything happens below a prefix of this story's own.
    async fn fresh() -> Option<(AnyBlobs, Box<dyn Any>)> {
        let bucket = std::env::var("NESTLING_TEST_BUCKET").ok()?;
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        let order = Order {
            logs_bucket: bucket.clone(),
            artifacts_bucket: bucket,
            prefix: format!("nestling-test/{:016x}/", u64::from_be_bytes(random)),
        };
        Some((
            Arc::new(S3::new(&real_account().await?, &order)),
            Box::new(()),
        ))
    }

    conformance!(fresh);
}

#[tokio::test]
async fn logs_and_their_seals_lie_in_one_bucket_and_everything_else_in_the_other() {
    let (s3, model) = model().await;
    for key in [SEGMENT, SEAL, TESTS, "deliveries/abc"] {
        s3.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    let full = |key: &str| format!("nestling/{key}");
    assert_eq!(keys_in(&model, LOGS), [full(SEGMENT), full(SEAL)]);
    assert_eq!(
        keys_in(&model, ARTIFACTS),
        [full("deliveries/abc"), full(TESTS)]
    );

    let all = s3.list("environments/shop-pr-1/3/").await.unwrap();
    let all: Vec<&str> = all.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(all, [SEGMENT, SEAL, TESTS], "one list of both");
    let before = model.times("s3:ListBucket");
    s3.list("environments/shop-pr-1/3/logs/runtime/")
        .await
        .unwrap();
    assert_eq!(
        model.times("s3:ListBucket"),
        before + 1,
        "logs lie in one only"
    );

    s3.remove("environments/shop-pr-1/").await.unwrap();
    assert_eq!(keys_in(&model, LOGS), [""; 0]);
    assert_eq!(keys_in(&model, ARTIFACTS), [full("deliveries/abc")]);
}

#[tokio::test]
async fn what_others_keep_in_the_bucket_is_neither_seen_nor_touched() {
    let (s3, model) = model().await;
    let account = account_at(&model.base()).await;
    let other = S3::new(&account, &order("nestling-of-others/"));
    other.put("a", Bytes::from_static(b"theirs")).await.unwrap();
    s3.put("a", Bytes::from_static(b"ours")).await.unwrap();
    assert_eq!(s3.list("").await.unwrap(), [("a".to_owned(), 4)]);
    assert_eq!(s3.prune(Timestamp(u64::MAX), 0).await.unwrap(), 1);
    assert_eq!(other.get("a").await.unwrap().unwrap(), "theirs");
}

#[tokio::test]
async fn two_thousand_objects_are_listed_in_pages_and_removed_in_batches() {
    let (s3, model) = model().await;
    model.act(|aws| {
        let bucket = aws.s3.buckets.get_mut(LOGS).unwrap();
        for n in 0..2_300 {
            let object = nestling_world::aws::s3::Object {
                bytes: Bytes::from_static(b"line"),
                put_at: n,
            };
            let key = format!("nestling/environments/shop-pr-1/3/logs/runtime/{n:06}");
            bucket.objects.insert(key, object);
        }
    });
    let listed = s3.list("environments/shop-pr-1/3/logs/").await.unwrap();
    assert_eq!(listed.len(), 2_300);
    assert!(listed.is_sorted());
    assert_eq!(model.times("s3:ListBucket"), 3);
    s3.remove("environments/shop-pr-1/").await.unwrap();
    assert_eq!(model.times("s3:DeleteObject"), 3);
    assert_eq!(keys_in(&model, LOGS), [""; 0]);
}

#[tokio::test]
async fn a_bucket_with_a_rule_is_left_to_it_and_one_without_is_pruned() {
    let (s3, model) = model().await;
    for key in [SEGMENT, TESTS] {
        s3.put(key, Bytes::from_static(b"old")).await.unwrap();
    }
    let rule = |prefix: &str, days| {
        let rules = vec![(prefix.to_owned(), days)];
        model.act(|aws| aws.s3.buckets.get_mut(LOGS).unwrap().rules = rules);
    };
    rule("another/", 1);
    assert_eq!(
        s3.buckets()[0].retention().await.unwrap(),
        Retention::Forever,
        "of what is not ours"
    );
    rule("nest", 30);
    assert_eq!(
        s3.buckets()[0].retention().await.unwrap(),
        Retention::Days(30)
    );
    assert_eq!(s3.prune(Timestamp(u64::MAX), 0).await.unwrap(), 1);
    assert_eq!(keys_in(&model, LOGS).len(), 1);
    assert_eq!(keys_in(&model, ARTIFACTS), [""; 0]);

    // Who may not see the rules prunes, too: what is old must go.
    model.act(|aws| aws.denied.insert("s3:GetLifecycleConfiguration".to_owned()));
    assert_eq!(s3.prune(Timestamp(u64::MAX), 0).await.unwrap(), 1);
}
