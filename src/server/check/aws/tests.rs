//! What the doctor says of buckets and keys: each fault is planted, and nothing has happened yet.

use nestling_world::aws::Model;

use super::*;
use crate::drivers::aws::tests::account_at;

const LOGS: &str = "nestling-logs";
const ARTIFACTS: &str = "nestling-artifacts";

fn config(keys: &[(&str, &str)]) -> Config {
    let usual = [
        ("BLOBS__DRIVER", "s3"),
        ("BLOBS__S3__LOGS_BUCKET", LOGS),
        ("BLOBS__S3__ARTIFACTS_BUCKET", ARTIFACTS),
        ("KEYS__DRIVER", "kms"),
        ("KEYS__KMS__KEY_ID", "alias/nestling"),
    ];
    let all = usual.iter().chain(keys);
    let variable = |(key, value): &(&str, &str)| (format!("NESTLING__{key}"), (*value).to_owned());
    Config::load(None, all.map(variable)).unwrap()
}

/// An account as it should be.
fn sound() -> Model {
    let model = Model::start().unwrap();
    model.act(|aws| {
        for name in [LOGS, ARTIFACTS] {
            aws.create_bucket(name, "eu-central-1");
            aws.s3.buckets.get_mut(name).unwrap().rules = vec![(String::new(), 30)];
        }
        aws.create_key("key-1", "alias/nestling");
    });
    model
}

async fn said(model: &Model) -> String {
    let account = account_at(&model.base()).await;
    let found = of(&config(&[]), &account).await;
    found.iter().map(|one| format!("{one}\n")).collect()
}

#[tokio::test]
async fn what_is_sound_is_said_to_be_so_and_nothing_stays_behind() {
    let model = sound();
    insta::assert_snapshot!(said(&model).await, @r"
    logs bucket      ok       nestling-logs, where a rule removes what is older than 30 days
    artifacts bucket ok       nestling-artifacts, where a rule removes what is older than 30 days
    KMS key          ok       arn:aws:kms:eu-central-1:111122223333:key/key-1 seals and opens
    AWS clock        ok       agrees with this machine's
    ");
    let left = model.act(|aws| {
        aws.s3
            .buckets
            .values()
            .map(|one| one.objects.len())
            .sum::<usize>()
    });
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_bucket_that_is_missing_elsewhere_refused_or_without_a_rule_is_told() {
    let model = sound();
    model.act(|aws| {
        aws.s3.buckets.remove(LOGS);
        aws.create_bucket(ARTIFACTS, "us-west-2");
    });
    let first = said(&model).await;
    model.act(|aws| {
        aws.create_bucket(LOGS, "eu-central-1");
        aws.create_bucket(ARTIFACTS, "eu-central-1");
        aws.s3.buckets.get_mut(ARTIFACTS).unwrap().rules = vec![(String::new(), 7)];
    });
    let second = said(&model).await;
    model.act(|aws| aws.denied.insert("s3:DeleteObject".to_owned()));
    let third = said(&model).await;
    insta::assert_snapshot!(format!("{first}\n{second}\n{third}"), @r#"
    logs bucket      MISSING  there is no bucket nestling-logs in eu-central-1: make it (aws s3 mb s3://nestling-logs --region eu-central-1), or name another in blobs.s3
    artifacts bucket MISSING  the bucket nestling-artifacts is in us-west-2, and eu-central-1 is asked: set aws.region to where the buckets are
    KMS key          ok       arn:aws:kms:eu-central-1:111122223333:key/key-1 seals and opens
    AWS clock        ok       agrees with this machine's

    logs bucket      poor     nestling-logs has no lifecycle rule for "*" that these credentials see: the server lists everything every ten minutes to remove what is old; let S3 do it, with a rule that expires objects after 30 days
    artifacts bucket poor     nestling-artifacts, where a lifecycle rule removes what is older than 7 days, and blobs.max_age says 30 days: change one of them
    KMS key          ok       arn:aws:kms:eu-central-1:111122223333:key/key-1 seals and opens
    AWS clock        ok       agrees with this machine's

    logs bucket      MISSING  AWS refuses s3:DeleteObject in the bucket nestling-logs: these credentials may not do that (AccessDenied: User: arn:aws:iam::111122223333:user/story is not authorized to perform: s3:DeleteObject): allow s3:DeleteObject in the policy of the server's role
    artifacts bucket MISSING  AWS refuses s3:DeleteObject in the bucket nestling-artifacts: these credentials may not do that (AccessDenied: User: arn:aws:iam::111122223333:user/story is not authorized to perform: s3:DeleteObject): allow s3:DeleteObject in the policy of the server's role
    KMS key          ok       arn:aws:kms:eu-central-1:111122223333:key/key-1 seals and opens
    AWS clock        ok       agrees with this machine's
    "#);
}

#[tokio::test]
async fn a_key_that_is_missing_disabled_going_or_refused_is_told() {
    let model = sound();
    let mut all = Vec::new();
    let mut told = async || {
        let said = said(&model).await;
        let line = said.lines().find(|line| line.starts_with("KMS key"));
        all.push(line.unwrap().to_owned());
    };
    for state in ["Disabled", "PendingDeletion", "PendingImport"] {
        model.act(|aws| aws.kms.keys.get_mut("key-1").unwrap().state = state);
        told().await;
    }
    model.act(|aws| {
        aws.kms.keys.get_mut("key-1").unwrap().state = "Enabled";
        aws.denied.insert("kms:Decrypt".to_owned());
    });
    told().await;
    model.act(|aws| aws.kms.aliases.clear());
    told().await;
    insta::assert_snapshot!(all.join("\n"), @r"
    KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling is disabled: enable it (aws kms enable-key)
    KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling is to be deleted on 2027-01-15, and every secret with it: cancel that (aws kms cancel-key-deletion), and enable it
    KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling cannot be used in its state, PendingImport
    KMS key          MISSING  the master key cannot be used: AWS refuses kms:Decrypt with alias/nestling: these credentials may not do that (AccessDeniedException: User: arn:aws:iam::111122223333:user/story is not authorized to perform: kms:Decrypt): allow kms:Decrypt in the policy of the server's role
    KMS key          MISSING  the master key cannot be used: there is no KMS key alias/nestling in eu-central-1: make it, or name another in keys.kms.key_id
    ");
}

#[tokio::test]
async fn credentials_that_have_expired_and_a_clock_that_is_wrong_are_told() {
    let model = sound();
    model.act(|aws| aws.clock_ahead = -7_200);
    let found = said(&model).await;
    let clock = found
        .lines()
        .find(|line| line.starts_with("AWS clock"))
        .unwrap();
    assert!(
        clock.contains("poor") && clock.contains("s ahead of that of AWS"),
        "{clock}"
    );
    model.act(|aws| {
        aws.clock_ahead = 0;
        aws.expire_credentials();
    });
    insta::assert_snapshot!(said(&model).await, @r"
    logs bucket      MISSING  AWS refuses s3:ListBucket in the bucket nestling-logs: the credentials have expired (ExpiredToken): renew them; those of a role renew themselves
    artifacts bucket MISSING  AWS refuses s3:ListBucket in the bucket nestling-artifacts: the credentials have expired (ExpiredToken): renew them; those of a role renew themselves
    KMS key          MISSING  the master key cannot be used at present: AWS refuses kms:DescribeKey with alias/nestling: the credentials have expired (ExpiredTokenException): renew them; those of a role renew themselves
    AWS clock        ok       agrees with this machine's
    ");
}
