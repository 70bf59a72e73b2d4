//! What is special about blobs in a folder.

use std::{
    any::Any,
    fs,
    future::{Ready, ready},
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
};

use bytes::Bytes;
use nestling_domain::ids::Timestamp;

use super::{
    Blobs as _,
    conformance::{AnyBlobs, conformance},
    directory::Directory,
};

fn fresh() -> Ready<Option<(AnyBlobs, Box<dyn Any>)>> {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Directory::open(&folder.path().join("blobs")).unwrap();
    ready(Some((Arc::new(blobs), Box::new(folder))))
}

conformance!(fresh);

#[tokio::test]
async fn blobs_survive_a_restart_and_what_a_kill_left_unfinished_goes() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Directory::open(folder.path()).unwrap();
    blobs.put("a/b", Bytes::from_static(b"kept")).await.unwrap();
    let unfinished = folder.path().join("unfinished");
    fs::write(unfinished.join("0"), "half of a").unwrap();

    let blobs = Directory::open(folder.path()).unwrap();
    assert_eq!(blobs.get("a/b").await.unwrap().unwrap(), "kept");
    assert_eq!(fs::read_dir(&unfinished).unwrap().count(), 0);
    let mode = fs::metadata(folder.path().join("kept"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "logs are for the server alone");
}

#[tokio::test]
async fn links_are_not_followed() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("precious"), "not ours").unwrap();
    let blobs = Directory::open(folder.path()).unwrap();
    blobs.put("a/b", Bytes::new()).await.unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("kept/a/link")).unwrap();

    assert_eq!(blobs.list("").await.unwrap(), [("a/b".to_owned(), 0)]);
    blobs.remove("a").await.unwrap();
    blobs.prune(Timestamp(u64::MAX), 0).await.unwrap();
    assert!(outside.path().join("precious").exists());
}

#[tokio::test]
async fn an_empty_folder_does_not_stay_behind() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Directory::open(folder.path()).unwrap();
    blobs
        .put("environments/shop/1/logs/x", Bytes::new())
        .await
        .unwrap();
    blobs.remove("environments/shop/").await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join("kept")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_key_that_is_another_keys_folder_is_an_error_that_names_it() {
    let (blobs, _keep) = fresh().await.unwrap();
    blobs.put("a", Bytes::new()).await.unwrap();
    let error = blobs.put("a/b", Bytes::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "could not write blob a/b");
    blobs.put("c/d", Bytes::new()).await.unwrap();
    blobs.put("c", Bytes::new()).await.unwrap_err();
    let keys: Vec<_> = blobs
        .list("")
        .await
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, ["a", "c/d"]);
}
