//! Package managers, told by their lockfiles.

use std::path::Path;

use super::packages::Package;

/// Who installs a package, and from which lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manager {
    /// `npm`, `pnpm` or `yarn`.
    pub(super) name: &'static str,
    /// The lockfile's name, if there is one.
    pub(super) lockfile: Option<&'static str>,
    /// What an install from the lockfile is.
    pub(super) install: Vec<&'static str>,
    /// The version that is fetched where the tool is not installed.
    pub(super) version: String,
}

/// The lockfiles, in the order in which they are believed.
const LOCKFILES: [(&str, &str); 4] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("npm-shrinkwrap.json", "npm"),
    ("package-lock.json", "npm"),
];
/// Understands the lockfiles of the last five years and every Node that we run on.
const PNPM: &str = "9";
/// The classic one; newer ones are named by a package in `packageManager`.
const YARN: &str = "1";

impl Manager {
    /// Who installs this package.
    pub(super) fn of(package: &Package) -> Self {
        let found = LOCKFILES
            .iter()
            .find(|(file, _)| package.folder.join(file).is_file());
        let lockfile = found.map(|(file, _)| *file);
        let wished = package.text(&["packageManager"]).unwrap_or_default();
        match found.map(|(_, name)| *name) {
            Some("pnpm") => {
                let version = version(wished, "pnpm").unwrap_or(PNPM).to_owned();
                Manager {
                    name: "pnpm",
                    lockfile,
                    install: vec!["pnpm", "install", "--frozen-lockfile"],
                    version,
                }
            }
            Some("yarn") => {
                let modern = is_modern_yarn(&package.folder, wished);
                let frozen = if modern {
                    "--immutable"
                } else {
                    "--frozen-lockfile"
                };
                let version = version(wished, "yarn").unwrap_or(YARN).to_owned();
                Manager {
                    name: "yarn",
                    lockfile,
                    install: vec!["yarn", "install", frozen],
                    version,
                }
            }
            _ if lockfile.is_some() => Manager {
                name: "npm",
                lockfile,
                install: vec!["npm", "ci"],
                version: String::new(),
            },
            _ => Manager {
                name: "npm",
                lockfile,
                install: vec!["npm", "install"],
                version: String::new(),
            },
        }
    }
}

/// The version in `pnpm@9.1.0+sha512.…`, if it names this tool.
fn version<'w>(wished: &'w str, tool: &str) -> Option<&'w str> {
    let version = wished.strip_prefix(tool)?.strip_prefix('@')?;
    let version = version.split('+').next()?;
    version
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        .then_some(version)
}

fn is_modern_yarn(folder: &Path, wished: &str) -> bool {
    folder.join(".yarnrc.yml").is_file()
        || version(wished, "yarn").is_some_and(|version| !version.starts_with("1."))
}
