//! Which Node an app wishes, and whether the installed one will do.

use std::path::Path;

use semver::{Version, VersionReq};

use super::Package;
use super::packages::read_plain;

/// A file that names a version is a line long; more of it is not read.
const FILE_LIMIT: u64 = 1024;

/// A wish, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) wanted: String,
    pub(crate) place: String,
}

/// Every wish of the app: `engines.node`, `.nvmrc`, `.node-version`; in its folder, else at the root.
pub(crate) fn wishes(app: &Path, checkout: &Path) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for folder in [app, checkout] {
        if let Some(wanted) = Package::read(folder)
            .as_ref()
            .and_then(|package| package.text(&["engines", "node"]))
        {
            wishes.push(Wish {
                wanted: wanted.to_owned(),
                place: "engines.node in package.json".into(),
            });
        }
        for file in [".nvmrc", ".node-version"] {
            let wanted = read_plain(&folder.join(file), checkout, FILE_LIMIT).unwrap_or_default();
            if let Some(wanted) = wanted
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with('#'))
            {
                wishes.push(Wish {
                    wanted: wanted.to_owned(),
                    place: file.into(),
                });
            }
        }
        if !wishes.is_empty() {
            break;
        }
    }
    wishes
}

/// Whether a version satisfies a wish. A wish that cannot be read is taken as satisfied: the app's own
/// tools will say more about it than we can.
pub(crate) fn satisfies(found: &Version, wanted: &str) -> bool {
    let wanted = wanted.trim();
    if let Some(name) = wanted.strip_prefix("lts/") {
        return match lts(name) {
            Some(major) => found.major == major,
            None => found.major.is_multiple_of(2),
        };
    }
    if matches!(wanted, "node" | "stable" | "latest" | "current" | "*" | "") {
        return true;
    }
    let alternatives: Vec<Option<VersionReq>> = wanted
        .split("||")
        .map(|part| VersionReq::parse(&rust_range(part)).ok())
        .collect();
    alternatives
        .iter()
        .any(|range| range.as_ref().is_none_or(|range| range.matches(found)))
}

/// The names of the long-term releases.
fn lts(name: &str) -> Option<u64> {
    let names = [
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
    ];
    names
        .iter()
        .find(|(known, _)| *known == name.to_lowercase())
        .map(|(_, major)| *major)
}

/// An npm range as the `semver` crate writes it: commas between the parts, `=` where npm means exactly.
fn rust_range(range: &str) -> String {
    let words: Vec<&str> = range.split_whitespace().collect();
    if let [from, "-", to] = words.as_slice() {
        return format!(
            ">={}, <={}",
            from.trim_start_matches('v'),
            to.trim_start_matches('v')
        );
    }
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        let bare = word.trim_start_matches(['>', '<', '=', '~', '^']);
        let operator = &word[..word.len() - bare.len()];
        let version = bare.trim_start_matches('v').replace(['x', 'X'], "*");
        if let Some(last) = parts
            .last_mut()
            .filter(|last| last.ends_with(['>', '<', '=', '~', '^']))
        {
            last.push_str(&version);
        } else if operator.is_empty() && !version.contains('*') {
            parts.push(format!("={version}"));
        } else {
            parts.push(format!("{operator}{version}"));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_out_of_the_checkout_is_not_read_and_one_within_it_is() {
        let checkout = tempfile::tempdir().unwrap();
        let app = checkout.path().join("app");
        fs::create_dir(&app).unwrap();
        symlink("/dev/zero", app.join(".nvmrc")).unwrap();
        symlink("/etc/passwd", app.join(".node-version")).unwrap();
        assert_eq!(wishes(&app, checkout.path()), []);
        fs::remove_file(app.join(".nvmrc")).unwrap();
        fs::write(checkout.path().join("version"), "22\n".repeat(1000)).unwrap();
        symlink("../version", app.join(".nvmrc")).unwrap();
        let wish = Wish {
            wanted: "22".into(),
            place: ".nvmrc".into(),
        };
        assert_eq!(wishes(&app, checkout.path()), [wish]);
    }

    #[test]
    fn wishes_are_read_as_npm_reads_them() {
        let found = Version::new(20, 20, 2);
        let good = [
            ">=18",
            "20",
            "v20",
            "20.x",
            "^18 || ^20",
            ">=18 <21",
            "18 - 20",
            "lts/*",
            "lts/iron",
            "node",
            "*",
            ">= 18",
            "~20.20.0",
            "20.20.2",
            "v20.20.2",
            "what?",
        ];
        for wanted in good {
            assert!(satisfies(&found, wanted), "{wanted}");
        }
        for wanted in [
            ">=22",
            "22",
            "18.x",
            "^18 || ^22",
            "<20",
            "lts/jod",
            "lts/carbon",
            "20.20.1",
            ">=18 <20",
        ] {
            assert!(!satisfies(&found, wanted), "{wanted}");
        }
    }
}
