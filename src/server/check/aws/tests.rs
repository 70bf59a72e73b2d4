//! What the doctor says of buckets and keys: each fault is planted, and nothing has happened yet.

mod tables;

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
    said_with(&config(&[]), &model.base()).await
}

/// What is said of an account whose services answer at this address.
async fn said_with(config: &Config, base: &str) -> String {
    let account = account_at(base).await;
    let found = of(config, &account).await;
    found.iter().map(|one| format!("{one}\n")).collect()
}

/// By how much a clock is wrong is not the same each time.
fn without_digits(said: &str) -> String {
    said.replace(|letter: char| letter.is_ascii_digit(), "#")
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
    let elsewhere = "arn:aws:kms:us-west-2:111122223333:key/key-1";
    let elsewhere = config(&[("KEYS__KMS__KEY_ID", elsewhere)]);
    let said = said_with(&elsewhere, &model.base()).await;
    let line = said.lines().find(|line| line.starts_with("KMS key"));
    all.push(line.unwrap().to_owned());
    insta::assert_snapshot!(all.join("\n"), @r"
    KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling is disabled: enable it (aws kms enable-key)
    KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling is to be deleted on 2027-01-15, and every secret with it: cancel that (aws kms cancel-key-deletion), and enable it
    KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling cannot be used in its state, PendingImport
    KMS key          MISSING  the master key cannot be used: AWS refuses kms:Decrypt with alias/nestling: these credentials may not do that (AccessDeniedException: User: arn:aws:iam::111122223333:user/story is not authorized to perform: kms:Decrypt): allow kms:Decrypt in the policy of the server's role
    KMS key          MISSING  the master key cannot be used: there is no KMS key alias/nestling in eu-central-1: make it, or name another in keys.kms.key_id
    KMS key          MISSING  the master key cannot be used: the KMS key arn:aws:kms:us-west-2:111122223333:key/key-1 is in us-west-2, and eu-central-1 is asked: set aws.region to where the key is, or name a key of eu-central-1
    ");
}

#[tokio::test]
async fn credentials_that_are_wrong_or_have_expired_and_a_clock_that_is_wrong_are_told() {
    let model = sound();
    model.act(|aws| aws.clock_ahead = -7_200);
    let found = said(&model).await;
    let clock = found.lines().find(|line| line.starts_with("AWS clock"));
    insta::assert_snapshot!(without_digits(clock.unwrap()), @"AWS clock        poor     the clock of this machine is #### s ahead of that of AWS; set it by the network (timedatectl set-ntp true)");
    model.act(|aws| {
        aws.clock_ahead = 0;
        aws.expire_credentials();
    });
    let expired = said(&model).await;
    let known = model.act(|aws| std::mem::take(&mut aws.credentials));
    let unknown = said(&model).await;
    model.act(|aws| {
        aws.credentials = known;
        for credential in aws.credentials.values_mut() {
            credential.has_expired = false;
            credential.secret = "another".to_owned();
        }
    });
    let mismatched = said(&model).await;
    insta::assert_snapshot!(format!("{expired}\n{unknown}\n{mismatched}"), @r"
    logs bucket      MISSING  AWS refuses s3:ListBucket in the bucket nestling-logs: the credentials have expired (ExpiredToken): renew them; those of a role renew themselves
    artifacts bucket MISSING  AWS refuses s3:ListBucket in the bucket nestling-artifacts: the credentials have expired (ExpiredToken): renew them; those of a role renew themselves
    KMS key          MISSING  the master key cannot be used at present: AWS refuses kms:DescribeKey with alias/nestling: the credentials have expired (ExpiredTokenException): renew them; those of a role renew themselves
    AWS clock        ok       agrees with this machine's

    logs bucket      MISSING  AWS refuses s3:ListBucket in the bucket nestling-logs: it does not know these credentials (InvalidAccessKeyId): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    artifacts bucket MISSING  AWS refuses s3:ListBucket in the bucket nestling-artifacts: it does not know these credentials (InvalidAccessKeyId): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    KMS key          MISSING  the master key cannot be used: AWS refuses kms:DescribeKey with alias/nestling: it does not know these credentials (UnrecognizedClientException): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    AWS clock        ok       agrees with this machine's

    logs bucket      MISSING  AWS refuses s3:ListBucket in the bucket nestling-logs: it does not know these credentials (SignatureDoesNotMatch): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    artifacts bucket MISSING  AWS refuses s3:ListBucket in the bucket nestling-artifacts: it does not know these credentials (SignatureDoesNotMatch): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    KMS key          MISSING  the master key cannot be used: AWS refuses kms:DescribeKey with alias/nestling: it does not know these credentials (InvalidSignatureException): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    AWS clock        ok       agrees with this machine's
    ");
}
