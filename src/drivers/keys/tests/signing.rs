//! Runners' tokens: what is ours, what has expired, and what somebody made up.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nestling_domain::{
    announcement::Seal as _,
    ids::{AppId, EnvironmentId, Generation, Timestamp},
};

use super::*;
use crate::drivers::keys::signing::{Claims, LIFETIME, RUNNER_KEY, RunnerKeys, TokenError};

const NOON: Timestamp = Timestamp(1_800_000_000_000);

fn claims() -> Claims {
    Claims::new(&EnvironmentId("shop-pr-1".to_owned()), Generation(3), NOON)
}

#[test]
fn a_token_says_whose_it_is_also_after_a_restart_of_the_server() {
    let folder = folder();
    let token = RunnerKeys::open(folder.path())
        .unwrap()
        .sign(&claims())
        .unwrap();
    let keys = RunnerKeys::open(folder.path()).unwrap();
    assert_eq!(keys.verify(&token, NOON), Ok(claims()));
    assert_eq!(mode_of(&folder.path().join(RUNNER_KEY)), 0o600);
}

#[test]
fn a_token_expires_after_a_day_of_the_time_handed_in_and_still_says_whose_it_was() {
    let keys = RunnerKeys::open(folder().path()).unwrap();
    let token = keys.sign(&claims()).unwrap();
    let at = |span| keys.verify(&token, NOON.plus(span));
    assert_eq!(at(Duration::from_secs(86_399)), Ok(claims()));
    assert_eq!(at(LIFETIME), Err(TokenError::Expired(claims())));
    assert_eq!(at(LIFETIME * 365), Err(TokenError::Expired(claims())));
    // A server whose clock was set back does not lose its runners.
    assert_eq!(keys.verify(&token, Timestamp(0)), Ok(claims()));
}

#[test]
fn a_token_of_another_server_is_invalid_also_when_it_has_expired() {
    let (ours, theirs) = (folder(), folder());
    let token = RunnerKeys::open(theirs.path())
        .unwrap()
        .sign(&claims())
        .unwrap();
    let keys = RunnerKeys::open(ours.path()).unwrap();
    assert_eq!(keys.verify(&token, NOON), Err(TokenError::Invalid));
    assert_eq!(
        keys.verify(&token, NOON.plus(LIFETIME * 2)),
        Err(TokenError::Invalid)
    );
}

#[test]
fn a_token_for_somebody_else_is_invalid() {
    let keys = RunnerKeys::open(folder().path()).unwrap();
    let stray = Claims {
        aud: "nestling-person".to_owned(),
        ..claims()
    };
    assert_eq!(
        keys.verify(&keys.sign(&stray).unwrap(), NOON),
        Err(TokenError::Invalid)
    );
}

#[test]
fn a_token_with_anything_changed_is_invalid() {
    let keys = RunnerKeys::open(folder().path()).unwrap();
    let token = keys.sign(&claims()).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        // The last character of a part may carry bits that mean nothing, but strict base64 refuses those too.
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(
            keys.verify(&changed, NOON),
            Err(TokenError::Invalid),
            "at {at}"
        );
    }
    for length in 0..token.len() {
        assert_eq!(
            keys.verify(&token[..length], NOON),
            Err(TokenError::Invalid)
        );
    }
}

#[test]
fn a_token_by_any_other_algorithm_is_invalid() {
    let folder = folder();
    let keys = RunnerKeys::open(folder.path()).unwrap();
    let token = keys.sign(&claims()).unwrap();
    let (_, payload, signature) = {
        let mut parts = token.split('.');
        (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        )
    };
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"typ":"JWT"}"#,
        "{}",
    ] {
        let header = URL_SAFE_NO_PAD.encode(header);
        for signature in ["", signature] {
            let forged = format!("{header}.{payload}.{signature}");
            assert_eq!(keys.verify(&forged, NOON), Err(TokenError::Invalid));
        }
    }
    let huge = "a".repeat(1 << 20);
    assert_eq!(keys.verify(&huge, NOON), Err(TokenError::Invalid));
}

#[test]
fn a_key_that_is_exposed_or_damaged_is_refused_with_the_remedy() {
    let folder = folder();
    RunnerKeys::open(folder.path()).unwrap();
    let path = folder.path().join(RUNNER_KEY);
    make_readable_for_others(&path);
    let error = RunnerKeys::open(folder.path()).unwrap_err().to_string();
    insta::assert_snapshot!(shown(&error, &folder), @"DATA/runner.key can be read or written by other users (mode 0644): run `chmod 600 DATA/runner.key`; if somebody may have read it, replace it");

    fs::remove_file(&path).unwrap();
    fs::write(&path, "bm8ga2V5").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = RunnerKeys::open(folder.path()).unwrap_err().to_string();
    insta::assert_snapshot!(shown(&error, &folder), @"DATA/runner.key does not hold an Ed25519 key (PKCS #8, base64): put it back from a backup, or move it away and restart to have a new one made");
}

#[test]
fn each_environment_has_its_own_seal_which_no_other_server_makes() {
    let (ours, theirs) = (folder(), folder());
    let seal = |folder: &TempDir, environment: &str| {
        let keys = RunnerKeys::open(folder.path()).unwrap();
        keys.seal(&EnvironmentId(environment.to_owned()))
    };
    let shop = seal(&ours, "shop");
    assert_eq!(seal(&ours, "shop"), shop, "also after a restart");
    assert_ne!(seal(&ours, "blog"), shop);
    assert_ne!(seal(&theirs, "shop"), shop);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(shop.len() == 43 && shop.bytes().all(plain), "{shop}");
}

#[test]
fn each_app_has_its_own_key_for_digests_which_no_other_server_makes() {
    let (ours, theirs) = (folder(), folder());
    let key = |folder: &TempDir, app: &str| {
        let keys = RunnerKeys::open(folder.path()).unwrap();
        keys.digest_key(&AppId(app.to_owned()))
    };
    let shop = key(&ours, "shop");
    assert_eq!(key(&ours, "shop"), shop, "also after a restart");
    assert_ne!(key(&ours, "blog"), shop);
    assert_ne!(key(&theirs, "shop"), shop);
}
