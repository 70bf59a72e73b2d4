//! Paths of the API: nothing that a person named can end or leave a segment of one.

use std::fmt::Write as _;

/// `/repos/acme/shop/branches/feat%2Fbasket`.
pub(super) fn path(segments: &[&str]) -> String {
    let mut out = String::new();
    for segment in segments {
        out.push('/');
        encode(segment, &mut out);
    }
    out
}

fn encode(text: &str, out: &mut String) {
    // A segment of dots only would walk; nothing that GitHub names is one.
    let dots = text.bytes().all(|byte| byte == b'.');
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'~')
            || (byte == b'.' && !dots);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_name_stays_one_segment() {
        let odd = path(&[
            "repos",
            "acme",
            "shop.js",
            "branches",
            "feat/ünï $(x)?a=b#c",
        ]);
        assert_eq!(
            odd,
            "/repos/acme/shop.js/branches/feat%2F%C3%BCn%C3%AF%20%24%28x%29%3Fa%3Db%23c"
        );
        assert_eq!(path(&["repos", "..", "."]), "/repos/%2E%2E/%2E");
    }
}
