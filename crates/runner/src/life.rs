//! The story of a runner: from its lock to its last report.

use std::io;
use std::path::Path;
use std::time::Duration;

use nestling_protocol::bundle::{Bundle, Source};
use nestling_protocol::log::Log;
use nestling_protocol::machine::{
    CONFIDENTIAL_FILE, EGRESS_SOCKET, LOGS, SERVER_SOCKET, TOKEN_FILE,
};
use nestling_protocol::network::Confidential;
use nestling_protocol::report::{Failure, Phase, Step as StepName};
use nestling_protocol::test::ARTIFACT;
use nestling_protocol::{VERSION, path};
use tokio::time::{Instant, timeout};

use crate::app::{self, App};
use crate::config::{self, Config};
use crate::kinds::{self, Plan};
use crate::log::Logger;
use crate::machine::Machine;
use crate::mask::{Mask, SHORTEST};
use crate::memory;
use crate::reporter::{Reporter, keep_alive};
use crate::server::{NotAnOrigin, Origin, Server, Stale, Way};
use crate::stop::Stop;
use crate::tests::Ran;
use crate::{Network, Options, egress, lock, proxy, setup, source, tests};

/// How long a stopped runner tries to hand over the last of its logs to a server that is away.
const LAST_WORDS: Duration = Duration::from_mins(1);

/// Below everything else on this box, and so is whatever it runs. Only once it has begun: a busy neighbour must not
/// delay that.
const NICE: i32 = 10;

/// How a runner's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to stop.
    Stopped,
    /// Its deployment failed, and the server knows.
    Failed,
}

