//! Keys of KMS: what is asked of it and how often, what it says no to, and how one key follows another.

use std::{any::Any, sync::Arc, time::Duration};

use nestling_domain::ids::Timestamp;
use nestling_world::aws::{Emulator, Fault, Model};

use super::*;
use crate::drivers::{
    aws::tests::{account_at, account_in, real_account},
    clock,
    keys::{
        KeyError, Keys as _,
        conformance::{AnyKeys, assert_refused, conformance, context},
        kms::{Bounds, KmsKeys, Order},
        local::{LocalKeys, MASTER_KEY},
        moving::Moving,
    },
};

const ALIAS: &str = "alias/nestling";

fn order(key_id: &str, previous: &[&str]) -> Order {
    Order {
        key_id: key_id.to_owned(),
        previous_key_ids: previous.iter().map(ToString::to_string).collect(),
    }
}

async fn keys_of(model: &Model, key_id: &str, previous: &[&str], bounds: Bounds) -> KmsKeys {
    let account = account_at(&model.base()).await;
    KmsKeys::new(&account, order(key_id, previous), bounds)
}

/// The model with a key, and keys that it wraps.
async fn model() -> (KmsKeys, Model) {
    let model = Model::start().unwrap();
    model.act(|aws| aws.create_key("key-1", ALIAS));
    (keys_of(&model, ALIAS, &[], Bounds::default()).await, model)
}

mod on_the_model {
    use super::*;

    async fn fresh() -> Option<(AnyKeys, Box<dyn Any>)> {
        let (keys, model) = model().await;
        Some((Arc::new(keys), Box::new(model)))
    }

    conformance!(fresh);
}

mod on_the_emulator {
    use super::*;

    async fn fresh() -> Option<(AnyKeys, Box<dyn Any>)> {
        let emulator = Emulator::start().unwrap()?;
        let account = account_in(&emulator).await;
        let client = aws_sdk_kms::Client::new(account.sdk());
        let made = client.create_key().send().await.unwrap();
        let key_id = made.key_metadata.unwrap().key_id;
        let keys = KmsKeys::new(&account, order(&key_id, &[]), Bounds::default());
        Some((Arc::new(keys), Box::new(emulator)))
    }

    conformance!(fresh);
}

mod on_a_real_account {
    use super::*;

    /// With `NESTLING_TEST_KEY`, a symmetric key.
    async fn fresh() -> Option<(AnyKeys, Box<dyn Any>)> {
        let key_id = std::env::var("NESTLING_TEST_KEY").ok()?;
        let account = real_account().await?;
        let keys = KmsKeys::new(&account, order(&key_id, &[]), Bounds::default());
        Some((Arc::new(keys), Box::new(())))
    }

    conformance!(fresh);
}

#[tokio::test]
async fn one_data_key_serves_an_app_and_kind_for_a_while_and_none_serves_two() {
    let (keys, model) = model().await;
    let start = Timestamp(1_000_000_000);
    clock::simulated::stand(start);
    let mut envelopes = Vec::new();
    for name in ["A", "B", "C"] {
        let context = context("shop", "preview", name);
        envelopes.push((
            context.clone(),
            keys.seal(&context, b"hunter2").await.unwrap(),
        ));
    }
    assert_eq!(model.times("kms:GenerateDataKey"), 1);
    keys.seal(&context("shop", "production", "A"), b"x")
        .await
        .unwrap();
    keys.seal(&context("admin", "preview", "A"), b"x")
        .await
        .unwrap();
    assert_eq!(model.times("kms:GenerateDataKey"), 3);
    for (context, envelope) in &envelopes {
        keys.open(context, envelope).await.unwrap();
    }
    assert_eq!(
        model.times("kms:Decrypt"),
        0,
        "known since they were sealed"
    );

    clock::simulated::stand(start.plus(Duration::from_mins(5)));
    for (context, envelope) in &envelopes {
        keys.open(context, envelope).await.unwrap();
    }
    assert_eq!(model.times("kms:Decrypt"), 1, "once for the three of them");
    keys.seal(&context("shop", "preview", "A"), b"x")
        .await
        .unwrap();
    assert_eq!(
        model.times("kms:GenerateDataKey"),
        4,
        "what was opened does not seal"
    );
}

#[tokio::test]
async fn a_data_key_that_was_used_so_often_or_has_no_place_is_asked_for_again() {
    let (_, model) = model().await;
    let bounds = Bounds {
        uses: 3,
        keys: 2,
        ..Bounds::default()
    };
    let keys = keys_of(&model, ALIAS, &[], bounds).await;
    let of = |app: &str| context(app, "preview", "KEY");
    for times in [1, 1, 1, 2, 2, 2, 3] {
        keys.seal(&of("shop"), b"x").await.unwrap();
        assert_eq!(model.times("kms:GenerateDataKey"), times);
    }
    let now = clock::now();
    for (n, app) in (1..).zip(["a", "b", "c", "shop"]) {
        clock::simulated::stand(now.plus(Duration::from_millis(n)));
        keys.seal(&of(app), b"x").await.unwrap();
    }
    assert_eq!(
        model.times("kms:GenerateDataKey"),
        7,
        "two are kept at most"
    );
}

