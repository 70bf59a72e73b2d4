//! Our cookies and the apps': an app never sees one of ours, nor sets one, nor sets one for its neighbours.

/// What the names of our own cookies begin with, after an optional `__Host-` or `__Secure-`.
const OURS: [&str; 2] = ["nestling_", "__nestling"];

/// The cookie that holds the login to the consoles of one host.
pub(super) const CONSOLE: &str = "nestling_console";

/// A Cookie header without our own cookies; `None` when nothing is left.
pub(super) fn without_ours(header: &[u8]) -> Option<Vec<u8>> {
    let kept: Vec<&[u8]> = header
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !is_ours(name(pair)))
        .collect();
    (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
}

/// Whether a Cookie header names any of our cookies; most name none and pass as they are.
pub(super) fn any_ours(header: &[u8]) -> bool {
    header
        .split(|byte| *byte == b';')
        .any(|pair| is_ours(name(pair.trim_ascii())))
}

/// The value of a cookie in a Cookie header. `None` as well when it is there twice: one of the two is forged.
pub(super) fn value<'a>(header: &'a [u8], wanted: &str) -> Option<&'a str> {
    let mut found = header.split(|byte| *byte == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        (name(pair) == wanted.as_bytes()).then(|| pair.get(wanted.len() + 1..).unwrap_or_default())
    });
    let first = found.next()?;
    if found.next().is_some() {
        return None;
    }
    std::str::from_utf8(first).ok()
}

/// A Set-Cookie header of an app as its browser may have it: `None` when it would set one of ours; without
/// its `Domain`, so that it stays at the host that set it and never reaches a neighbour.
pub(super) fn set_by_app(header: &[u8]) -> Option<Vec<u8>> {
    if is_ours(name(
        header
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii(),
    )) {
        return None;
    }
    let parts: Vec<&[u8]> = header
        .split(|byte| *byte == b';')
        .enumerate()
        .filter(|(at, part)| *at == 0 || !name(part.trim_ascii()).eq_ignore_ascii_case(b"domain"))
        .map(|(_, part)| part)
        .collect();
    Some(parts.join(&b';'))
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

fn is_ours(name: &[u8]) -> bool {
    let bare = ["__host-", "__secure-"]
        .iter()
        .find(|prefix| begins(name, prefix))
        .map_or(name, |prefix| &name[prefix.len()..]);
    OURS.iter()
        .any(|prefix| begins(bare, prefix) || begins(name, prefix))
}

fn begins(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_sees_its_own_cookies_only() {
        for (sent, seen) in [
            ("a=1; b=2", Some("a=1; b=2")),
            ("nestling_session=x", None),
            ("a=1; nestling_session=x;b=2", Some("a=1; b=2")),
            ("__Host-nestling_session=x; a=1", Some("a=1")),
            (
                "__nestling=x; NESTLING_console=y; a=nestling_session=x",
                Some("a=nestling_session=x"),
            ),
            (" nestling_session =x; ;a", Some("a")),
        ] {
            let seen_now =
                without_ours(sent.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(seen_now.as_deref(), seen, "for {sent}");
        }
    }

    #[test]
    fn an_app_sets_cookies_for_itself_only() {
        for (sent, kept) in [
            ("a=1; Path=/; HttpOnly", Some("a=1; Path=/; HttpOnly")),
            ("a=1; domain=localhost; Path=/", Some("a=1; Path=/")),
            ("domain=1; Domain=.preview.example.com", Some("domain=1")),
            ("nestling_session=stolen", None),
            ("__Host-nestling_x=1; Secure", None),
        ] {
            let kept_now =
                set_by_app(sent.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(kept_now.as_deref(), kept, "for {sent}");
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_not_believed() {
        assert_eq!(value(b"a=1; nestling_console=abc", CONSOLE), Some("abc"));
        assert_eq!(
            value(b"nestling_console=abc; nestling_console=def", CONSOLE),
            None
        );
        assert_eq!(value(b"nestling_console_x=abc", CONSOLE), None);
        assert_eq!(value(b"nestling_console", CONSOLE), Some(""));
    }
}