/// Why a runner could not even begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBeginning {
    /// The lock was not to be had.
    #[error(transparent)]
    Lock(#[from] lock::NotLocked),
    /// There is no token: the server puts one for each machine, once.
    #[error("could not take the token {0}: a machine gets it once and ends with its runner")]
    Token(String, #[source] io::Error),
    /// What it was told in confidence is not what a server says.
    #[error("{0} does not hold what a server tells a machine in confidence")]
    Confidential(String),
    /// The server cannot be reached at all.
    #[error("the server cannot be reached: {0}")]
    Origin(#[from] NotAnOrigin),
    /// The machine's own folders or signals do not work.
    #[error("the machine is not usable: {0}")]
    Machine(#[from] io::Error),
    /// The bundle asks for something that is never right.
    #[error("the bundle is not usable: {0}")]
    Bundle(String),
}

/// Why a story ends before the app serves.
enum Ended {
    Stopped,
    Failed(Failure),
}

impl From<Stale> for Ended {
    fn from(Stale: Stale) -> Self {
        Ended::Stopped
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Ended::Failed(failure)
    }
}

/// Lives one deployment from its lock to its end.
pub(crate) async fn live(options: Options) -> Result<End, NoBeginning> {
    let _lock = options.lock.as_deref().map(lock::take).transpose()?;
    // Without it, the app is no more likely to be killed for its memory than the runner.
    let _ = memory::take_score();
    // Our memory holds the token and the secrets: nobody of our user may read it.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let stop = Stop::new();
    stop.obey_signals()?;
    let Confidential { token, credential } = take_confidential(&options)?;
    let way = match &options.network {
        None => Way::Socket(options.server_dir.join(SERVER_SOCKET)),
        Some(network) => Way::Network(Origin::read(&network.server_url)?),
    };
    let server = Server::new(way, token.clone(), stop.clone());
    if let Some(Network { listen, .. }) = options.network {
        std::fs::create_dir_all(&options.state_dir)?;
        proxy::open(listen, options.run_dir.clone(), &credential).await?;
    }
    let fetched = tokio::select! {
        fetched = server.insist_get::<Bundle>(path::BUNDLE) => fetched,
        () = stop.said() => Err(Stale),
    };
    let Ok(bundle) = fetched else {
        return Ok(End::Stopped);
    };
    check(&bundle)?;
    if options.isolation == crate::Isolation::Nested {
        // Refused, it costs others some time and nothing else.
        let _ = rustix::process::nice(NICE);
    }
    let boot = boot()?;
    let generation = bundle.generation;
    let machine = furnish(
        options,
        bundle,
        [&token, &credential],
        server.clone(),
        &stop,
    )
    .await?;
    let reporter = Reporter::new(server.clone(), stop.clone(), generation, boot.clone());
    let ended = match tell(&machine, &reporter, &stop, (server, generation, boot)).await {
        Ok(app) => app
            .serve(&machine, &reporter, &stop)
            .await
            .map_or(Ended::Stopped, Ended::Failed),
        Err(ended) => ended,
    };
    Ok(finish(&machine, &reporter, &stop, ended).await)
}

/// Everything until the app serves. Told to stop, it is dropped, and its processes with it.
async fn tell(
    machine: &Machine,
    reporter: &Reporter,
    stop: &Stop,
    speaker: (Server, u32, String),
) -> Result<App, Ended> {
    let story = async {
        reporter.ask(Phase::Deploying { protocol: VERSION }).await?;
        let (server, generation, boot) = speaker;
        keep_alive(server, stop.clone(), generation, boot);
        let (config, plan) = prepare(machine, reporter).await?;
        reporter.tell_notes(machine);
        test(machine, reporter, &plan).await?;
        reporter
            .ask(Phase::Prepared {
                exclusive: plan.exclusive(machine),
            })
            .await?;
        reporter.tell(Phase::Starting);
        let app = app::start(machine, &config, plan.start).await?;
        reporter.tell_notes(machine);
        reporter.tell(Phase::Running {
            endpoints: app.endpoints(),
        });
        Ok(app)
    };
    tokio::select! {
        told = story => told,
        () = stop.said() => Err(Ended::Stopped),
    }
}

/// Clone and setup.
async fn prepare(machine: &Machine, reporter: &Reporter) -> Result<(Config, Plan), Ended> {
    let deadline = Instant::now() + Duration::from_secs(machine.bundle.limits.setup);
    machine.deployment.begin_step();
    machine.deployment.say(format!(
        "fetching commit {}",
        machine.bundle.source.commit()
    ));
    let commit = source::check_out(machine, deadline).await?;
    reporter.tell(Phase::Cloned { commit });
    let config = config::read(&machine.app(), &machine.checkout())
        .map_err(|wrong| wrong_config(machine, &wrong))?;
    kinds::check(machine, &config)?;
    let reused = setup::set_up(machine, &config, deadline).await?;
    let plan = kinds::plan(machine, &config, deadline).await?;
    reporter.tell(Phase::SetUp { reused });
    Ok((config, plan))
}

fn wrong_config(machine: &Machine, wrong: &config::Wrong) -> Failure {
    let wrong = wrong.at(&machine.place(config::FILE));
    let reason = format!("app {}: {wrong}", machine.bundle.app.name);
    machine.failure(StepName::Setup, reason, None)
}

/// The tests. Failing ones do not stop the start.
async fn test(machine: &Machine, reporter: &Reporter, plan: &Plan) -> Result<(), Ended> {
    reporter.tell(Phase::RunningTests);
    let deadline = Instant::now() + Duration::from_secs(machine.bundle.limits.test);
    match tests::run(machine, &plan.test, deadline).await {
        Ran::Results(results) => {
            let content = serde_json::to_vec(&results).unwrap_or_default();
            let generation = machine.bundle.generation;
            let server = &machine.server;
            server
                .upload(generation, ARTIFACT, content.into(), true)
                .await?;
            let counts = results.counts();
            machine.deployment.say(format!(
                "tests: {} passed, {} failed, {} skipped",
                counts.passed, counts.failed, counts.skipped
            ));
            reporter.tell(Phase::Tested { counts });
        }
        Ran::Broken(reason) => {
            machine.deployment.say(&reason);
            reporter.tell(Phase::TestsBroken { reason });
        }
    }
    Ok(())
}

/// The last of the logs, then the last report.
async fn finish(machine: &Machine, reporter: &Reporter, stop: &Stop, ended: Ended) -> End {
    let last_words = async {
        for log in [&machine.deployment, &machine.runtime] {
            log.send_rest().await;
            log.seal().await;
        }
    };
    match ended {
        Ended::Failed(failure) => {
            let log = if matches!(failure.step, StepName::Start | StepName::Run) {
                &machine.runtime
            } else {
                &machine.deployment
            };
            log.say(&failure.reason);
            tokio::select! {
                () = async { last_words.await; let _ = reporter.ask(Phase::Failed(failure)).await; } => {}
                () = stop.said() => {}
            }
            End::Failed
        }
        Ended::Stopped => {
            let _ = timeout(LAST_WORDS, last_words).await;
            End::Stopped
        }
    }
}

/// Makes logs, way out and folders.
async fn furnish(
    options: Options,
    bundle: Bundle,
    confidential: [&str; 2],
    server: Server,
    stop: &Stop,
) -> Result<Machine, NoBeginning> {
    let credential = match &bundle.source {
        Source::Http { credential, .. } => credential.as_deref(),
        Source::Bundle { .. } => None,
    };
    let mask = Mask::new(
        bundle
            .secrets
            .values()
            .map(String::as_str)
            .chain(confidential)
            .chain(credential),
    );
    let folder = options.run_dir.join(LOGS);
    let open = |log| {
        Logger::open(
            &folder,
            log,
            bundle.generation,
            mask.clone(),
            server.clone(),
            stop.clone(),
        )
    };
    let logs = (open(Log::Deployment)?, open(Log::Runtime)?);
    for (name, _) in bundle
        .secrets
        .iter()
        .filter(|(_, value)| value.len() < SHORTEST)
    {
        logs.0.say(format!(
            "secret {name} is shorter than {SHORTEST} bytes: too short to be masked in logs"
        ));
    }
    let way_out = options.server_dir.join(EGRESS_SOCKET);
    let proxy = if way_out.exists() {
        Some(egress::open(way_out).await?)
    } else {
        None
    };
    Ok(Machine::new(options, bundle, server, logs, proxy)?)
}

/// What the machine was told when it was made. On this box that is a token, and who comes to its sockets is known by that.
fn take_confidential(options: &Options) -> Result<Confidential, NoBeginning> {
    if options.network.is_none() {
        return Ok(Confidential {
            token: take(&options.run_dir.join(TOKEN_FILE))?,
            credential: String::new(),
        });
    }
    let path = options.run_dir.join(CONFIDENTIAL_FILE);
    // Not why: the text would be in it.
    serde_json::from_str(&take(&path)?)
        .map_err(|_| NoBeginning::Confidential(path.display().to_string()))
}

/// Reads a file and removes it: the copy in memory is the only one from now on.
fn take(path: &Path) -> Result<String, NoBeginning> {
    let failed = |error| NoBeginning::Token(path.display().to_string(), error);
    let text = std::fs::read_to_string(path).map_err(failed)?;
    std::fs::remove_file(path).map_err(failed)?;
    Ok(text.trim().to_owned())
}

/// A folder that climbs, or a commit that is none, would make commands mean something else.
fn check(bundle: &Bundle) -> Result<(), NoBeginning> {
    let root = Path::new(&bundle.app.root);
    if !root
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)))
    {
        return Err(NoBeginning::Bundle(format!(
            "folder {} of the app leads out of the repository",
            bundle.app.root
        )));
    }
    let commit = bundle.source.commit();
    if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NoBeginning::Bundle(format!(
            "{commit} is not a commit: 40 hex digits are"
        )));
    }
    if let Source::Http { url, reference, .. } = &bundle.source
        && (url.starts_with('-') || reference.starts_with('-'))
    {
        return Err(NoBeginning::Bundle(
            "the source's address or ref begins with a hyphen".into(),
        ));
    }
    Ok(())
}

/// A random name for this start of the runner.
fn boot() -> Result<String, NoBeginning> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?
        .trim()
        .to_owned())
}
