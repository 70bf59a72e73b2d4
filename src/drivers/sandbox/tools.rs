//! What of this box a machine may see: the system's programs.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::order::Bind;

/// The tools that the runner calls by name; they may live in a home (nvm, volta, pyenv).
const TOOLS: [&str; 7] = ["node", "npm", "npx", "corepack", "pnpm", "yarn", "git"];

/// Variables of the server's own that name certificate files; machines behind such a proxy need them too.
const CERTIFICATES: [&str; 3] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "GIT_SSL_CAINFO"];

/// What every machine of this server gets.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) binds: Vec<Bind>,
    pub(super) symlinks: Vec<(String, String)>,
    /// `PATH` inside.
    pub(super) path: String,
    /// Further variables.
    pub(super) variables: Vec<(String, String)>,
}

impl System {
    /// Looks around once, when the server starts.
    pub(super) fn discover() -> Self {
        let mut system = System {
            binds: vec![read_only("/usr")],
            symlinks: Vec::new(),
            path: String::new(),
            variables: Vec::new(),
        };
        for top in ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"] {
            if let Ok(target) = fs::read_link(top) {
                system
                    .symlinks
                    .push((target.to_string_lossy().into_owned(), top.to_owned()));
            } else if Path::new(top).is_dir() {
                system.binds.push(read_only(top));
            }
        }
        let mut folders = Vec::new();
        for (folder, binds) in TOOLS.iter().filter_map(|tool| tool_binds(tool)) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
            for bind in binds {
                if !system.binds.contains(&bind) {
                    system.binds.push(bind);
                }
            }
        }
        folders.extend(
            [
                "/usr/local/bin",
                "/usr/bin",
                "/bin",
                "/usr/local/sbin",
                "/usr/sbin",
                "/sbin",
            ]
            .map(str::to_owned),
        );
        system.path = folders.join(":");
        system.add_certificates();
        system
    }

    fn add_certificates(&mut self) {
        for name in CERTIFICATES {
            let Some(value) = env::var_os(name) else {
                continue;
            };
            let path = PathBuf::from(value);
            let Ok(source) = path.canonicalize() else {
                continue;
            };
            let target = path.to_string_lossy().into_owned();
            if !path.is_absolute() || !source.is_file() {
                continue;
            }
            let seen = |folder: &str| path.starts_with(folder);
            if !["/usr", "/etc/ssl/certs", "/etc/pki/tls/certs"]
                .iter()
                .any(|folder| seen(folder))
            {
                self.binds.push(Bind {
                    source,
                    target: target.clone(),
                    writable: false,
                });
            }
            self.variables.push((name.to_owned(), target));
        }
    }
}

/// Where bubblewrap is, or how to get it.
pub(super) fn bubblewrap() -> Result<PathBuf, String> {
    find("bwrap").ok_or_else(|| {
        "bubblewrap is not installed: `apt-get install bubblewrap` (or the like) brings `bwrap`"
            .to_owned()
    })
}

fn read_only(path: &str) -> Bind {
    Bind {
        source: path.into(),
        target: path.to_owned(),
        writable: false,
    }
}

fn find(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_absolute() && path.is_file())
}

/// The folder for `PATH` and the binds of a tool outside `/usr`.
fn tool_binds(tool: &str) -> Option<(String, Vec<Bind>)> {
    let found = find(tool)?;
    let system = |path: &Path| {
        ["/usr", "/bin", "/sbin"]
            .iter()
            .any(|top| path.starts_with(top))
    };
    let found = if tool == "node" && !system(&found) {
        own_path(&found).unwrap_or(found)
    } else {
        found
    };
    let real = found.canonicalize().ok()?;
    if system(&found) && system(&real) {
        return None;
    }
    let folder = found.parent()?.to_string_lossy().into_owned();
    let prefixes: BTreeSet<PathBuf> = [&found, &real]
        .into_iter()
        .filter(|path| !system(path))
        .filter_map(|path| prefix(path))
        .collect();
    let bind = |path: PathBuf| Bind {
        target: path.to_string_lossy().into_owned(),
        source: path,
        writable: false,
    };
    if prefixes.is_empty() {
        // Its neighbours are not ours to show: the program alone.
        return Some((
            folder,
            vec![Bind {
                source: real,
                target: found.to_string_lossy().into_owned(),
                writable: false,
            }],
        ));
    }
    Some((folder, prefixes.into_iter().map(bind).collect()))
}

/// The folder that a tool was installed into, unless that is a person's or the system's own.
fn prefix(path: &Path) -> Option<PathBuf> {
    let bin = path
        .ancestors()
        .skip(1)
        .find(|folder| folder.file_name().is_some_and(|name| name == "bin"))?;
    let prefix = bin.parent()?;
    let home = env::var_os("HOME").map(PathBuf::from);
    let deep = prefix.components().count() >= 3;
    let shared = prefix.file_name().is_some_and(|name| name == ".local")
        || home.as_deref().is_some_and(|home| home.starts_with(prefix));
    let persons = prefix.starts_with("/home") && prefix.components().count() <= 3;
    (deep && !shared && !persons).then(|| prefix.to_owned())
}

/// Asks node itself: what lies in `PATH` may be a shim that starts the real one.
fn own_path(node: &Path) -> Option<PathBuf> {
    let answer = Command::new(node)
        .args(["-p", "process.execPath"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
    (path.is_absolute() && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_prefix_is_never_a_home_or_a_top_folder() {
        let own = |path: &str| prefix(Path::new(path));
        assert_eq!(
            own("/root/.nvm/versions/node/v22/bin/node"),
            Some("/root/.nvm/versions/node/v22".into())
        );
        assert_eq!(own("/opt/node/bin/npm"), Some("/opt/node".into()));
        for path in [
            "/home/ada/bin/node",
            "/bin/node",
            "/opt/bin/node",
            "/home/ada/.local/bin/node",
            "/srv/node",
        ] {
            assert_eq!(own(path), None, "{path}");
        }
    }

    #[test]
    fn the_system_shows_programs_and_no_home() {
        let system = System::discover();
        assert!(system.binds.contains(&read_only("/usr")));
        for forbidden in ["/", "/etc", "/root", "/home", "/var", "/run", "/tmp"] {
            assert!(
                !system
                    .binds
                    .iter()
                    .any(|bind| bind.source == Path::new(forbidden)),
                "{forbidden} is bound"
            );
        }
    }
}
