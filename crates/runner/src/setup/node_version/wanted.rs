//! The texts that name versions of Node: ranges as npm reads them, and the names that version managers know.
//!
//! Our own splitting, because a wish must not be half understood: npm's reading in its Rust copies (`nodejs-semver` 7,
//! `node-semver` 2) passes over words that it does not know, so that `>=20, <23` means `<23`. What one comparator
//! means is for the `semver` crate to say.

use semver::{Op, Prerelease, Version, VersionReq};

/// The long-term lines by name, with their major version.
const LONG_TERM: [(&str, u64); 12] = [
    ("argon", 4),
    ("boron", 6),
    ("carbon", 8),
    ("dubnium", 10),
    ("erbium", 12),
    ("fermium", 14),
    ("gallium", 16),
    ("hydrogen", 18),
    ("iron", 20),
    ("jod", 22),
    ("krypton", 24),
    ("lithium", 26),
];
/// What begins a comparator.
const OPERATORS: [char; 5] = ['<', '>', '=', '~', '^'];

/// What a text wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<Alternative>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Alternative {
    Any,
    /// Any line that is, or will be, supported for long: the even ones.
    LongTerm,
    Range(VersionReq),
}

impl Wanted {
    /// Reads a text; nothing where any part of it is not understood.
    pub(super) fn read(text: &str) -> Option<Self> {
        let alternatives = text.split("||").map(|text| alternative(text.trim()));
        alternatives.collect::<Option<_>>().map(Wanted)
    }

    /// Whether this version will do. One before its release counts as the release, unless the text names such ones.
    pub(super) fn accepts(&self, found: &Version) -> bool {
        self.0.iter().any(|alternative| match alternative {
            Alternative::Any => true,
            Alternative::LongTerm => found.major.is_multiple_of(2),
            Alternative::Range(range) => {
                let exact = range.comparators.iter().any(|one| !one.pre.is_empty());
                let released = Version {
                    pre: Prerelease::EMPTY,
                    ..found.clone()
                };
                range.matches(if exact { found } else { &released })
            }
        })
    }
}

fn alternative(text: &str) -> Option<Alternative> {
    match text {
        // `latest` and its like mean the newest there is, and what there is on a machine is all there is.
        "" | "node" | "stable" | "latest" | "current" | "system" => return Some(Alternative::Any),
        "lts" | "lts/*" => return Some(Alternative::LongTerm),
        _ => {}
    }
    if let Some(name) = text.strip_prefix("lts/") {
        let known = |(known, _): &&(&str, u64)| known.eq_ignore_ascii_case(name);
        let (_, major) = LONG_TERM.iter().find(known)?;
        return comparator("=", &major.to_string());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let parts = match words.as_slice() {
        [from, "-", to] => vec![(">=", *from), ("<=", *to)],
        words => comparators(words)?,
    };
    let mut all = Vec::new();
    for (operator, version) in parts {
        match comparator(operator, version)? {
            Alternative::Range(range) => all.extend(range.comparators),
            Alternative::Any | Alternative::LongTerm => {}
        }
    }
    if all.is_empty() {
        return Some(Alternative::Any);
    }
    Some(Alternative::Range(VersionReq { comparators: all }))
}

/// The operators and versions in some words: an operator may stand apart from its version, and two comparators may touch.
fn comparators<'a>(words: &[&'a str]) -> Option<Vec<(&'a str, &'a str)>> {
    let mut found = Vec::new();
    let mut open = None;
    for word in words {
        let mut rest = *word;
        while !rest.is_empty() {
            let bare = rest.trim_start_matches(OPERATORS);
            let operator = &rest[..rest.len() - bare.len()];
            let (version, after) = bare.split_at(bare.find(OPERATORS).unwrap_or(bare.len()));
            rest = after;
            let operator = match (open.take(), operator) {
                (Some(before), "") => before,
                (None, operator) => operator,
                (Some(_), _) => return None,
            };
            if version.is_empty() {
                open = Some(operator);
            } else {
                found.push((operator, version));
            }
        }
    }
    open.is_none().then_some(found)
}

