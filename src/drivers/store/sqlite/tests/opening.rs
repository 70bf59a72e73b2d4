//! Opening: what is not right is named with the remedy, and left as it was.

use std::{fs, io::Write as _, os::unix::fs::FileExt as _};

use super::*;

/// Why a file does not open, having made sure that it is as it was.
fn refused(folder: &TempDir) -> String {
    let path = file_in(folder);
    let before = fs::read(&path).unwrap();
    let error = Sqlite::open(&path).err().expect("it opened").to_string();
    assert!(fs::read(&path).unwrap() == before, "the file was changed");
    shown(&error, folder)
}

#[test]
fn a_file_that_is_no_database_is_left_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(file_in(&folder), "once upon a time ".repeat(1000)).unwrap();
    insta::assert_snapshot!(refused(&folder), @"the database DATA/nestling.db is damaged: file is not a database; it was left untouched. Restore a backup of it (with its -wal file, if there is one), or move it and its -wal and -shm files away to start anew");
}

#[tokio::test]
async fn a_database_with_a_damaged_page_is_left_untouched() {
    let (store, folder) = store_in_a_file();
    let any: AnyStore = Arc::new(store);
    for number in 1..=50 {
        save_first(&any, &preview("shop", number)).await;
    }
    drop(any);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(file_in(&folder))
        .unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in pages / 3..pages {
        file.write_all_at(&[0xA5; 512], page * 4096).unwrap();
    }
    let error = refused(&folder);
    assert!(
        error.starts_with("the database DATA/nestling.db is damaged: "),
        "{error}"
    );
    assert!(
        error.contains("; it was left untouched. Restore a backup"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_cut_short_is_left_untouched() {
    let (store, folder) = store_in_a_file();
    drop(store);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(file_in(&folder))
        .unwrap();
    file.set_len(file.metadata().unwrap().len() / 2 + 100)
        .unwrap();
    let error = refused(&folder);
    assert!(
        error.contains("is damaged") && error.contains("left untouched"),
        "{error}"
    );
}

#[test]
fn a_database_of_a_newer_version_is_left_untouched() {
    let (store, folder) = store_in_a_file();
    drop(store);
    let database = Connection::open(file_in(&folder)).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    insta::assert_snapshot!(refused(&folder), @"the database DATA/nestling.db was made by a newer version of nestling (its schema is 99, this version knows up to 1); it was left untouched. Install that version again, or restore a backup from before the upgrade");
}

#[test]
fn the_database_of_another_program_is_left_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let database = Connection::open(file_in(&folder)).unwrap();
    database
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    drop(database);
    insta::assert_snapshot!(refused(&folder), @"DATA/nestling.db is the database of another program; it was left untouched. Choose another data folder");
}

#[test]
fn a_database_that_cannot_be_made_is_named_with_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let error = Sqlite::open(&folder.path().join("missing/nestling.db"))
        .err()
        .unwrap();
    insta::assert_snapshot!(shown(&error.to_string(), &folder), @"could not open the database DATA/missing/nestling.db: unable to open database file: DATA/missing/nestling.db; the file and its folder must be readable and writable for the server's user, with space left on that disk");
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::File::create(file_in(&folder))
        .unwrap()
        .write_all(b"")
        .unwrap();
    let store = Sqlite::open(&file_in(&folder)).unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn what_is_acknowledged_is_on_the_disk() {
    let (store, _folder) = store_in_a_file();
    let settings = store.write(|database| {
        let text = |name| database.pragma_query_value::<String, _>(None, name, |row| row.get(0));
        let number = |name| database.pragma_query_value::<i64, _>(None, name, |row| row.get(0));
        Ok((
            text("journal_mode")?,
            number("synchronous")?,
            number("foreign_keys")?,
        ))
    });
    assert_eq!(
        settings.await.unwrap(),
        ("wal".to_owned(), 2, 1),
        "WAL, FULL, on"
    );
    let read_only = store
        .read(|database| Ok(database.execute("DELETE FROM records", [])?))
        .await;
    assert!(read_only.unwrap_err().to_string().contains("readonly"));
}
