//! Whether what is on Amazon Web Services is there, and may be used as the server must use it.

use super::{
    super::{chosen, store::tables_in},
    Finding, Verdict, finding, store,
};
use crate::{
    config::Config,
    drivers::{
        aws::Account,
        blobs::s3::{Look, Looked, S3},
        keys::kms::KmsKeys,
    },
};

/// Asks DynamoDB, S3 and KMS; nothing when no driver is there.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let account = match chosen::account(config).await {
        Ok(Some(account)) => account,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![finding("AWS", Verdict::Missing, error.to_string())],
    };
    of(config, &account).await
}

async fn of(config: &Config, account: &Account) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(tables) = tables_in(config, account) {
        findings.push(Box::pin(store::tables(config, &tables)).await);
    }
    if let Some(s3) = chosen::s3(config, Some(account)) {
        findings.extend(buckets(config, &s3).await);
    }
    if let Some(kms) = chosen::kms(config, Some(account)) {
        findings.push(key(&kms).await);
    }
    findings.extend(clock(account));
    findings
}

async fn buckets(config: &Config, s3: &S3) -> Vec<Finding> {
    let looks = s3.look().await.into_iter();
    let days = config.blobs.max_age.as_secs().div_ceil(24 * 60 * 60);
    looks.map(|look| bucket(config, &look, days)).collect()
}

fn bucket(config: &Config, look: &Look, wanted: u64) -> Finding {
    let (name, place) = (&look.bucket, &config.blobs.s3);
    let what = match (*name == place.logs_bucket, *name == place.artifacts_bucket) {
        (true, false) => "logs bucket",
        (false, true) => "artifacts bucket",
        _ => "bucket",
    };
    let days = match &look.outcome {
        Err(why) => return finding(what, Verdict::Missing, why.to_string()),
        Ok(Looked { days }) => days,
    };
    match days {
        Some(days) if u64::from(*days) == wanted => {
            let says = format!("{name}, where a rule removes what is older than {days} days");
            finding(what, Verdict::Ok, says)
        }
        Some(days) => {
            let says = format!(
                "{name}, where a lifecycle rule removes what is older than {days} days, and blobs.max_age says {wanted} days: change one of them"
            );
            finding(what, Verdict::Poor, says)
        }
        None => {
            let says = format!(
                "{name} has no lifecycle rule for {:?} that these credentials see: the server lists everything every ten minutes to remove what is old; let S3 do it, with a rule that expires objects after {wanted} days",
                format!("{}*", place.prefix)
            );
            finding(what, Verdict::Poor, says)
        }
    }
}

async fn key(kms: &KmsKeys) -> Finding {
    const WHAT: &str = "KMS key";
    match kms.look().await {
        Ok(arn) => finding(WHAT, Verdict::Ok, format!("{arn} seals and opens")),
        Err(error) => finding(WHAT, Verdict::Missing, error.to_string()),
    }
}

/// How the clock of this machine stands to that of AWS, if AWS has answered. The SDK signs by theirs, but not what is
/// signed for others.
fn clock(account: &Account) -> Option<Finding> {
    const WHAT: &str = "AWS clock";
    account.clock().ahead()?;
    Some(match account.clock().trouble() {
        None => finding(WHAT, Verdict::Ok, "agrees with this machine's"),
        Some(trouble) => finding(WHAT, Verdict::Poor, trouble),
    })
}

#[cfg(test)]
mod tests;