/// One operator with one version, of which the last parts may be missing or `x`.
fn comparator(operator: &str, version: &str) -> Option<Alternative> {
    let operator = match operator {
        "" => "=",
        "~>" => "~",
        known @ ("=" | "<" | "<=" | ">" | ">=" | "~" | "^") => known,
        _ => return None,
    };
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut exact = version;
    while let Some(shorter) = exact.strip_suffix(['x', 'X', '*']) {
        exact = match shorter.strip_suffix('.') {
            Some(shorter) => shorter,
            None if shorter.is_empty() => shorter,
            None => return None,
        };
    }
    if exact.is_empty() {
        // Of the rest of them `<*` would be no version at all, which nobody wishes.
        return (!version.is_empty() && !matches!(operator, "<" | ">")).then_some(Alternative::Any);
    }
    let range = VersionReq::parse(&format!("{operator}{exact}")).ok()?;
    let one = matches!(range.comparators.as_slice(), [one] if one.op != Op::Wildcard);
    one.then_some(Alternative::Range(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(wanted: &str, found: &str) -> bool {
        let found = Version::parse(found).unwrap();
        let wanted = Wanted::read(wanted).unwrap_or_else(|| panic!("not understood: {wanted}"));
        wanted.accepts(&found)
    }

    #[test]
    fn wishes_are_read_as_npm_and_version_managers_read_them() {
        for (wanted, good, bad) in [
            (">=22 <23", "22.20.0", "23.0.0"),
            (">=22<23", "22.0.0", "23.1.0"),
            (">= 22 < 23", "22.0.0", "21.9.9"),
            ("^20 || ^22", "22.1.0", "21.0.0"),
            ("^20||^22", "20.0.0", "23.0.0"),
            ("22.x", "22.9.0", "23.0.0"),
            ("22.11.*", "22.11.3", "22.12.0"),
            ("22", "22.0.0", "23.0.0"),
            ("v22", "22.5.0", "20.20.2"),
            ("v22.5.0", "22.5.0", "22.5.1"),
            ("=22.5", "22.5.9", "22.6.0"),
            (">20", "21.0.0", "20.20.2"),
            (">20 <=22.x", "22.20.0", "23.0.0"),
            ("<=20", "20.20.2", "21.0.0"),
            (">=v20", "20.0.0", "18.0.0"),
            ("~20.20.0", "20.20.2", "20.21.0"),
            ("~>20", "20.21.0", "21.0.0"),
            ("^20.9.1", "20.20.2", "20.9.0"),
            ("18 - 20", "20.20.2", "21.0.0"),
            ("18.2.0 - 20.1.0", "20.1.0", "20.1.1"),
            ("20 <20.5", "20.4.0", "20.5.0"),
            ("20.x.x || >=22.1", "22.1.0", "22.0.9"),
            ("lts/*", "22.0.0", "23.0.0"),
            ("lts/jod", "22.0.0", "20.0.0"),
            ("lts/Iron || 24", "24.1.0", "22.0.0"),
            (">=22", "24.0.0-nightly2025", "21.9.0"),
            ("<24", "23.9.0", "24.0.0-nightly2025"),
            ("24.0.0-rc.1", "24.0.0-rc.1", "24.0.0"),
        ] {
            assert!(accepts(wanted, good), "{wanted} will do with {good}");
            assert!(!accepts(wanted, bad), "{wanted} will not do with {bad}");
        }
        for any in ["*", "x", "", "latest", "node", "current", ">=*", "|| 18"] {
            assert!(accepts(any, "20.20.2"), "{any}");
        }
    }

    #[test]
    fn a_wish_is_understood_whole_or_not_at_all() {
        for odd in [
            "what?",
            "banana 20",
            "20 banana",
            "20 || banana",
            ">=20, <23",
            "20,22",
            "20 | 22",
            ">=20 <",
            "> < 20",
            "==20",
            "=>20",
            "<*",
            "20..1",
            "20.*.1",
            "20x",
            "1.2.3.4",
            "99999999999999999999",
            "-20",
            "20+",
            "v",
            "vv20",
            "20-alpine",
            "lts/nothing",
            "lts/-1",
            "iojs",
            "≥20",
            "20 - 22 - 24",
        ] {
            assert_eq!(Wanted::read(odd), None, "{odd}");
        }
    }
}
