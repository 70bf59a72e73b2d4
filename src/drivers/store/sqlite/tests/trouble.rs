//! A disk that is full, slow or broken.

use rusqlite::ffi;

use super::*;
use crate::drivers::store::StoreError;

/// What SQLite says when the disk does not take an fsync.
fn broken_disk() -> Trouble {
    Trouble::Sql(rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_IOERR_FSYNC),
        None,
    ))
}

async fn set_pages(store: &Sqlite, most: i64) {
    store
        .write(move |database| Ok(database.pragma_update(None, "max_page_count", most)?))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_goes_on_once_there_is_space() {
    let (store, folder) = store_in_a_file();
    let any: AnyStore = Arc::new(store.clone());
    let pages = store
        .read(|database| {
            Ok(database.pragma_query_value::<i64, _>(None, "page_count", |row| row.get(0))?)
        })
        .await
        .unwrap();
    set_pages(&store, pages + 20).await;

    let mut written = Vec::new();
    let refusal = loop {
        let number = u32::try_from(written.len()).unwrap() + 1;
        assert!(number < 10_000, "the disk never fills");
        let environment = preview("shop", number);
        match any.save(save_of(&environment)).await {
            Ok(_) => written.push(environment),
            Err(error) => break error,
        }
    };
    insta::assert_snapshot!(shown(&refusal.to_string(), &folder), @"the store refused: no space is left for DATA/nestling.db: nothing was written and nothing is lost; free some space on that disk");
    assert!(matches!(refusal, StoreError::Rejected(_)));
    assert_eq!(
        any.environments_of_app(&written[0].app).await.unwrap(),
        written,
        "all that was acknowledged"
    );

    set_pages(&store, 1_000_000).await;
    save_first(&any, &preview("other", 1)).await;
    any.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_takes_no_neighbour_along() {
    let (store, _folder) = store_in_a_file();
    // The writer is held up, so that the next three go into one transaction.
    let begun = Arc::new(tokio::sync::Notify::new());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let busy = tokio::spawn({
        let (store, begun) = (store.clone(), begun.clone());
        let hold = move |_: &Connection| {
            begun.notify_one();
            Ok(wait.lock().unwrap().recv().is_ok())
        };
        async move { store.write(hold).await }
    });
    begun.notified().await;
    let small = |text: &'static str| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .write(move |database| {
                    history::advance(database, text, nestling_domain::record::EventNumber(1))
                })
                .await
        })
    };
    let first = small("first");
    let too_big = tokio::spawn({
        let store = store.clone();
        let full = || {
            Trouble::Sql(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_FULL),
                None,
            ))
        };
        async move { store.write(move |_| Err::<(), _>(full())).await }
    });
    let second = small("second");
    // Three more in the queue; the first is with the writer.
    while store.waiting() < 3 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();

    assert!(busy.await.unwrap().unwrap());
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert!(matches!(
        too_big.await.unwrap(),
        Err(StoreError::Rejected(_))
    ));
    for consumer in ["first", "second"] {
        assert_eq!(store.cursor(consumer).await.unwrap().0, 1);
    }
}

#[tokio::test]
async fn after_the_disk_failed_nothing_is_written_and_the_check_says_why() {
    let (store, folder) = store_in_a_file();
    let any: AnyStore = Arc::new(store.clone());
    let shop = preview("shop", 1);
    save_first(&any, &shop).await;

    let in_flight = store
        .write(|_| Err::<(), _>(broken_disk()))
        .await
        .unwrap_err();
    assert!(matches!(in_flight, StoreError::Unknown(_)), "{in_flight}");
    let later = any.save(save_of(&preview("shop", 2))).await.unwrap_err();
    assert!(
        matches!(later, StoreError::Rejected(_)),
        "known not to have happened: {later}"
    );
    let unhealthy = any.check().await.unwrap_err().to_string();
    insta::assert_snapshot!(shown(&unhealthy, &folder), @"the store refused: nothing is written since the disk failed (DATA/nestling.db: Error code 1034: disk I/O error): check the disk, then restart the server");
    assert_eq!(
        any.environment(&shop.id).await.unwrap(),
        Some(shop.clone()),
        "reading goes on"
    );

    drop((any, store));
    let restarted = Sqlite::open(&file_in(&folder)).unwrap();
    restarted.check().await.unwrap();
    assert_eq!(restarted.environment(&shop.id).await.unwrap(), Some(shop));
}

#[tokio::test]
async fn a_writer_that_panicked_is_reported() {
    let (store, _folder) = store_in_a_file();
    let outcome = store
        .write(|_| -> Result<(), Trouble> { panic!("a bug") })
        .await;
    assert!(
        matches!(outcome, Err(StoreError::Unknown(_))),
        "{outcome:?}"
    );
    let unhealthy = store.check().await.unwrap_err().to_string();
    assert!(
        unhealthy.contains("the store's writer has ended unexpectedly"),
        "{unhealthy}"
    );
}

// Under paused time the limit of 10 s passes at once, while the writer's thread waits for the lock.
#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_leaves_the_outcome_unknown() {
    let (store, folder) = store_in_a_file();
    let any: AnyStore = Arc::new(store);
    let backup = Connection::open(file_in(&folder)).unwrap();
    backup.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = any.save(save_of(&preview("shop", 1))).await.unwrap_err();
    insta::assert_snapshot!(shown(&begun.to_string(), &folder), @"the outcome in the store is unknown: no answer of the disk within 10 s");
    assert!(matches!(begun, StoreError::Unknown(_)));
    let waiting = any.save(save_of(&preview("shop", 2))).await.unwrap_err();
    assert!(matches!(waiting, StoreError::Unknown(_)));
    backup.execute_batch("ROLLBACK").unwrap();

    // The next one waits in real time: the writer is still at the first.
    tokio::time::resume();
    any.check().await.unwrap();
    let two = any.environment(&preview("shop", 2).id).await.unwrap();
    assert_eq!(two, None, "what nobody waits for any more is not begun");
}
