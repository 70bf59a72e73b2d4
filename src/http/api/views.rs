//! What the API answers: the types that its documentation is made of, and that the client commands read.
//!
//! Moments are milliseconds since 1970. Lists come in pages: `next` goes into `after` of the next request.

mod apps;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use apps::*;

/// An environment: a space with a stable address where an instance of an app is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentView {
    /// `local/shop/pr-12`: what the client commands take.
    pub name: String,
    /// `production`, or `pr-12`.
    pub environment: String,
    /// `production` or `preview`.
    pub kind: String,
    /// The branch that it tracks.
    pub branch: String,
    /// The pull request's number, of a preview.
    pub pull_request: Option<u32>,
    /// The pull request's title; the branch for production.
    pub title: String,
    /// What people see: `queued`, `deploying`, `running-tests`, `starting`, `running`, `failed`, `stopped`.
    pub status: String,
    /// How many builds go before its own, while that waits for a slot; 0 is the next.
    #[serde(default)]
    pub ahead: Option<usize>,
    /// The word of its lifecycle: `creating`, `running`, `restarting` or `stopped`.
    pub state: String,
    /// Why it is stopped, why its newest deployment is not the one that serves, or why its app is started again.
    pub reason: Option<String>,
    /// Its stable address.
    pub url: String,
    /// Whether something answers there now.
    pub serves: bool,
    /// The commit that was last asked for: on its way, serving, failed or stopped.
    pub commit: Option<CommitView>,
    /// The newest commit, when only a person deploys it and nobody has: `start` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<CommitView>,
    /// What is served, with addresses; empty while nothing serves.
    pub endpoints: Vec<EndpointView>,
    /// The deployment that serves.
    pub serving: Option<NamedDeployment>,
    /// The deployment on its way.
    pub next: Option<NamedDeployment>,
    /// How the newest deployment failed, while that is the newest news.
    pub failure: Option<FailureView>,
    /// Counts the changes of the record; the `ETag`.
    pub version: u64,
    /// When it was recorded first.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
}

/// A commit and what people recognise it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitView {
    /// The whole name.
    pub id: String,
    /// The first line of its message.
    pub message: String,
    /// Who wrote it.
    pub author: String,
}

/// A public address of something that a running deployment serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointView {
    /// Its name.
    pub name: String,
    /// What people read.
    pub label: String,
    /// `app`, or `console` (always behind the sign-in).
    pub kind: String,
    /// Whether it answers at the environment's own address.
    pub primary: bool,
    /// Whether a browser shows something useful there.
    pub browser: bool,
    /// Where it answers.
    pub url: String,
}

/// A deployment as its environment names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedDeployment {
    /// Its number.
    pub number: u32,
    /// How far it is.
    pub status: String,
    /// What it runs.
    pub commit: CommitView,
    /// Since when it is in this phase.
    pub since: u64,
    /// How its tests went.
    pub tests: TestsView,
    /// What stands in its way at the moment.
    pub trouble: Option<String>,
    /// What people should know about it although it stops nothing.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a deployment's tests went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestsView {
    /// `pending`, `ran`, or `broken`: the run itself broke.
    pub status: String,
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that did not run, on purpose.
    pub skipped: u32,
    /// Why the run broke.
    pub reason: Option<String>,
}

/// How a deployment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureView {
    /// Which deployment.
    pub number: u32,
    /// In which phase.
    pub phase: String,
    /// One sentence: the thing, the place and the remedy.
    pub reason: String,
    /// How the process ended: `code 1`, `signal 9`, `memory`, `timeout`.
    pub exit: Option<String>,
    /// The last lines of the log of that phase.
    pub tail: Vec<String>,
    /// When.
    pub at: u64,
}

/// A page of environments of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentsPage {
    /// Production first, then by pull request.
    pub environments: Vec<EnvironmentView>,
    /// Open pull requests that wait because the limit is reached; `start` one by name.
    pub waiting: Vec<WaitingView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// An open pull request that waits because the limit is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingView {
    /// The name that it will have: `local/shop/pr-12`.
    pub name: String,
    /// Its number.
    pub pull_request: u32,
    /// Its branch.
    pub branch: String,
    /// Its title.
    pub title: String,
    /// POST here to start it.
    pub start: String,
}

