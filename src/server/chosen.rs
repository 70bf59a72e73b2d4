//! The drivers that the configuration chooses between, made: for the server, and for `nestling check`.

use std::{io::ErrorKind, path::Path, sync::Arc, time::Duration};

use nestling_protocol::network::SERVER_URL;
use tokio::time::timeout;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::{
    config::{BlobsDriver, Config, DnsDriver, KeysDriver, StoreDriver},
    drivers::{
        aws::{Account, AccountError},
        blobs::{
            Blobs,
            directory::Directory,
            s3::{self, S3},
        },
        data_dir::DataDir,
        dnsimple::DnSimple,
        fly::{Fly, Make},
        keys::{
            Keys,
            kms::{self, KmsKeys},
            local::LocalKeys,
            moving::Moving,
            signing::RunnerKeys,
        },
    },
};

/// What is on AWS is waited for so long at a start: what runs has to be served soon.
const LOOK: Duration = Duration::from_secs(10);

/// The account of AWS, if any driver is there.
pub(super) async fn account(config: &Config) -> Result<Option<Account>, AccountError> {
    let is_used = config.store.driver == StoreDriver::DynamoDb
        || config.blobs.driver == BlobsDriver::S3
        || config.keys.driver == KeysDriver::Kms;
    if !is_used {
        return Ok(None);
    }
    let aws = &config.aws;
    Account::open(&aws.region, &aws.endpoint_url)
        .await
        .map(Some)
}

/// Buckets, if that is where blobs live.
pub(super) fn s3(config: &Config, account: Option<&Account>) -> Option<S3> {
    let place = &config.blobs.s3;
    let order = s3::Order {
        logs_bucket: place.logs_bucket.clone(),
        artifacts_bucket: place.artifacts_bucket.clone(),
        prefix: place.prefix.clone(),
    };
    match config.blobs.driver {
        BlobsDriver::Directory => None,
        BlobsDriver::S3 => account.map(|account| S3::new(account, &order)),
    }
}

/// A key of KMS, if that is what seals.
pub(super) fn kms(config: &Config, account: Option<&Account>) -> Option<KmsKeys> {
    let order = kms::Order {
        key_id: config.keys.kms.key_id.clone(),
        previous_key_ids: config.keys.kms.previous_key_ids.clone(),
    };
    match config.keys.driver {
        KeysDriver::Local => None,
        KeysDriver::Kms => {
            account.map(|account| KmsKeys::new(account, order, kms::Bounds::default()))
        }
    }
}

/// Where blobs live. What a person has to mend is an error; buckets that only do not answer now are not waited for, because
/// what runs has to be served.
pub(super) async fn blobs(
    config: &Config,
    data: &DataDir,
    account: Option<&Account>,
) -> anyhow::Result<Arc<dyn Blobs>> {
    let Some(s3) = s3(config, account) else {
        return Ok(Arc::new(Directory::open(&data.blobs())?));
    };
    let reached = timeout(LOOK, s3.reach()).await;
    match reached.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
        Ok(()) => info!(
            "logs are in the bucket {}, artifacts in {}",
            config.blobs.s3.logs_bucket, config.blobs.s3.artifacts_bucket
        ),
        Err(reason)
            if matches!(
                reason.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            anyhow::bail!("logs and artifacts cannot be kept: {reason}");
        }
        Err(reason) => warn!("logs and artifacts cannot be kept at present: {reason}"),
    }
    Ok(Arc::new(s3))
}

/// The organisation at Fly in which machines run.
pub(super) fn fly(config: &Config, keys: &RunnerKeys) -> Result<Fly, reqwest::Error> {
    let place = &config.machines.fly;
    let token = Zeroizing::new(place.token.reveal().trim().to_owned());
    let organisation = (place.organisation.as_str(), token);
    let fly = Fly::new(&place.api_url, organisation, &keys.identity())?;
    Ok(fly.reached_from(&place.network))
}

/// How machines there are made.
pub(super) fn make(config: &Config) -> Make {
    let place = &config.machines.fly;
    let server_url = place.server_url(&config.server.public_url).to_owned();
    Make {
        image: place.image.clone(),
        size: place.size(),
        env: [(SERVER_URL.to_owned(), server_url)].into(),
    }
}

/// The zone in which environments have names, where no wildcard record leads here.
pub(super) fn dnsimple(config: &Config) -> Result<Option<DnSimple>, reqwest::Error> {
    let place = &config.dns.dnsimple;
    match config.dns.driver {
        DnsDriver::None => Ok(None),
        DnsDriver::DnSimple => {
            let token = Zeroizing::new(place.token.reveal().trim().to_owned());
            let zone = (place.account, place.zone.as_str());
            DnSimple::new(&place.api_url, zone, token, config.dns.ttl).map(Some)
        }
    }
}

/// What seals. A key that cannot be used is no error: the server goes on without secrets, and every use says why.
pub(super) async fn keys(
    config: &Config,
    folder: &Path,
    account: Option<&Account>,
) -> anyhow::Result<Arc<dyn Keys>> {
    let Some(kms) = kms(config, account) else {
        return Ok(Arc::new(LocalKeys::open(folder)?));
    };
    match timeout(LOOK, kms.look()).await {
        Ok(Ok(arn)) => info!("secrets are sealed with the KMS key {arn}"),
        // The driver has said so.
        Ok(Err(_)) => {}
        Err(_) => warn!(
            "KMS has not answered within {} s: secrets cannot be used before it does",
            LOOK.as_secs()
        ),
    }
    Ok(Moving::beside(Arc::new(kms), folder)?)
}
