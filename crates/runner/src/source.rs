//! The source: exactly the commit, checked out, with nothing of the repository's code run.

mod submodules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nestling_protocol::bundle::{LARGE_FILES_REF, SUBMODULES, Source};
use nestling_protocol::path;
use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::{Instant, sleep};

use crate::machine::Machine;
use crate::process::words;
use crate::read;
use crate::server::Attempt;

/// How often a source download that broke off is tried again before the deployment fails.
const DOWNLOADS: u32 = 30;
/// The pause between them: a restarting server is back by then.
const DOWNLOAD_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// How long a commit's name is in a repository of git's newer format; the older one has 40 digits.
const SHA256_DIGITS: usize = 64;
/// More of a `.gitattributes` is not read: one has a line for each kind of file.
const ATTRIBUTES_LIMIT: u64 = 256 * 1024;
/// The user name that goes with a forge's short-lived token.
const CREDENTIAL_USER: &str = "x-access-token";

/// Checks out the commit and gives its full id as git says it.
pub(crate) async fn check_out(machine: &Machine, deadline: Instant) -> Result<String, Failure> {
    let git = Git {
        machine,
        deadline,
        config: config(&machine.bundle.source),
    };
    git.run(&init(machine.bundle.source.commit())).await?;
    let left = match &machine.bundle.source {
        Source::Bundle { .. } => from_bundle(&git).await?,
        Source::Http {
            url,
            reference,
            commit,
            ..
        } => {
            from_http(&git, url, reference, commit).await?;
            true
        }
    };
    let commit = machine.bundle.source.commit();
    if left {
        submodules_from_outside(&git).await?;
    }
    let head = git.ask(&["rev-parse", "HEAD"]).await?.trim().to_owned();
    if head != commit {
        return Err(git.failure(
            format!("commit {commit} was asked for, but {head} is what the repository gave"),
            None,
        ));
    }
    if !machine.app().is_dir() {
        let root = &machine.bundle.app.root;
        return Err(git.failure(
            format!(
                "folder {root} of app {} is not in commit {commit}",
                machine.bundle.app.name
            ),
            None,
        ));
    }
    Ok(head)
}

/// A repository takes objects of one format only: that of the commit's.
fn init(commit: &str) -> Vec<&'static str> {
    let mut order = vec!["init", "--quiet"];
    if commit.len() == SHA256_DIGITS {
        order.push("--object-format=sha256");
    }
    order.push(".");
    order
}

/// Whether there are submodules that did not come along.
async fn from_bundle(git: &Git<'_>) -> Result<bool, Failure> {
    let machine = git.machine;
    let file = machine.tools().join("source.bundle");
    let mut tried = 0;
    while let Err(error) = machine.server.download(path::SOURCE, &file).await {
        tried += 1;
        if error.stays() || tried >= DOWNLOADS || Instant::now() >= git.deadline {
            let reason = match error {
                Attempt::Refused(_, reason) => reason,
                error @ (Attempt::Away(_) | Attempt::Stale | Attempt::Disk(_)) => error.to_string(),
            };
            let reason = format!("the source could not be fetched: {reason}");
            return Err(git.failure(reason, None));
        }
        sleep(DOWNLOAD_PAUSE).await;
    }
    let bundle = file.display().to_string();
    // Its parents are left out on purpose, says this file of git's: so `git log` in a build works.
    let commit = machine.bundle.source.commit();
    let shallow = machine.checkout().join(".git/shallow");
    std::fs::write(&shallow, format!("{commit}\n"))
        .map_err(|error| git.failure(format!("{}: {error}", shallow.display()), None))?;
    let refs = git.ask(&["bundle", "unbundle", &bundle]).await?;
    git.run(&["checkout", "--quiet", "--detach", commit])
        .await?;
    let large = |line: &str| {
        line.strip_suffix(LARGE_FILES_REF)
            .map(|tree| tree.trim().to_owned())
    };
    if let Some(tree) = refs.lines().find_map(large) {
        large_files_of_bundle(git, &tree).await?;
    }
    let packed = |line: &str| {
        let (_, commit) = line.split_once(SUBMODULES)?;
        Some(commit.to_owned())
    };
    let packed: BTreeSet<String> = refs.lines().filter_map(packed).collect();
    let left = submodules::of_bundle(git, &packed).await?;
    // Its objects are in the repository now; the copy would only take room.
    let _ = tokio::fs::remove_file(&file).await;
    Ok(left)
}

