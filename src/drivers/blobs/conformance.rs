//! What every driver of the blobs must do, as stories.

use std::sync::Arc;

use bytes::Bytes;
use nestling_domain::ids::Timestamp;

use super::{BlobError, Blobs};

/// Runs each story on fresh blobs of this driver, as a test of its own.
macro_rules! conformance {
    ($fresh:path) => {
        $crate::drivers::blobs::conformance::stories!($fresh;
            what_is_put_is_read_back_and_replaced_whole,
            what_is_not_there_is_none,
            a_list_holds_the_keys_of_its_prefix_in_order,
            removing_a_prefix_leaves_its_neighbours,
            a_key_that_leaves_its_place_is_refused,
            nothing_is_removed_by_an_empty_prefix,
            readers_see_the_old_bytes_or_the_new,
            pruning_removes_what_is_old_then_the_oldest_until_all_fits,
        );
    };
}
pub(crate) use conformance;

macro_rules! stories {
    ($fresh:path; $($story:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                // What a driver stands on may not be here: then the driver says so, and there is nothing to tell.
                let Some((blobs, _keep)) = $fresh().await else {
                    return;
                };
                $crate::drivers::blobs::conformance::$story(blobs).await;
            }
        )*
    };
}
pub(crate) use stories;

/// Blobs under test.
pub(crate) type AnyBlobs = Arc<dyn Blobs>;

async fn put(blobs: &AnyBlobs, key: &str, bytes: &'static [u8]) {
    blobs.put(key, Bytes::from_static(bytes)).await.unwrap();
}

async fn keys(blobs: &AnyBlobs, prefix: &str) -> Vec<String> {
    let list = blobs.list(prefix).await.unwrap();
    list.into_iter().map(|(key, _)| key).collect()
}

pub(crate) async fn what_is_put_is_read_back_and_replaced_whole(blobs: AnyBlobs) {
    let key = "environments/shop-pr-1/3/logs/runtime/000001";
    put(&blobs, key, b"a long first version").await;
    put(&blobs, key, b"short").await;
    assert_eq!(blobs.get(key).await.unwrap().unwrap(), "short");
    put(&blobs, "empty", b"").await;
    assert_eq!(blobs.get("empty").await.unwrap().unwrap(), "");
    let big = Bytes::from(vec![7; 3 << 20]);
    blobs.put("A_b-c.d/..e/f..", big.clone()).await.unwrap();
    assert_eq!(blobs.get("A_b-c.d/..e/f..").await.unwrap().unwrap(), big);
}

pub(crate) async fn what_is_not_there_is_none(blobs: AnyBlobs) {
    put(&blobs, "a/b", b"x").await;
    for key in ["c", "a/c", "a", "a/b/c"] {
        assert_eq!(blobs.get(key).await.unwrap(), None, "{key}");
    }
    assert_eq!(keys(&blobs, "c/").await, [""; 0]);
    blobs.remove("c/").await.unwrap();
}

pub(crate) async fn a_list_holds_the_keys_of_its_prefix_in_order(blobs: AnyBlobs) {
    for key in [
        "e/a/1/x", "e/a/10/x", "e/a/2/x", "e/ab/1/x", "e/a-b", "e/a.b", "f",
    ] {
        put(&blobs, key, b"xyz").await;
    }
    assert_eq!(
        keys(&blobs, "e/a/").await,
        ["e/a/1/x", "e/a/10/x", "e/a/2/x"]
    );
    assert_eq!(
        keys(&blobs, "e/a/1").await,
        ["e/a/1/x", "e/a/10/x"],
        "a prefix is letters, not a folder"
    );
    let all = [
        "e/a-b", "e/a.b", "e/a/1/x", "e/a/10/x", "e/a/2/x", "e/ab/1/x", "f",
    ];
    assert_eq!(keys(&blobs, "").await, all);
    assert_eq!(keys(&blobs, "e/a").await, all[..6]);
    assert_eq!(blobs.list("f").await.unwrap(), [("f".to_owned(), 3)]);
}

