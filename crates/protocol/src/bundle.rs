//! The bundle: everything a runner needs to know, fixed when its deployment was created.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything a runner needs. Fetched with the runner's token; holds secrets, so it is never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The protocol version of the server.
    pub protocol: u32,
    /// The generation of this deployment.
    pub generation: u32,
    /// What is deployed.
    pub app: App,
    /// Where it is deployed.
    pub environment: Environment,
    /// Where the commit comes from.
    pub source: Source,
    /// Values of the app's kind that are not secret, by name.
    pub variables: BTreeMap<String, String>,
    /// Secret values, by name: masked in every log, report and result.
    pub secrets: BTreeMap<String, String>,
    /// A key for digests of variables and secrets, which lie where code of the app's other deployments reads them. The
    /// same in all deployments of the app.
    #[serde(default)]
    pub digest_key: String,
    /// How long things may take.
    pub limits: Limits,
}

/// The app, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its slug.
    pub name: String,
    /// What it is, see [`Kind`].
    pub kind: Kind,
    /// Its folder in the repository, with `/` and without a leading one; empty for the root.
    pub root: String,
    /// The content of `nestling.toml` of the *base* branch that touches policy; the rest is read from the checkout.
    #[serde(default)]
    pub base_config: Option<String>,
}

/// The kinds of app that are found without configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A `main.w`.
    Wing,
    /// A `package.json` with a `start` script.
    Node,
    /// An `index.html`, or the output folder of a `build` script.
    Static,
    /// A `nestling.toml` with `[start] run`.
    Any,
}

/// The environment, as the app may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `production` or `preview`: the value of `NESTLING_ENVIRONMENT`.
    pub kind: String,
    /// The branch, the value of `NESTLING_BRANCH`.
    pub branch: String,
    /// The pull request's number, the value of `NESTLING_PULL_REQUEST`.
    pub pull_request: Option<u32>,
    /// The public address, the value of `NESTLING_URL`, e.g. `http://pr-12--shop.localhost:4100`.
    pub url: String,
    /// The address of a further endpoint, with `{endpoint}` where its name goes, e.g.
    /// `http://{endpoint}--pr-12--shop.localhost:4100`.
    pub endpoint_url: String,
}

/// The ref of a git bundle that names a tree, if the commit keeps files in Git LFS: their paths, with their content
/// where the commit has pointers.
pub const LARGE_FILES_REF: &str = "refs/nestling/large-files";

/// What the refs of a git bundle begin with that name commits of submodules, each without its history; the commit's
/// name follows. The bundle has their objects.
pub const SUBMODULES: &str = "refs/nestling/submodules/";

/// Where the commit comes from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Source {
    /// A git bundle from [`crate::path::SOURCE`], of this commit without its history; see also [`LARGE_FILES_REF`]
    /// and [`SUBMODULES`].
    Bundle {
        /// The commit, all hex digits.
        commit: String,
    },
    /// A repository reached over HTTP.
    Http {
        /// Its address, without credential.
        url: String,
        /// The ref that holds the commit, e.g. `refs/pull/12/head`.
        reference: String,
        /// The commit, all hex digits.
        commit: String,
        /// A short-lived password, given as a header and never in an address or argument.
        credential: Option<String>,
    },
}

impl Source {
    /// The commit that must be checked out, exactly.
    pub fn commit(&self) -> &str {
        match self {
            Source::Bundle { commit } | Source::Http { commit, .. } => commit,
        }
    }
}

/// How long things may take, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Clone, install and build together.
    pub setup: u64,
    /// The test run.
    pub test: u64,
    /// From the start of the app until it listens.
    pub start: u64,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("generation", &self.generation)
            .field("app", &self.app)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}
