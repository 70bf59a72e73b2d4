//! Which packages a workspace has.

use std::path::Path;

use globset::{GlobBuilder, GlobSetBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::packages::Package;
use crate::read;

/// Where pnpm names the packages of its workspace.
pub(super) const PNPM_FILE: &str = "pnpm-workspace.yaml";
/// More of it is not read.
const PNPM_FILE_LIMIT: u64 = 64 * 1024;
/// Patterns beyond these are not looked at: a workspace has a handful.
const PATTERNS: usize = 200;
/// A longer pattern, in bytes, is no folder of anybody's.
const LONGEST: usize = 200;

/// What of pnpm's file matters here.
#[derive(Debug, Default, Deserialize)]
struct PnpmFile {
    #[serde(default)]
    packages: Vec<String>,
}

/// Whether a folder below this root is a package of its workspace. Of the patterns that fit it the last decides; one
/// that begins with `!` takes away.
pub(super) fn is_member(root: &Package, folder: &Path) -> bool {
    let Ok(place) = folder.strip_prefix(&root.folder) else {
        return false;
    };
    let mut set = GlobSetBuilder::new();
    let mut takes: Vec<bool> = Vec::new();
    for pattern in patterns(root).iter().take(PATTERNS) {
        let positive = pattern.strip_prefix('!').unwrap_or(pattern);
        let bare = positive.strip_prefix("./").unwrap_or(positive);
        let bare = bare.trim_end_matches('/');
        let glob = GlobBuilder::new(bare).literal_separator(true).build();
        // One that cannot be read fits nothing; the manager will say more about it than we can.
        if let Some(glob) = glob.ok().filter(|_| bare.len() <= LONGEST) {
            set.add(glob);
            takes.push(positive.len() == pattern.len());
        }
    }
    let last = |numbers: Vec<usize>| numbers.into_iter().max();
    let fits = set.build().ok().and_then(|set| last(set.matches(place)));
    fits.is_some_and(|number| takes[number])
}

fn patterns(root: &Package) -> Vec<String> {
    let stated = root.value(&["workspaces"]);
    let list = stated.and_then(|stated| {
        let nested = || stated.get("packages").and_then(Value::as_array);
        stated.as_array().or_else(nested)
    });
    let list = list.into_iter().flatten().filter_map(Value::as_str);
    let file = root.folder.join(PNPM_FILE);
    let file = read::within(&file, &root.folder, PNPM_FILE_LIMIT).unwrap_or_default();
    let pnpm: PnpmFile = serde_saphyr::from_str(&file).unwrap_or_default();
    list.map(str::to_owned).chain(pnpm.packages).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn members(package: &str, pnpm: Option<&str>) -> Vec<&'static str> {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("package.json"), package).unwrap();
        if let Some(pnpm) = pnpm {
            fs::write(root.path().join(PNPM_FILE), pnpm).unwrap();
        }
        let package = Package::read(root.path(), root.path()).unwrap();
        let places = [
            "packages/a",
            "packages/old",
            "packages/a/deep",
            "site",
            "tools/site",
        ];
        let member = |place: &&str| is_member(&package, &root.path().join(place));
        places.into_iter().filter(member).collect()
    }

    #[test]
    fn a_workspace_has_what_its_patterns_fit() {
        let told = |workspaces: &str| members(&format!(r#"{{"workspaces":{workspaces}}}"#), None);
        assert_eq!(told(r#"["packages/*"]"#), ["packages/a", "packages/old"]);
        assert_eq!(told(r#"["./packages/a/", "site"]"#), ["packages/a", "site"]);
        assert_eq!(told(r#"{"packages":["tools/*"]}"#), ["tools/site"]);
        let all = ["packages/a", "packages/old", "packages/a/deep"];
        assert_eq!(told(r#"["packages/**"]"#), all);
        let without = told(r#"["packages/*", "!packages/old"]"#);
        assert_eq!(without, ["packages/a"]);
        let odd = told(r#"["[", 7, "{packages,tools}/{a,site}"]"#);
        assert_eq!(odd, ["packages/a", "tools/site"]);
        assert!(told("true").is_empty());

        let pnpm = "packages:\n  - 'packages/*' # ours\n  - '!**/old'\ncatalog:\n  ms: ^2.1.0\n";
        assert_eq!(members("{}", Some(pnpm)), ["packages/a"]);
        let settings = "onlyBuiltDependencies: [esbuild]\n";
        assert!(members("{}", Some(settings)).is_empty());
        assert!(members("{}", Some("packages: {a: [")).is_empty());
    }
}
