//! What every driver of the keys must do, as stories.

use std::sync::Arc;

use super::{Context, KeyError, Keys};

/// Runs each story with fresh keys of this driver, as a test of its own.
macro_rules! conformance {
    ($fresh:path) => {
        $crate::drivers::keys::conformance::stories!($fresh;
            what_is_sealed_opens_again,
            two_envelopes_of_one_secret_do_not_look_alike,
            w18_an_envelope_opens_in_no_other_context,
            an_envelope_with_any_bit_changed_is_refused,
            what_is_no_envelope_is_refused,
        );
    };
}
pub(crate) use conformance;

macro_rules! stories {
    ($fresh:path; $($story:ident,)*) => {
        $(
            #[tokio::test]
            async fn $story() {
                // What a driver stands on may not be here: then the driver says so, and there is nothing to tell.
                let Some((keys, _keep)) = $fresh().await else {
                    return;
                };
                $crate::drivers::keys::conformance::$story(keys).await;
            }
        )*
    };
}
pub(crate) use stories;

/// Keys under test.
pub(crate) type AnyKeys = Arc<dyn Keys>;

pub(crate) fn context(app: &str, class: &str, name: &str) -> Context {
    Context {
        app: app.to_owned(),
        class: class.to_owned(),
        name: name.to_owned(),
    }
}

/// An opening that was refused, naming the secret and nothing of what is in it.
pub(crate) fn assert_refused(outcome: Result<Vec<u8>, KeyError>, name: &str) {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, KeyError::Refused(..)),
        "not refused: {error}"
    );
    assert!(
        error.to_string().contains(name),
        "{error} does not name {name}"
    );
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

pub(crate) async fn what_is_sealed_opens_again(keys: AnyKeys) {
    let context = context("shop", "preview", "API_KEY");
    let long = vec![7; 64 * 1024];
    for plain in [&b"hunter2"[..], b"", "ünïcode\0\n".as_bytes(), &long] {
        let envelope = keys.seal(&context, plain).await.unwrap();
        assert_eq!(keys.open(&context, &envelope).await.unwrap(), plain);
        let shows = plain.len() > 3 && envelope.windows(plain.len()).any(|window| window == plain);
        assert!(!shows, "the clear text lies in the envelope");
    }
}

pub(crate) async fn two_envelopes_of_one_secret_do_not_look_alike(keys: AnyKeys) {
    let context = context("shop", "preview", "API_KEY");
    let first = keys.seal(&context, b"hunter2").await.unwrap();
    let second = keys.seal(&context, b"hunter2").await.unwrap();
    assert_ne!(first, second, "equal secrets would show");
}

pub(crate) async fn w18_an_envelope_opens_in_no_other_context(keys: AnyKeys) {
    let envelope = keys
        .seal(&context("shop", "preview", "KEY"), b"hunter2")
        .await
        .unwrap();
    let others = [
        context("admin", "preview", "KEY"),
        context("shop", "production", "KEY"),
        context("shop", "preview", "YEK"),
        context("preview", "shop", "KEY"),
        context("shop", "KEY", "preview"),
        context("", "", ""),
        // Fields that read alike when they are only put side by side.
        context("shopp", "review", "KEY"),
        context("shop", "previewK", "EY"),
        context("shoppreview", "", "KEY"),
    ];
    for other in others {
        assert_refused(keys.open(&other, &envelope).await, &other.name);
    }
}

pub(crate) async fn an_envelope_with_any_bit_changed_is_refused(keys: AnyKeys) {
    let context = context("shop", "preview", "KEY");
    let envelope = keys.seal(&context, b"hunter2").await.unwrap();
    for bit in 0..envelope.len() * 8 {
        let mut changed = envelope.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_refused(keys.open(&context, &changed).await, "KEY");
    }
    for length in 0..envelope.len() {
        assert_refused(keys.open(&context, &envelope[..length]).await, "KEY");
    }
    let longer = [&envelope[..], b"x"].concat();
    assert_refused(keys.open(&context, &longer).await, "KEY");
}

pub(crate) async fn what_is_no_envelope_is_refused(keys: AnyKeys) {
    let context = context("shop", "preview", "KEY");
    for bytes in [&b""[..], b"hunter2", &[1; 36], &[255; 200]] {
        assert_refused(keys.open(&context, bytes).await, "KEY");
    }
}
