//! The master key: made once, never exchanged silently.

use std::{
    any::Any,
    future::{Ready, ready},
    sync::Arc,
};

use nestling_domain::{
    app::VariableName,
    ids::{AppId, Class, Timestamp},
    record::{Content, Value},
};

use super::*;
use crate::drivers::keys::{
    KeyError, KeyFileError, Keys as _,
    conformance::{AnyKeys, assert_refused, conformance, context},
    local::{KEY_ID, LocalKeys, MASTER_KEY},
};

fn fresh() -> Ready<Option<(AnyKeys, Box<dyn Any>)>> {
    let folder = folder();
    let keys = LocalKeys::open(folder.path()).unwrap();
    ready(Some((Arc::new(keys), Box::new(folder))))
}

conformance!(fresh);

async fn seal(keys: &LocalKeys) -> Vec<u8> {
    keys.seal(&context("shop", "preview", "KEY"), b"hunter2")
        .await
        .unwrap()
}

async fn open(keys: &LocalKeys, envelope: &[u8]) -> Result<Vec<u8>, KeyError> {
    keys.open(&context("shop", "preview", "KEY"), envelope)
        .await
}

/// The trouble of a folder, with the random key ids taken out; and that nothing is sealed or opened in it.
async fn trouble(folder: &TempDir, envelope: &[u8]) -> String {
    let keys = LocalKeys::open(folder.path()).unwrap();
    let trouble = keys.trouble().expect("nothing is wrong");
    for outcome in [
        open(&keys, envelope).await,
        keys.seal(&context("shop", "preview", "NEW"), b"x").await,
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, KeyError::Unusable(_)), "{error}");
        assert!(error.to_string().contains(&trouble));
    }
    shown(&trouble, folder)
        .split(' ')
        .map(|word| {
            let id = word.trim_end_matches([')', ',', ':', '.']);
            let is_id = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
            if is_id {
                word.replace(id, "ID")
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn the_key_is_made_once_for_the_server_alone_and_opens_after_a_restart() {
    let folder = folder();
    let envelope = seal(&LocalKeys::open(folder.path()).unwrap()).await;
    let path = folder.path().join(MASTER_KEY);
    assert_eq!(mode_of(&path), 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("# nestling's master key"),
        "no word of what it is"
    );

    let restarted = LocalKeys::open(folder.path()).unwrap();
    assert_eq!(restarted.trouble(), None);
    assert_eq!(open(&restarted, &envelope).await.unwrap(), b"hunter2");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(!format!("{restarted:?}").contains(text.lines().last().unwrap()));
}

#[tokio::test]
async fn a_lost_key_is_explained_and_no_new_one_is_made() {
    let folder = folder();
    let envelope = seal(&LocalKeys::open(folder.path()).unwrap()).await;
    let path = folder.path().join(MASTER_KEY);
    let backup = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    insta::assert_snapshot!(trouble(&folder, &envelope).await, @"DATA/master.key is missing, and secrets were sealed with it (key ID): put the file back from a backup and restart. If it is lost for ever, remove DATA/key-id, restart, and set every secret again");
    assert!(!path.exists(), "a new key would hide the loss");

    fs::write(&path, backup).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let restored = LocalKeys::open(folder.path()).unwrap();
    assert_eq!(open(&restored, &envelope).await.unwrap(), b"hunter2");
}

#[tokio::test]
async fn a_wrong_key_file_is_explained_and_nothing_is_sealed_with_it() {
    let (ours, other) = (folder(), folder());
    let envelope = seal(&LocalKeys::open(ours.path()).unwrap()).await;
    LocalKeys::open(other.path()).unwrap();
    fs::copy(other.path().join(MASTER_KEY), ours.path().join(MASTER_KEY)).unwrap();
    insta::assert_snapshot!(trouble(&ours, &envelope).await, @"DATA/master.key holds key ID, and secrets were sealed with key ID: put the right file back and restart. If that one is lost for ever, remove DATA/key-id, restart, and set every secret again");
}

#[tokio::test]
async fn a_key_file_of_random_bytes_is_explained_like_any_other_that_is_wrong() {
    let folder = folder();
    let envelope = seal(&LocalKeys::open(folder.path()).unwrap()).await;
    let key = fs::read(folder.path().join(MASTER_KEY)).unwrap();
    fs::write(
        folder.path().join(MASTER_KEY),
        [0xC3, 0x28, 0xFF, 0x00].repeat(8),
    )
    .unwrap();
    insta::assert_snapshot!(trouble(&folder, &envelope).await, @"DATA/master.key does not hold 64 hex digits of a master key, and secrets were sealed with key ID: put the file back from a backup and restart. If it is lost for ever, remove DATA/master.key and DATA/key-id, restart, and set every secret again");

    fs::write(folder.path().join(MASTER_KEY), key).unwrap();
    fs::write(folder.path().join(KEY_ID), [0xFF; 32]).unwrap();
    let told = trouble(&folder, &envelope).await;
    assert!(
        told.contains("secrets were sealed with key (not text)"),
        "{told}"
    );
}

#[tokio::test]
async fn whoever_accepts_the_loss_begins_anew_and_old_secrets_are_named() {
    let folder = folder();
    let envelope = seal(&LocalKeys::open(folder.path()).unwrap()).await;
    fs::remove_file(folder.path().join(MASTER_KEY)).unwrap();
    fs::remove_file(folder.path().join(KEY_ID)).unwrap();

    let keys = LocalKeys::open(folder.path()).unwrap();
    assert_eq!(keys.trouble(), None);
    let refused = open(&keys, &envelope).await;
    assert!(
        refused
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("put the other key file back, or set the secret again")
    );
    assert_refused(refused, "KEY");
    let new = seal(&keys).await;
    assert_eq!(open(&keys, &new).await.unwrap(), b"hunter2");

    let value = |name: &str, content| Value {
        app: AppId("shop".to_owned()),
        class: Class::Preview,
        name: VariableName::parse(name).unwrap(),
        content,
        updated_at: Timestamp(0),
    };
    let values = [
        value("OLD", Content::Secret { envelope }),
        value("NEW", Content::Secret { envelope: new }),
        value(
            "MODE",
            Content::Plain {
                text: "test".to_owned(),
            },
        ),
    ];
    assert_eq!(keys.out_of_reach(&values), ["preview/OLD"]);
}

#[tokio::test]
async fn a_key_lost_before_anything_was_sealed_is_made_again() {
    let folder = folder();
    LocalKeys::open(folder.path()).unwrap();
    fs::remove_file(folder.path().join(MASTER_KEY)).unwrap();
    let keys = LocalKeys::open(folder.path()).unwrap();
    assert_eq!(keys.trouble(), None);
    seal(&keys).await;
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_used() {
    let folder = folder();
    let envelope = seal(&LocalKeys::open(folder.path()).unwrap()).await;
    make_readable_for_others(&folder.path().join(MASTER_KEY));
    insta::assert_snapshot!(trouble(&folder, &envelope).await, @"DATA/master.key can be read or written by other users (mode 0644): run `chmod 600 DATA/master.key`; if somebody may have read it, replace it");
}

#[tokio::test]
async fn a_damaged_key_file_is_left_as_it_is() {
    for content in [
        "",
        "no key",
        &"g".repeat(64),
        &"a".repeat(63),
        &"ü".repeat(32),
    ] {
        let folder = folder();
        let envelope = seal(&LocalKeys::open(folder.path()).unwrap()).await;
        let path = folder.path().join(MASTER_KEY);
        fs::write(&path, content).unwrap();
        let text = trouble(&folder, &envelope).await;
        assert_eq!(
            text,
            "DATA/master.key does not hold 64 hex digits of a master key, and secrets were sealed with key ID: put the file back from a backup and restart. If it is lost for ever, remove DATA/master.key and DATA/key-id, restart, and set every secret again"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_folder_that_cannot_hold_a_key_is_named() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = LocalKeys::open(&file).unwrap_err();
    assert!(matches!(error, KeyFileError::Io { .. }));
    assert!(error.to_string().contains("file/"), "{error}");
}