/// One deployment in the history of its environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    /// Its number.
    pub number: u32,
    /// How far it is, or how it ended: also `superseded` and `stopped`.
    pub status: String,
    /// What it ran.
    pub commit: CommitView,
    /// Why it existed: `push`, `redeploy`, `retry of 3`, …
    pub cause: String,
    /// Its phases, in order.
    pub phases: Vec<PhaseView>,
    /// How its tests went.
    pub tests: TestsView,
    /// How it failed, if it did.
    pub failure: Option<FailureView>,
    /// When it was asked for.
    pub created_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// Its logs, as paths of this API.
    pub logs: LogsView,
    /// Its test results, as a path of this API.
    pub results: String,
}

/// Where a deployment's logs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogsView {
    /// Clone, setup and tests.
    pub deployment: String,
    /// What the running app says.
    pub runtime: String,
}

/// A phase that a deployment went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PhaseView {
    /// Which.
    pub phase: String,
    /// When it began.
    pub from: u64,
    /// How long it took, in milliseconds; `null` while it lasts.
    pub millis: Option<u64>,
}

/// A page of deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentsPage {
    /// Newest first.
    pub deployments: Vec<DeploymentView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderedView {
    /// In words: what it caused, or why nothing.
    pub decision: String,
    /// The environment after it; `null` for a waiting pull request, which has none yet.
    pub environment: Option<EnvironmentView>,
}

/// The preview that is to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreview {
    /// The number of its pull request.
    #[schema(minimum = 1)]
    pub pull_request: u32,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitView {
    /// `running`, `failed`, `superseded`, `stopped` — or `pending`: the time ran out, ask again.
    pub outcome: String,
    /// In words.
    pub reason: String,
    /// The deployment that this is about.
    pub deployment: Option<u32>,
    /// How it failed.
    pub failure: Option<FailureView>,
    /// The environment.
    pub environment: EnvironmentView,
}

/// A secret or variable, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValueView {
    /// Its name.
    pub name: String,
    /// A variable's value; a secret's is masked here, see its own address.
    pub value: Option<String>,
    /// When it was last put.
    pub updated_at: u64,
}

/// What came of sealing every secret anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResealedView {
    /// How many were sealed anew.
    pub secrets: u64,
    /// Those that could not be opened, and are as they were.
    pub left: Vec<LeftView>,
}

/// A secret that could not be sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeftView {
    /// Which, as `owner/app preview/NAME`.
    pub name: String,
    /// Why, and what to do.
    pub reason: String,
}

/// The secrets, or the variables, of an app for one kind of environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValuesPage {
    /// By name.
    pub values: Vec<ValueView>,
}

/// A value in the clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlainValue {
    /// What it holds, at most 64 KiB.
    pub value: String,
}

/// What stands in the way of a whole repository, or of the server itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TroublesView {
    /// The server's own first.
    pub troubles: Vec<TroubleView>,
}

/// Something that people should know and can end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TroubleView {
    /// What it concerns: `builds`, `secrets`, `removals`, an environment such as `local/shop/pr-12`, or a repository such as
    /// `local/shop`.
    pub about: String,
    /// What is wrong, where, and what to do.
    pub reason: String,
    /// Since when, where that is known: of a removal that is stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// What it has cost since then, in millionths of a US dollar, where that is known: of machines at Fly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
}

/// A page of deliveries: what the forge told, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveriesPage {
    /// Newest first.
    pub deliveries: Vec<DeliveryView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Something that the forge told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// When it came.
    pub at: u64,
    /// The repository's number; none when it speaks of no repository.
    pub repository: Option<u64>,
    /// What it says, in words.
    pub says: String,
    /// `pending` or `done`.
    pub status: String,
    /// Per environment what it caused, or why nothing.
    pub decisions: std::collections::BTreeMap<String, String>,
}

/// Who builds and who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// How many may build at once.
    pub slots: usize,
    /// Those that build.
    pub building: Vec<BuildView>,
    /// Those that wait, next first.
    pub waiting: Vec<BuildView>,
    /// Why nothing is granted right now.
    pub paused: Option<String>,
}

/// A build that holds or waits for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BuildView {
    /// `local/shop/pr-12`.
    pub environment: String,
    /// Which deployment.
    pub deployment: u32,
}

impl std::fmt::Debug for PlainValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainValue").finish_non_exhaustive()
    }
}