#[tokio::test]
async fn a_new_key_seals_and_those_of_before_open_as_long_as_they_are_named() {
    let (old, model) = model().await;
    let context = context("shop", "preview", "KEY");
    let envelope = old.seal(&context, b"hunter2").await.unwrap();
    model.act(|aws| aws.create_key("key-2", "alias/new"));

    let new = keys_of(&model, "alias/new", &["key-1"], Bounds::default()).await;
    assert_eq!(new.open(&context, &envelope).await.unwrap(), b"hunter2");
    assert_eq!(
        model.times("kms:Decrypt"),
        1,
        "the likely one is tried first"
    );
    let again = new.seal(&context, b"hunter2").await.unwrap();
    model.act(|aws| aws.kms.keys.remove("key-1"));
    let alone = keys_of(&model, "alias/new", &[], Bounds::default()).await;
    assert_eq!(alone.open(&context, &again).await.unwrap(), b"hunter2");
}

#[tokio::test]
async fn a_key_that_is_not_named_opens_nothing_although_kms_would() {
    let (old, model) = model().await;
    let context = context("shop", "preview", "KEY");
    let envelope = old.seal(&context, b"hunter2").await.unwrap();
    model.act(|aws| aws.create_key("key-2", "alias/new"));
    let new = keys_of(&model, "alias/new", &[], Bounds::default()).await;
    let refused = new.open(&context, &envelope).await;
    insta::assert_snapshot!(refused.as_ref().unwrap_err(), @r#"the secret "KEY" cannot be opened with this key: it was sealed with the KMS key arn:aws:kms:eu-central-1:111122223333:key/key-1, and alias/new is configured: name that one in keys.kms.previous_key_ids, or set the secret again"#);
    assert_refused(refused, "KEY");
    assert_eq!(
        new.trouble(),
        None,
        "the trouble of one secret is not the key's"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_said_with_what_to_do_and_passes_when_it_is_mended() {
    let (_, model) = model().await;
    let context = context("shop", "preview", "KEY");
    let mut said = Vec::new();
    let mut seal = async |key_id: &str| {
        let keys = keys_of(&model, key_id, &[], Bounds::default()).await;
        let error = keys.seal(&context, b"hunter2").await.unwrap_err();
        let kind = if matches!(error, KeyError::Failed(_)) {
            "may pass"
        } else {
            "stays"
        };
        assert!(error.to_string().contains(&keys.trouble().unwrap()));
        said.push(format!("{kind}: {error}"));
    };
    let state = |state| model.act(|aws| aws.kms.keys.get_mut("key-1").unwrap().state = state);
    state("Disabled");
    seal(ALIAS).await;
    state("PendingDeletion");
    seal(ALIAS).await;
    state("Unavailable");
    seal(ALIAS).await;
    state("Enabled");
    seal("alias/nobody").await;
    seal("arn:aws:kms:us-west-2:111122223333:key/key-1").await;
    model.act(|aws| aws.kms.keys.get_mut("key-1").unwrap().spec = "RSA_2048");
    seal(ALIAS).await;
    model.act(|aws| {
        aws.kms.keys.get_mut("key-1").unwrap().spec = "SYMMETRIC_DEFAULT";
        aws.denied.insert("kms:GenerateDataKey".to_owned());
    });
    seal(ALIAS).await;
    model.act(|aws| {
        aws.denied.clear();
        let throttled = Fault::Status(400, "ThrottlingException");
        aws.faults.order_times("kms:GenerateDataKey", &throttled, 4);
    });
    seal(ALIAS).await;
    model.act(nestling_world::aws::State::expire_credentials);
    seal(ALIAS).await;
    insta::assert_snapshot!(said.join("\n"), @r"
    stays: the master key cannot be used: the KMS key alias/nestling is disabled: enable it (aws kms enable-key)
    stays: the master key cannot be used: the KMS key alias/nestling is to be deleted, and every secret with it: cancel that (aws kms cancel-key-deletion), and enable it
    stays: the master key cannot be used: the KMS key alias/nestling cannot be used in its state (arn:aws:kms:eu-central-1:111122223333:key/key-1 is Unavailable.)
    stays: the master key cannot be used: there is no KMS key alias/nobody in eu-central-1: make it, or name another in keys.kms.key_id
    stays: the master key cannot be used: the KMS key arn:aws:kms:us-west-2:111122223333:key/key-1 is in us-west-2, and eu-central-1 is asked: set aws.region to where the key is, or name a key of eu-central-1
    stays: the master key cannot be used: the KMS key alias/nestling does not encrypt data keys: name a symmetric one (key spec SYMMETRIC_DEFAULT, usage ENCRYPT_DECRYPT)
    stays: the master key cannot be used: AWS refuses kms:GenerateDataKey with alias/nestling: these credentials may not do that (AccessDeniedException: User: arn:aws:iam::111122223333:user/story is not authorized to perform: kms:GenerateDataKey): allow kms:GenerateDataKey in the policy of the server's role
    may pass: the master key cannot be used at present: AWS takes no more of kms:GenerateDataKey with alias/nestling at present (ThrottlingException: by order of the story): nothing was done, and another try may help
    may pass: the master key cannot be used at present: AWS refuses kms:GenerateDataKey with alias/nestling: the credentials have expired (ExpiredTokenException): renew them; those of a role renew themselves
    ");
}

#[tokio::test]
async fn a_key_that_is_mended_is_no_trouble_any_more() {
    let (keys, model) = model().await;
    let context = context("shop", "preview", "KEY");
    let state = |state| model.act(|aws| aws.kms.keys.get_mut("key-1").unwrap().state = state);
    state("Disabled");
    keys.look().await.unwrap_err();
    assert!(keys.trouble().unwrap().contains("is disabled: enable it"));
    state("Enabled");
    keys.seal(&context, b"hunter2").await.unwrap();
    assert_eq!(keys.trouble(), None);
}

#[tokio::test]
async fn throttling_cuts_and_lost_answers_are_tried_again() {
    let (keys, model) = model().await;
    for (n, fault) in [
        Fault::Status(400, "ThrottlingException"),
        Fault::Status(500, "KMSInternalException"),
        Fault::Cut,
        Fault::LostAnswer,
    ]
    .into_iter()
    .enumerate()
    {
        let context = context(&format!("app-{n}"), "preview", "KEY");
        model.act(|aws| {
            aws.faults.order("kms:GenerateDataKey", fault.clone());
            aws.faults.order("kms:Decrypt", fault.clone());
        });
        let envelope = keys.seal(&context, b"hunter2").await.unwrap();
        let other = keys_of(&model, ALIAS, &[], Bounds::default()).await;
        assert_eq!(other.open(&context, &envelope).await.unwrap(), b"hunter2");
        assert!(model.act(|aws| aws.faults.is_spent()), "{fault:?}");
    }
}

#[tokio::test]
async fn a_look_sees_what_wraps_but_does_not_unwrap() {
    let (keys, model) = model().await;
    let arn = keys.look().await.unwrap();
    assert_eq!(arn, "arn:aws:kms:eu-central-1:111122223333:key/key-1");
    // Who may not see what the key is may use it nevertheless.
    model.act(|aws| aws.denied.insert("kms:DescribeKey".to_owned()));
    keys.look().await.unwrap();
    model.act(|aws| aws.denied.insert("kms:Decrypt".to_owned()));
    let error = keys.look().await.unwrap_err();
    assert!(error.to_string().contains("allow kms:Decrypt"), "{error}");
}

#[tokio::test]
async fn what_the_local_key_file_sealed_opens_beside_kms_and_what_kms_sealed_says_so() {
    let (kms, _model) = model().await;
    let folder = folder();
    let context = context("shop", "preview", "KEY");
    let local = LocalKeys::open(folder.path()).unwrap();
    let old = local.seal(&context, b"hunter2").await.unwrap();

    let keys = Moving::beside(Arc::new(kms), folder.path()).unwrap();
    assert_eq!(keys.open(&context, &old).await.unwrap(), b"hunter2");
    let new = keys.seal(&context, b"hunter2").await.unwrap();
    assert_eq!(keys.open(&context, &new).await.unwrap(), b"hunter2");
    let refused = local.open(&context, &new).await;
    assert!(
        refused
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("set keys.driver = \"kms\""),
        "{refused:?}"
    );
    assert_refused(refused, "KEY");

    fs::remove_file(folder.path().join(MASTER_KEY)).unwrap();
    let (kms, _model) = model().await;
    let keys = Moving::beside(Arc::new(kms), folder.path()).unwrap();
    let refused = keys.open(&context, &old).await;
    assert!(
        refused
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("keys.driver = \"local\""),
        "{refused:?}"
    );
    assert!(
        !folder.path().join(MASTER_KEY).exists(),
        "no new one is made"
    );
}

#[tokio::test]
async fn nothing_of_a_key_is_shown() {
    let (keys, _model) = model().await;
    keys.seal(&context("shop", "preview", "KEY"), b"hunter2")
        .await
        .unwrap();
    insta::assert_snapshot!(format!("{keys:?}"), @r#"KmsKeys { order: Order { key_id: "alias/nestling", previous_key_ids: [] }, trouble: None, .. }"#);
}
