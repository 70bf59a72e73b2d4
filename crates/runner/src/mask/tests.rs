use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const SECRET: &str = "p@ss w/rd\"ü1&x+y<'z'>€😀|^{}`~(*)!$,;=[\\]";
/// Longer than several wrapped lines.
const LONG: &str = "sk-live-8s7dHq2LmV0pXy4RbT6nJc1KfWz9GuE3aQoPi5CtDvBhNxMlYrSjUk\
    7Zw0eFgA2sD4fG6hJ8kL1qW3eR5tY7uI9oP0zX2cV4bN6mQ8wE1rT3yU5iO7pA9sD0fG2hJ4k";

fn in_chunks(mask: &Mask, text: &[u8], size: usize) -> String {
    let mut stream = mask.stream();
    let mut shown = Vec::new();
    for chunk in text.chunks(size) {
        shown.extend(stream.feed(chunk));
    }
    shown.extend(stream.end());
    String::from_utf8_lossy(&shown).into_owned()
}

/// What a tool prints for these arguments and this input; `None` where the tool is not at hand.
fn printed(tool: &str, arguments: &[&str], input: &str) -> Option<String> {
    let child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .env("PYTHONIOENCODING", "utf-8")
        .spawn();
    let Ok(mut child) = child else {
        #[allow(clippy::print_stderr, reason = "a test that tests less says so")]
        {
            eprintln!("{tool} is not at hand: its encodings are not tested");
        }
        return None;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Fails if five characters in a row of the encoded secret are left in what is shown.
fn assert_nothing_is_left(encoded: &str, shown: &str, of: &str) {
    let squeezed =
        |text: &str| -> Vec<char> { text.chars().filter(|c| !c.is_whitespace()).collect() };
    let (encoded, left) = (squeezed(encoded), squeezed(shown));
    let left: std::collections::HashSet<&[char]> = left.windows(5).collect();
    for window in encoded.windows(5) {
        assert!(
            !left.contains(window),
            "{of}: {window:?} is left in {shown}"
        );
    }
}

#[test]
fn what_real_encoders_make_of_a_secret_is_hidden_however_it_is_split() {
    let node = "const S = require('fs').readFileSync(0, 'utf8');
        const url = (change) => { const u = new URL('http://h/'); change(u); return u.href.slice(7); };
        const html = (quote) => S.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
            .replaceAll('\"', '&quot;').replaceAll(\"'\", quote);
        const lower = (text) => text.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase());
        const made = {
            url_query: new URL('http://h/?k=' + S).href.slice(12),
            url_path: url((u) => { u.pathname = S; }).slice(2),
            url_user: url((u) => { u.username = S; }),
            url_password: url((u) => { u.password = S; }),
            url_fragment: url((u) => { u.hash = S; }).slice(3),
            query_of_another_scheme: new URL('x://h/?k=' + S).href.slice(9),
            search_params: new URLSearchParams({ k: S }).toString().slice(2),
            encode_uri: encodeURI(S),
            encode_uri_component: encodeURIComponent(S),
            lower_case: lower(encodeURIComponent(S)),
            escape: escape(S),
            json: JSON.stringify(S),
            json_in_json: JSON.stringify(JSON.stringify({ [S]: 1 })).slice(4, -6),
            json_with_slashes: JSON.stringify(S).replaceAll('/', '\\\\/'),
            inspected: require('util').inspect(S),
            html: html('&#39;'),
            html_in_hex: html('&#x27;'),
            base64: btoa(unescape(encodeURIComponent(S))),
            base64_in_a_url: encodeURIComponent(Buffer.from(S).toString('base64').replaceAll('=', '')),
            base64url: Buffer.from(S).toString('base64url'),
            hex: Buffer.from(S).toString('hex'),
        };
        console.log(JSON.stringify(made));";
    let python = "import sys, json, html, base64, urllib.parse as u
S = sys.stdin.read()
print(json.dumps({
    'quote': u.quote(S), 'quote_all': u.quote(S, safe=''), 'quote_plus': u.quote_plus(S), 'json': json.dumps(S), 'json_in_json': json.dumps(json.dumps(S)),
    'html': html.escape(S), 'ascii': ascii(S), 'repr': repr(S), 'bytes': repr(S.encode()),
    'xml': S.encode('ascii', 'xmlcharrefreplace').decode(),
    'base64': base64.encodebytes(S.encode()).decode(),
    'hex': S.encode().hex().upper(), 'hex_in_json': json.dumps('\\n'.join(__import__('textwrap').wrap(S.encode().hex(), 60))),
    'base64_in_json': json.dumps(base64.encodebytes((S * 3).encode()).decode()),
}))";
    let mut made = std::collections::BTreeMap::new();
    for (tool, arguments) in [("node", ["-e", node]), ("python3", ["-c", python])] {
        if let Some(json) = printed(tool, &arguments, SECRET) {
            let all: std::collections::BTreeMap<String, String> =
                serde_json::from_str(&json).unwrap();
            made.extend(
                all.into_iter()
                    .map(|(name, text)| (format!("{tool} {name}"), text)),
            );
        }
    }
    let mask = Mask::new([SECRET]);
    for (name, encoded) in &made {
        for size in [1, 2, 3, 7, 1000] {
            let text = format!("before [{encoded}] after\n");
            let shown = in_chunks(&mask, text.as_bytes(), size);
            let of = format!("{name} in {size}: {encoded}");
            assert!(shown.contains(MASKED), "{of}: {shown}");
            assert!(
                shown.starts_with("before [") && shown.ends_with("] after\n"),
                "{of}: {shown}"
            );
            assert_nothing_is_left(encoded, &shown, &of);
        }
    }
}

#[test]
fn wrapped_base64_is_hidden_line_by_line_and_keeps_its_lines() {
    let mask = Mask::new([LONG]);
    for before in ["", "a", "ab", "user:"] {
        let input = format!("{before}{LONG}");
        for (tool, arguments) in [
            ("base64", &[][..]),
            ("base64", &["-w", "20"]),
            ("openssl", &["base64"]),
        ] {
            let Some(wrapped) = printed(tool, arguments, &input) else {
                continue;
            };
            for wrapped in [
                wrapped.clone(),
                wrapped.replace('\n', "\r\n"),
                wrapped.replace('\n', "\n    "),
                format!("first line\n{wrapped}"),
            ] {
                for size in [1, 5, 64, 1000] {
                    let shown = in_chunks(&mask, wrapped.as_bytes(), size);
                    let of = format!("{tool} {arguments:?} of {before}… in {size}");
                    assert_eq!(
                        shown.lines().count(),
                        wrapped.lines().count(),
                        "{of}: {shown}"
                    );
                    let first = STANDARD.encode(before);
                    let encoded = wrapped.replace("first line\n", "");
                    let secret = &encoded[first.len().min(encoded.len())..];
                    assert_nothing_is_left(secret, &shown, &of);
                }
            }
        }
    }
}

#[test]
fn a_wrapped_secret_shows_a_piece_for_each_line() {
    let encoded = STANDARD.encode(LONG);
    let (one, two) = encoded.split_at(76);
    assert_eq!(
        Mask::new([LONG]).whole(&format!("key: |\n  {one}\r\n  {two}\nend")),
        format!("key: |\n  ***\r\n  ***\nend")
    );
}

proptest! {
    #[test]
    fn a_stream_split_anywhere_shows_nothing_of_a_wrapped_secret(
        secret in "[a-zA-Z0-9+/_ü-]{20,120}",
        before in "[ -~]{0,90}",
        width in 4..90_usize,
        line_end in prop::sample::select(vec!["\n", "\r\n", "\n\t  "]),
        cuts in prop::collection::vec(1..40_usize, 1..200),
    ) {
        let mask = Mask::new([secret.as_str()]);
        let encoded = STANDARD.encode(format!("{before}{secret}"));
        let own = &encoded[before.len().div_ceil(3) * 4..];
        let lines: Vec<&str> = encoded.as_bytes().chunks(width)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let text = format!("begin\n{}\nend", lines.join(line_end));
        let mut stream = mask.stream();
        let (mut shown, mut rest) = (Vec::new(), text.as_bytes());
        for cut in cuts {
            let (now, then) = rest.split_at(cut.min(rest.len()));
            shown.extend(stream.feed(now));
            rest = then;
        }
        shown.extend(stream.feed(rest));
        shown.extend(stream.end());
        let shown = String::from_utf8_lossy(&shown).into_owned();
        prop_assert_eq!(shown.lines().count(), text.lines().count());
        assert_nothing_is_left(own, &shown, &text);
    }

    #[test]
    fn a_text_without_secrets_passes_as_it_is(
        text in "[a-z0-9 %&\\\\\r\n\t;#xué]{0,200}",
        size in 1..50_usize,
    ) {
        let mask = Mask::new([SECRET, LONG, "Zq9-Zq9-Zq9"]);
        prop_assert_eq!(in_chunks(&mask, text.as_bytes(), size), text);
    }
}

#[test]
fn each_line_of_a_key_is_hidden_also_alone() {
    let key = "-----BEGIN KEY-----\nabcdefghij\nklmnopqrst\n";
    for kept in [key.to_owned(), key.replace('\n', "\\n")] {
        let mask = Mask::new([kept.as_str()]);
        assert_eq!(
            mask.whole("saw klmnopqrst and abcdefghij"),
            "saw *** and ***"
        );
        assert_eq!(mask.whole(key), "***\n***\n***\n");
        assert!(!mask.whole(&format!("{key:?}")).contains("abcdef"));
        assert!(
            !mask
                .whole(&key.replace('\n', "\n[app] "))
                .contains("abcdef")
        );
    }
}

#[test]
fn overlapping_secrets_leave_nothing_of_either() {
    let mask = Mask::new(["abcdef123", "123456789", "abcdef"]);
    for size in [1, 4, 100] {
        assert_eq!(
            in_chunks(&mask, b"x abcdef123456789 y abcdef z abcde", size),
            "x *** y *** z abcde"
        );
    }
}

#[test]
fn only_what_may_become_a_secret_is_held_back() {
    let mask = Mask::new(["password1"]);
    let mut stream = mask.stream();
    assert_eq!(stream.feed(b"the passw"), b"the ");
    assert_eq!(stream.feed(b"ay is long\n"), b"passway is long\n");
    // The base64 of it begins with "cGFz": a line is not kept waiting for three letters.
    assert_eq!(stream.feed(b"a line with cGF\n"), b"a line with cGF\n");
    assert_eq!(stream.feed(b"zc3dvcmQx\n"), b"***\n");
    assert_eq!(stream.feed(b"cGFz\n"), b"");
    let gap = " ".repeat(1_000);
    let shown = stream.feed(gap.as_bytes());
    assert_eq!(shown, format!("cGFz\n{gap}").as_bytes());
}

#[test]
fn the_lines_of_a_test_are_masked_together() {
    let encoded = STANDARD.encode(LONG);
    let (one, two) = encoded.split_at(64);
    let lines = ["key".to_owned(), one.to_owned(), two.to_owned()];
    assert_eq!(Mask::new([LONG]).lines(&lines), ["key", "***", "***"]);
    assert!(Mask::new([LONG]).lines(&[]).is_empty());
}

#[test]
fn short_values_are_left_alone() {
    assert_eq!(Mask::new(["true", "1"]).whole("true 1"), "true 1");
    assert_eq!(Mask::new([]).whole("as it is"), "as it is");
}
