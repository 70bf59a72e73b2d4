//! The operator's token.

use super::*;
use crate::drivers::keys::token::{API_TOKEN, OperatorToken};

#[test]
fn the_token_is_made_once_and_stays() {
    let folder = folder();
    let token = OperatorToken::open(folder.path()).unwrap();
    assert_eq!(token.as_str().len(), 43, "32 bytes in base64url");
    let path = folder.path().join(API_TOKEN);
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(
        fs::read_to_string(&path).unwrap().trim(),
        token.as_str(),
        "the file is the token, for scripts"
    );
    assert_eq!(
        OperatorToken::open(folder.path()).unwrap().as_str(),
        token.as_str()
    );
    let other = OperatorToken::open(super::folder().path()).unwrap();
    assert_ne!(other.as_str(), token.as_str());
}

#[test]
fn only_the_whole_token_is_the_token() {
    let folder = folder();
    let token = OperatorToken::open(folder.path()).unwrap();
    assert!(token.is(token.as_str()));
    let text = token.as_str();
    for wrong in [
        "",
        &text[1..],
        &text[..42],
        &format!("{text} "),
        &text.to_uppercase(),
        "ünïcode",
    ] {
        assert!(!token.is(wrong), "{wrong:?}");
    }
    assert!(!format!("{token:?}").contains(text));
}

#[test]
fn a_token_that_is_weak_or_exposed_is_refused() {
    let folder = folder();
    let path = folder.path().join(API_TOKEN);
    for weak in ["", "secret", &"é".repeat(40)] {
        fs::write(&path, weak).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = OperatorToken::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("does not hold a token of at least 32"),
            "{error}"
        );
    }
    fs::write(&path, "a".repeat(43)).unwrap();
    make_readable_for_others(&path);
    let error = OperatorToken::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
