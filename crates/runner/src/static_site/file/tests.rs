use super::*;

/// A file of ten bytes that changed at this second.
const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const TAG: &str = "\"a-1\"";

fn share(method: &Method, lines: &[(HeaderName, &str)], settled: bool) -> Share {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let version = Version {
        tag: TAG.into(),
        changed: httpdate::parse_http_date(CHANGED).unwrap(),
        settled,
        length: 10,
    };
    version.share(method, &headers)
}

fn of(lines: &[(HeaderName, &str)]) -> Share {
    share(&Method::GET, lines, true)
}

#[test]
fn a_part_is_what_a_visitor_asks_for_as_far_as_the_file_goes() {
    for (range, expected) in [
        ("bytes=0-", Share::Part(0..10)),
        ("bytes=0-0", Share::Part(0..1)),
        ("bytes=2-5", Share::Part(2..6)),
        ("bytes=8-99", Share::Part(8..10)),
        ("bytes=-3", Share::Part(7..10)),
        ("bytes=-99", Share::Part(0..10)),
        ("bytes=10-", Share::Beyond),
        ("bytes=99-100", Share::Beyond),
        ("bytes=-0", Share::Beyond),
        // Several at once, another unit, and what is no range.
        ("bytes=0-1,4-5", Share::Whole),
        ("lines=0-1", Share::Whole),
        ("bytes=5-2", Share::Whole),
        ("bytes=a-b", Share::Whole),
        ("bytes=99999999999999999999-", Share::Whole),
        ("", Share::Whole),
    ] {
        assert_eq!(of(&[(RANGE, range)]), expected, "{range}");
    }
    let head = share(&Method::HEAD, &[(RANGE, "bytes=0-1")], true);
    assert_eq!(head, Share::Whole, "only GET has parts");
}

#[test]
fn the_rest_of_a_file_is_given_to_who_has_its_beginning() {
    let rest = |known: &str, settled: bool| {
        let lines = [(RANGE, "bytes=4-"), (IF_RANGE, known)];
        share(&Method::GET, &lines, settled)
    };
    assert_eq!(rest(TAG, true), Share::Part(4..10));
    assert_eq!(rest(CHANGED, true), Share::Part(4..10));
    for other in [
        "\"b-1\"",
        "W/\"a-1\"",
        "a-1",
        EARLIER,
        LATER,
        "today",
        "\"a-1\", \"b-1\"",
    ] {
        assert_eq!(rest(other, true), Share::Whole, "{other}");
    }
    assert_eq!(
        rest(CHANGED, false),
        Share::Whole,
        "it may change within this second"
    );
}

#[test]
fn who_has_the_file_is_told_so_and_who_wants_another_too() {
    for (lines, expected) in [
        (&[(IF_NONE_MATCH, TAG)][..], Share::Known),
        (&[(IF_NONE_MATCH, "\"x\", W/\"a-1\"")], Share::Known),
        (
            &[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)],
            Share::Known,
        ),
        (&[(IF_NONE_MATCH, "*")], Share::Known),
        (&[(IF_NONE_MATCH, "\"x\"")], Share::Whole),
        (&[(IF_MODIFIED_SINCE, CHANGED)], Share::Known),
        (&[(IF_MODIFIED_SINCE, LATER)], Share::Known),
        (&[(IF_MODIFIED_SINCE, EARLIER)], Share::Whole),
        (&[(IF_MODIFIED_SINCE, "yesterday")], Share::Whole),
        // The tag says more than the date.
        (
            &[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, LATER)],
            Share::Whole,
        ),
        // It has what it asks a part of.
        (&[(IF_NONE_MATCH, TAG), (RANGE, "bytes=99-")], Share::Known),
        (&[(IF_MATCH, "\"x\", \"a-1\"")], Share::Whole),
        (&[(IF_MATCH, "*")], Share::Whole),
        (&[(IF_MATCH, "W/\"a-1\"")], Share::Other),
        (&[(IF_UNMODIFIED_SINCE, CHANGED)], Share::Whole),
        (&[(IF_UNMODIFIED_SINCE, EARLIER)], Share::Other),
        (
            &[(IF_MATCH, TAG), (IF_UNMODIFIED_SINCE, EARLIER)],
            Share::Whole,
        ),
    ] {
        assert_eq!(of(lines), expected, "{lines:?}");
    }
}
