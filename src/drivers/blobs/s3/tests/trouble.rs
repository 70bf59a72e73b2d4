//! What goes wrong on the way to S3, and what comes of it.

use std::error::Error as _;

use nestling_world::aws::Fault;

use super::*;

/// Why it failed, for people: the cause of an error of a blob.
fn why(error: &BlobError) -> String {
    let told = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {told}")
}

#[tokio::test]
async fn what_is_throttled_or_fails_or_is_cut_is_tried_again_until_it_is_done() {
    let (s3, model) = model().await;
    for fault in [
        Fault::Status(503, "SlowDown"),
        Fault::Status(500, "InternalError"),
        Fault::Cut,
        Fault::LostAnswer,
    ] {
        let text = Bytes::from(format!("{fault:?}"));
        model.act(|aws| {
            aws.faults.order_times("s3:PutObject", &fault, 2);
            aws.faults.order("s3:GetObject", fault.clone());
            aws.faults.order("s3:ListBucket", fault.clone());
        });
        s3.put(TESTS, text.clone()).await.unwrap();
        assert_eq!(s3.get(TESTS).await.unwrap().unwrap(), text);
        assert_eq!(s3.list("").await.unwrap().len(), 1);
        assert!(model.act(|aws| aws.faults.is_spent()), "{fault:?}");
    }
    for fault in [Fault::Status(503, "SlowDown"), Fault::LostAnswer] {
        s3.put(TESTS, Bytes::new()).await.unwrap();
        model.act(|aws| aws.faults.order("s3:DeleteObject", fault));
        s3.remove(TESTS).await.unwrap();
        assert_eq!(s3.get(TESTS).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_read_again_and_never_taken_for_the_whole() {
    let (s3, model) = model().await;
    let bytes = Bytes::from(vec![7; 300_000]);
    s3.put(SEGMENT, bytes.clone()).await.unwrap();
    model.act(|aws| {
        aws.faults.order("s3:GetObject", Fault::CutBody(100_000));
        aws.faults.order("s3:GetObject", Fault::CutBody(0));
    });
    assert_eq!(s3.get(SEGMENT).await.unwrap().unwrap(), bytes);
    assert_eq!(model.times("s3:GetObject"), 3);

    model.act(|aws| {
        aws.faults
            .order_times("s3:GetObject", &Fault::CutBody(200_000), 3);
    });
    let error = s3.get(SEGMENT).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not read blob {SEGMENT}"));
}

#[tokio::test]
async fn an_object_that_is_none_of_ours_does_not_fill_the_memory() {
    let (s3, model) = model().await;
    s3.put("a", Bytes::new()).await.unwrap();
    model.act(|aws| {
        let bucket = aws.s3.buckets.get_mut(ARTIFACTS).unwrap();
        let object = bucket.objects.get_mut("nestling/a").unwrap();
        object.bytes = Bytes::from(vec![0; (64 << 20) + 1]);
    });
    let error = s3.get("a").await.unwrap_err();
    assert_eq!(
        why(&error),
        "could not read blob a: it is longer than 64 MiB, which no blob of ours is"
    );
    assert_eq!(model.times("s3:GetObject"), 1, "and is not asked for again");
}

#[tokio::test]
async fn what_a_person_has_to_mend_is_said_with_what_to_do() {
    let (s3, model) = model().await;
    let mut said = Vec::new();
    let mut put = async || {
        let error = s3.put(TESTS, Bytes::new()).await.unwrap_err();
        said.push(why(&error));
    };
    model.act(|aws| aws.create_bucket(ARTIFACTS, "us-west-2"));
    put().await;
    model.act(|aws| aws.s3.buckets.remove(ARTIFACTS));
    put().await;
    model.act(|aws| {
        aws.create_bucket(ARTIFACTS, "eu-central-1");
        aws.denied.insert("s3:PutObject".to_owned());
    });
    put().await;
    model.act(|aws| {
        aws.denied.clear();
        aws.expire_credentials();
    });
    put().await;
    model.act(|aws| aws.credentials.clear());
    put().await;
    insta::assert_snapshot!(said.join("\n"), @r"
    could not write blob environments/shop-pr-1/3/tests.json: the bucket nestling-artifacts is in us-west-2, and eu-central-1 is asked: set aws.region to where the buckets are
    could not write blob environments/shop-pr-1/3/tests.json: there is no bucket nestling-artifacts in eu-central-1: make it (aws s3 mb s3://nestling-artifacts --region eu-central-1), or name another in blobs.s3
    could not write blob environments/shop-pr-1/3/tests.json: AWS refuses s3:PutObject in the bucket nestling-artifacts: these credentials may not do that (AccessDenied: User: arn:aws:iam::111122223333:user/story is not authorized to perform: s3:PutObject): allow s3:PutObject in the policy of the server's role
    could not write blob environments/shop-pr-1/3/tests.json: AWS refuses s3:PutObject in the bucket nestling-artifacts: the credentials have expired (ExpiredToken): renew them; those of a role renew themselves
    could not write blob environments/shop-pr-1/3/tests.json: AWS refuses s3:PutObject in the bucket nestling-artifacts: it does not know these credentials (InvalidAccessKeyId): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    ");
}

#[tokio::test]
async fn what_cannot_be_put_is_a_trouble_until_something_can() {
    let (s3, model) = model().await;
    assert_eq!(s3.trouble(), None);
    model.act(nestling_world::aws::State::expire_credentials);
    s3.put(TESTS, Bytes::new()).await.unwrap_err();
    insta::assert_snapshot!(s3.trouble().unwrap(), @"AWS refuses s3:PutObject in the bucket nestling-artifacts: the credentials have expired (ExpiredToken): renew them; those of a role renew themselves");
    model.act(|aws| {
        for credential in aws.credentials.values_mut() {
            credential.has_expired = false;
        }
    });
    s3.put(TESTS, Bytes::new()).await.unwrap();
    assert_eq!(s3.trouble(), None);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_signed_around_and_told() {
    let model = Model::start().unwrap();
    model.act(|aws| {
        aws.create_bucket(LOGS, "eu-central-1");
        aws.create_bucket(ARTIFACTS, "eu-central-1");
        aws.clock_ahead = 3_600;
    });
    let account = account_at(&model.base()).await;
    let s3 = S3::new(&account, &order(""));
    s3.put("a", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(s3.get("a").await.unwrap().unwrap(), "x");
    let trouble = account.clock().trouble().unwrap();
    assert!(
        trouble.contains("s behind that of AWS; set it by the network"),
        "{trouble}"
    );
}

#[tokio::test]
async fn nobody_who_answers_is_told_and_nothing_is_lost() {
    // Who held a port a moment ago may be followed by somebody else: nobody is at this one.
    let s3 = S3::new(&account_at("http://127.0.0.1:9").await, &order(""));
    let error = s3.put(TESTS, Bytes::new()).await.unwrap_err();
    let told = why(&error);
    assert!(
        told.starts_with(&format!(
            "could not write blob {TESTS}: AWS gives no good answer to s3:PutObject in the bucket {ARTIFACTS} ("
        )),
        "{told}"
    );
}