/// Puts the content of large files in the place of their pointers. The index goes on naming the pointers, as the
/// commit does.
async fn large_files_of_bundle(git: &Git<'_>, tree: &str) -> Result<(), Failure> {
    git.machine.deployment.say("fetching Git LFS files");
    let index = git.machine.checkout().join(".git/nestling-large-files");
    let mut step = git.step(&["checkout", "--quiet", tree, "--", "."]);
    step.environment
        .insert("GIT_INDEX_FILE".into(), index.display().to_string());
    let exit = git.run_step(&step).await?;
    let _ = tokio::fs::remove_file(&index).await;
    match exit {
        Exit::Code(0) => Ok(()),
        Exit::Code(_) | Exit::Signal(_) | Exit::Memory | Exit::Timeout => {
            Err(git.explain(&["checkout"], exit))
        }
    }
}

async fn from_http(git: &Git<'_>, url: &str, reference: &str, commit: &str) -> Result<(), Failure> {
    // Relative addresses of submodules start from here.
    git.run(&["remote", "add", "origin", url]).await?;
    if git
        .try_run(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--depth",
            "1",
            "origin",
            commit,
        ])
        .await?
        != Exit::Code(0)
    {
        // Not every host gives a bare commit.
        git.machine.deployment.say(format!(
            "commit {commit} is not given alone; fetching {reference}"
        ));
        git.run(&["fetch", "--quiet", "--no-tags", "origin", reference])
            .await?;
    }
    git.run(&["checkout", "--quiet", "--detach", commit])
        .await?;
    large_files_of_forge(git).await
}

/// Fetches the submodules that are not in their place yet.
async fn submodules_from_outside(git: &Git<'_>) -> Result<(), Failure> {
    if !git.machine.checkout().join(submodules::LIST).is_file() {
        return Ok(());
    }
    git.machine.deployment.say("fetching submodules");
    git.run(&[
        "submodule",
        "update",
        "--quiet",
        "--init",
        "--recursive",
        "--depth",
        "1",
    ])
    .await
}

async fn large_files_of_forge(git: &Git<'_>) -> Result<(), Failure> {
    if !uses_lfs(&git.machine.checkout()) {
        return Ok(());
    }
    if git.try_run(&["lfs", "version"]).await? != Exit::Code(0) {
        let reason = "the repository keeps files in Git LFS, but git-lfs is not installed on the machine: install the package git-lfs";
        return Err(git.failure(reason.into(), None));
    }
    git.machine.deployment.say("fetching Git LFS files");
    git.run(&["lfs", "pull"]).await
}

/// Whether any `.gitattributes` near the root sends files through LFS.
fn uses_lfs(checkout: &Path) -> bool {
    let nested = std::fs::read_dir(checkout)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    std::iter::once(checkout.to_owned())
        .chain(nested)
        .filter_map(|folder| {
            read::within(&folder.join(".gitattributes"), checkout, ATTRIBUTES_LIMIT)
        })
        .any(|attributes| attributes.lines().any(|line| line.contains("filter=lfs")))
}

/// Git, made harmless: no hooks, no prompt, no local files, no configuration but ours.
struct Git<'a> {
    machine: &'a Machine,
    deadline: Instant,
    config: Vec<(String, String)>,
}

