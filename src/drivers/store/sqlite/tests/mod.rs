//! What is SQLite's own, beside the conformance suite in both of its modes.

mod damage;
mod kill;
mod opening;
mod random;
mod trouble;

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::drivers::store::{
    Store as _,
    conformance::{AnyStore, Fresh, conformance, preview, save_first, save_next, save_of, skipped},
};

mod in_a_file {
    use super::*;

    fn fresh() -> Fresh {
        let (store, folder) = store_in_a_file();
        (Arc::new(store), Box::new(folder))
    }

    conformance!(fresh);
}

mod in_memory {
    use super::*;

    fn fresh() -> Fresh {
        (Arc::new(Sqlite::in_memory().unwrap()), Box::new(()))
    }

    conformance!(fresh);
}

fn store_in_a_file() -> (Sqlite, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file_in(&folder)).unwrap();
    (store, folder)
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("nestling.db")
}

/// A text with the folder's random name taken out.
fn shown(text: &str, folder: &TempDir) -> String {
    text.replace(&folder.path().display().to_string(), "DATA")
}

/// Statements that no version of ours runs, for making damage.
async fn tamper(store: &Sqlite, sql: &'static str) {
    store
        .write(move |database| Ok(database.execute_batch(sql)?))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn in_memory_no_time_passes_and_clones_share_the_records() {
    let before = tokio::time::Instant::now();
    let store = Sqlite::in_memory().unwrap();
    let any: AnyStore = Arc::new(store.clone());
    let shop = preview("shop", 1);
    save_first(&any, &shop).await;
    for _ in 0..100 {
        any.check().await.unwrap();
    }
    drop(any);
    assert_eq!(store.environment(&shop.id).await.unwrap(), Some(shop));
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn records_survive_a_restart() {
    let (store, folder) = store_in_a_file();
    let any: AnyStore = Arc::new(store);
    let shop = preview("shop", 1);
    save_first(&any, &shop).await;
    let (shop, events) = save_next(&any, &shop, "before the restart").await;
    drop(any);

    let any: AnyStore = Arc::new(Sqlite::open(&file_in(&folder)).unwrap());
    assert_eq!(any.environment(&shop.id).await.unwrap(), Some(shop.clone()));
    let (_, more) = save_next(&any, &shop, "after it").await;
    let all = any.events_of(&shop.id, None, 10).await.unwrap();
    assert_eq!(all, [more, events].concat());
}