pub(crate) async fn removing_a_prefix_leaves_its_neighbours(blobs: AnyBlobs) {
    for key in ["e/a/1/x", "e/a/1/y/z", "e/a/10/x", "e/b/1/x"] {
        put(&blobs, key, b"x").await;
    }
    blobs.remove("e/a/1/").await.unwrap();
    assert_eq!(keys(&blobs, "").await, ["e/a/10/x", "e/b/1/x"]);
    blobs.remove("e/a/1/").await.unwrap();
    blobs.remove("e/a").await.unwrap();
    assert_eq!(keys(&blobs, "").await, ["e/b/1/x"]);
    put(&blobs, "e/a/1/x", b"again").await;
    assert_eq!(blobs.get("e/a/1/x").await.unwrap().unwrap(), "again");
}

pub(crate) async fn a_key_that_leaves_its_place_is_refused(blobs: AnyBlobs) {
    let long = "a".repeat(2000);
    let many = ["a"; 600].join("/");
    for key in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        ".",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "a b",
        "ü",
        "a\0b",
        "a\n",
        "~",
        &long,
        &many,
    ] {
        let outcome = blobs.put(key, Bytes::new()).await;
        assert!(
            matches!(outcome, Err(BlobError::Key(_))),
            "put took {key:?}"
        );
        assert!(
            matches!(blobs.get(key).await, Err(BlobError::Key(_))),
            "get took {key:?}"
        );
    }
    for prefix in [
        "/",
        "../",
        "a/../",
        "a//",
        "..//x",
        "/etc/",
        "a b",
        "a/../../etc/pass",
    ] {
        assert!(
            matches!(blobs.list(prefix).await, Err(BlobError::Key(_))),
            "list took {prefix:?}"
        );
        assert!(
            matches!(blobs.remove(prefix).await, Err(BlobError::Key(_))),
            "remove took {prefix:?}"
        );
    }
    assert_eq!(blobs.list("").await.unwrap(), []);
}

pub(crate) async fn nothing_is_removed_by_an_empty_prefix(blobs: AnyBlobs) {
    put(&blobs, "a", b"x").await;
    assert!(matches!(blobs.remove("").await, Err(BlobError::Key(_))));
    assert_eq!(keys(&blobs, "").await, ["a"]);
}

pub(crate) async fn readers_see_the_old_bytes_or_the_new(blobs: AnyBlobs) {
    let versions = [
        Bytes::from(vec![b'a'; 200_000]),
        Bytes::from(vec![b'b'; 100_000]),
    ];
    blobs.put("a/segment", versions[0].clone()).await.unwrap();
    let writers = (0..2).map(|writer| {
        let (blobs, versions) = (blobs.clone(), versions.clone());
        tokio::spawn(async move {
            for round in 0..10 {
                let version = versions[(round + writer) % 2].clone();
                blobs.put("a/segment", version).await.unwrap();
                // Empty folders come and go beside it.
                let neighbour = format!("a/b{writer}/c");
                blobs.put(&neighbour, Bytes::new()).await.unwrap();
                blobs.remove(&neighbour).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let seen = blobs
            .get("a/segment")
            .await
            .unwrap()
            .expect("never missing");
        assert!(versions.contains(&seen), "{} bytes of both", seen.len());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(
        keys(&blobs, "").await,
        ["a/segment"],
        "nothing unfinished is listed"
    );
}

pub(crate) async fn pruning_removes_what_is_old_then_the_oldest_until_all_fits(blobs: AnyBlobs) {
    for key in ["a", "b/1", "c"] {
        put(&blobs, key, &[0; 1000]).await;
        wait_for_another_moment().await;
    }
    let never = Timestamp(0);
    assert_eq!(
        blobs.prune(never, 3000).await.unwrap(),
        0,
        "nothing is old and all fits"
    );
    assert_eq!(blobs.prune(never, 2999).await.unwrap(), 1);
    assert_eq!(keys(&blobs, "").await, ["b/1", "c"], "the oldest went");
    assert_eq!(
        blobs.prune(Timestamp(u64::MAX), u64::MAX).await.unwrap(),
        2,
        "all are old"
    );
    assert_eq!(keys(&blobs, "").await, [""; 0]);
}

/// Two blobs are told apart by age when a millisecond lies between them; waits for the clock, not for a task.
async fn wait_for_another_moment() {
    let now = crate::drivers::clock::now();
    while crate::drivers::clock::now() <= now.plus(std::time::Duration::from_millis(5)) {
        tokio::task::yield_now().await;
    }
}