impl Git<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<(), Failure> {
        let exit = self.try_run(arguments).await?;
        match exit {
            Exit::Code(0) => Ok(()),
            Exit::Code(_) | Exit::Signal(_) | Exit::Memory | Exit::Timeout => {
                Err(self.explain(arguments, exit))
            }
        }
    }

    async fn try_run(&self, arguments: &[&str]) -> Result<Exit, Failure> {
        self.run_step(&self.step(arguments)).await
    }

    async fn run_step(&self, step: &crate::sandbox::Step) -> Result<Exit, Failure> {
        self.machine
            .run(step, self.deadline)
            .await
            .map_err(|error| self.failure(error.to_string(), None))
    }

    async fn ask(&self, arguments: &[&str]) -> Result<String, Failure> {
        let step = self.step(arguments);
        match self.machine.ask_quietly(&step, self.deadline).await {
            Ok((Exit::Code(0), text)) => Ok(text),
            Ok((exit, _)) => Err(self.explain(arguments, exit)),
            Err(error) => Err(self.failure(error.to_string(), None)),
        }
    }

    fn step(&self, arguments: &[&str]) -> crate::sandbox::Step {
        let argv: Vec<&str> = std::iter::once("git")
            .chain(arguments.iter().copied())
            .collect();
        let mut step = self.machine.plain_step(&argv, &self.machine.checkout());
        step.environment.extend(environment(&self.config));
        step
    }

    fn explain(&self, arguments: &[&str], exit: Exit) -> Failure {
        let what = format!("git {}", arguments.first().unwrap_or(&""));
        let app = &self.machine.bundle.app.name;
        let reason = match exit {
            Exit::Timeout => format!(
                "fetching the source of app {app} took longer than the setup may take (limits.setup; NESTLING__LIMITS__SETUP of the server), in `{what}`"
            ),
            Exit::Code(_) | Exit::Signal(_) | Exit::Memory => {
                format!("fetching the source of app {app}: `{what}` {}", words(exit))
            }
        };
        self.failure(reason, Some(exit))
    }

    fn failure(&self, reason: String, exit: Option<Exit>) -> Failure {
        self.machine.failure(StepName::Clone, reason, exit)
    }
}

/// The configuration that git gets, through its environment: a credential never enters an argument.
fn config(source: &Source) -> Vec<(String, String)> {
    let mut config: Vec<(String, String)> = [
        ("core.hooksPath", "/dev/null"),
        ("advice.detachedHead", "false"),
        ("init.defaultBranch", "main"),
        ("protocol.allow", "never"),
        ("protocol.http.allow", "always"),
        ("protocol.https.allow", "always"),
        // `lfs pull` does the work; a checkout must not run a filter.
        ("filter.lfs.required", "false"),
        ("gc.auto", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    if let Source::Http {
        url,
        credential: Some(credential),
        ..
    } = source
        && let Some(origin) = origin(url)
    {
        let pair = STANDARD.encode(format!("{CREDENTIAL_USER}:{credential}"));
        config.push((
            format!("http.{origin}/.extraHeader"),
            format!("Authorization: Basic {pair}"),
        ));
    }
    config
}

fn environment(config: &[(String, String)]) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = [
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_LFS_SKIP_SMUDGE", "1"),
        ("GIT_ASKPASS", "/bin/false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    environment.insert("GIT_CONFIG_COUNT".into(), config.len().to_string());
    for (n, (name, value)) in config.iter().enumerate() {
        environment.insert(format!("GIT_CONFIG_KEY_{n}"), name.clone());
        environment.insert(format!("GIT_CONFIG_VALUE_{n}"), value.clone());
    }
    environment
}

/// Scheme and host of an address: a credential goes to this host alone, not to a submodule's.
fn origin(url: &str) -> Option<&str> {
    let after_scheme = url.find("://")? + 3;
    let end = url[after_scheme..]
        .find('/')
        .map_or(url.len(), |slash| after_scheme + slash);
    Some(&url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_goes_to_its_own_host_and_only_through_the_environment() {
        let source = Source::Http {
            url: "https://git.example.com/acme/shop.git".into(),
            reference: "refs/pull/1/head".into(),
            commit: "c".repeat(40),
            credential: Some("token".into()),
        };
        let config = config(&source);
        let (name, value) = config.last().unwrap();
        assert_eq!(name, "http.https://git.example.com/.extraHeader");
        assert_eq!(value, "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dG9rZW4=");
        assert_eq!(
            environment(&config)["GIT_CONFIG_COUNT"],
            config.len().to_string()
        );
    }
}
