//! The one binary of Nestling.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use nestling::{
    client,
    config::{Config, Isolation},
    demo,
    drivers::sandbox::machine_init,
    server::{
        self, Ending,
        check::{self, Verdict},
        progress::{Outcome, Progress, say},
    },
    telemetry,
};
use nestling_protocol::network::{PROXY_PORT, SERVER_URL};

/// More requests pass through the gateway than with the system's allocator (ADR 11).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The name of the stage that puts a machine into its sandbox.
const MACHINE_INIT: &str = "machine-init";

/// A living environment for every branch: production for the main branch, a preview for each pull request.
#[derive(Parser)]
#[command(name = "nestling", version, about, long_about = None, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a sample repository of two apps with one open pull request, and run all four environments
    Demo {
        #[command(flatten)]
        place: Place,
        /// Exit 0 as soon as all four run, or 1 with the reason
        #[arg(long)]
        once: bool,
    },
    /// Give every branch of your own repositories an environment
    Up {
        /// A local git repository; may be given several times [default: the current folder]
        #[arg(long = "repo", value_name = "PATH")]
        repositories: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Run the server as its configuration says
    Serve {
        /// The configuration; config/default.toml documents every key
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say of each thing that the server needs whether it is there, and what to do if not
    Check {
        /// The configuration; config/default.toml documents every key
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make or look at the tables of DynamoDB, with store.driver = "dynamodb"
    Tables {
        #[command(subcommand)]
        what: Tables,
        /// The configuration; config/default.toml documents every key
        #[arg(long, value_name = "FILE", global = true)]
        config: Option<PathBuf>,
    },
    #[command(flatten)]
    Client(client::Command),
    /// The program inside a machine; started by the server, not by people
    #[command(hide = true)]
    Runner(RunnerArguments),
    /// The stage that puts a machine into its sandbox; started by the server, not by people
    #[command(name = MACHINE_INIT, hide = true, disable_help_flag = true)]
    MachineInit {
        /// What to start
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// What is done with the tables.
#[derive(Clone, Copy, Subcommand)]
enum Tables {
    /// Make what is missing, and wait until it can be used
    Create,
    /// Say whether they are there and as they must be
    Check,
}

/// Where a server keeps its data and listens.
#[derive(clap::Args)]
struct Place {
    /// Where everything that must survive is kept [default: nestling-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; loopback only [default: 127.0.0.1:4100]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// auto: a sandbox, or refuse; none: plain processes, for your own code only
    #[arg(long, value_enum)]
    isolation: Option<Isolation>,
}

/// Where a runner finds its machine; the defaults are the places inside a sandbox.
#[derive(clap::Args)]
struct RunnerArguments {
    #[arg(long)]
    run_dir: Option<PathBuf>,
    #[arg(long)]
    server_dir: Option<PathBuf>,
    #[arg(long)]
    state_dir: Option<PathBuf>,
    #[arg(long)]
    work_dir: Option<PathBuf>,
    #[arg(long)]
    cache_dir: Option<PathBuf>,
    #[arg(long)]
    lock: Option<PathBuf>,
    /// Where its proxy listens, where the server is on another host [default: 0.0.0.0:4180]
    #[arg(long, value_name = "ADDR")]
    proxy_listen: Option<SocketAddr>,
    /// Plain process groups instead of an inner sandbox
    #[arg(long)]
    plain: bool,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == MACHINE_INIT) {
        // Twice at each start of a machine: not worth building the whole command line for.
        return machine_init(words);
    }
    match Arguments::parse().command {
        Command::Demo { place, once } => serve(place.config(), Kind::Demo { once }),
        Command::Up {
            repositories,
            place,
        } => {
            let here = || vec![PathBuf::from(".")];
            let repositories = if repositories.is_empty() {
                here()
            } else {
                repositories
            };
            serve(place.config(), Kind::Up { repositories })
        }
        Command::Serve { config } => serve(
            Config::load(config.as_deref(), std::env::vars()).map_err(Into::into),
            Kind::Serve,
        ),
        Command::Check { config } => look(config.as_deref()),
        Command::Tables { what, config } => tables(what, config.as_deref()),
        Command::Client(command) => ask(command),
        Command::Runner(arguments) => run_machine(arguments),
        Command::MachineInit { arguments } => machine_init(arguments),
    }
}

impl Place {
    fn config(self) -> anyhow::Result<Config> {
        let mut config = Config::load(None, std::env::vars())?;
        if let Some(data) = self.data {
            config.server.data_dir = data;
        }
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(isolation) = self.isolation {
            config.machines.local.isolation = isolation;
        }
        config.check("the command line".to_owned())?;
        Ok(config)
    }
}

/// For whom a server runs.
enum Kind {
    Demo { once: bool },
    Up { repositories: Vec<PathBuf> },
    Serve,
}

fn serve(config: anyhow::Result<Config>, kind: Kind) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    telemetry::begin(&config.log, matches!(kind, Kind::Serve));
    // Not a macro: the system's thread is where all actors live.
    let system = actix_web::rt::System::new();
    match system.block_on(serve_for(config, kind)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

async fn serve_for(config: Config, kind: Kind) -> anyhow::Result<()> {
    let repositories = match &kind {
        Kind::Demo { .. } => {
            std::fs::create_dir_all(&config.server.data_dir)?;
            vec![demo::repository(&config.server.data_dir).await?]
        }
        Kind::Up { repositories } => repositories.clone(),
        Kind::Serve => Vec::new(),
    };
    let shown = !matches!(kind, Kind::Serve);
    let once = matches!(kind, Kind::Demo { once: true });
    let expected = matches!(kind, Kind::Demo { .. }).then_some(demo::ENVIRONMENTS);
    server::run(config, repositories, |house| {
        let mut progress = Progress::new(house.services.store.clone(), house.services.addresses.clone());
        let link = house.link.clone();
        async move {
            if !shown {
                return std::future::pending().await;
            }
            say(&format!("\n  Dashboard  {link}\n"));
            if let Some(expected) = expected {
                let outcome = progress.until_running(expected).await;
                if once {
                    return end(outcome);
                }
                if outcome == Outcome::Running {
                    say("\n  All of them run. Change something in the demo's repository, or press Ctrl-C to stop everything.\n");
                }
            }
            match progress.follow().await {}
        }
    })
    .await?
    .map(|_| ())
}

/// What `--once` ends with.
fn end(outcome: Outcome) -> anyhow::Result<Ending> {
    match outcome {
        Outcome::Running => Ok(Ending::Interrupted),
        Outcome::Failed(failed) => {
            let reasons: Vec<String> = failed
                .iter()
                .map(|(name, reason)| format!("{name}: {reason}"))
                .collect();
            anyhow::bail!("not all environments run:\n    {}", reasons.join("\n    "))
        }
    }
}

/// Fails when anything that is needed is missing.
fn look(config: Option<&std::path::Path>) -> ExitCode {
    let config = match Config::load(config, std::env::vars()) {
        Ok(config) => config,
        Err(error) => return complain(&error.into()),
    };
    let findings = actix_web::rt::System::new().block_on(check::check(&config));
    for finding in &findings {
        say(&finding.to_string());
    }
    if findings.iter().any(|one| one.verdict == Verdict::Missing) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn tables(what: Tables, config: Option<&std::path::Path>) -> ExitCode {
    let done = Config::load(config, std::env::vars()).map_err(Into::into);
    let done = done.and_then(|config| {
        let runtime = single_threaded()?;
        match what {
            Tables::Create => runtime.block_on(server::tables::create(&config)),
            Tables::Check => runtime.block_on(server::tables::check(&config)),
        }
    });
    match done {
        Ok(lines) => {
            for line in lines {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => complain(&error),
    }
}

fn ask(command: client::Command) -> ExitCode {
    let runtime = match single_threaded() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let (mut answers, mut complaints) = (std::io::stdout().lock(), std::io::stderr().lock());
    let mut output = client::Output::new(&mut answers, &mut complaints);
    ExitCode::from(runtime.block_on(client::run(command, &mut output)))
}

fn run_machine(arguments: RunnerArguments) -> ExitCode {
    let runtime = match single_threaded() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let network = network(arguments.proxy_listen);
    let usual = nestling_runner::Options::default();
    let place = |given: Option<PathBuf>, variable: &str, usual: &PathBuf| {
        given
            .or_else(|| std::env::var_os(variable).map(PathBuf::from))
            .unwrap_or_else(|| usual.clone())
    };
    let run_dir = place(arguments.run_dir, "NESTLING_RUN_DIR", &usual.run_dir);
    // Elsewhere than in a sandbox's own place there is no sandbox.
    let plain = arguments.plain || run_dir != usual.run_dir;
    let isolation = if plain {
        nestling_runner::Isolation::None
    } else {
        usual.isolation
    };
    let options = nestling_runner::Options {
        run_dir,
        server_dir: place(
            arguments.server_dir,
            "NESTLING_SERVER_DIR",
            &usual.server_dir,
        ),
        state_dir: place(arguments.state_dir, "NESTLING_STATE_DIR", &usual.state_dir),
        work_dir: place(arguments.work_dir, "NESTLING_WORK_DIR", &usual.work_dir),
        cache_dir: place(arguments.cache_dir, "NESTLING_CACHE_DIR", &usual.cache_dir),
        image_tools_dir: usual.image_tools_dir,
        lock: arguments.lock.or(usual.lock),
        isolation,
        network,
    };
    tokio::task::LocalSet::new().block_on(&runtime, nestling_runner::run(options))
}

/// How server and machine find each other, where the machine's environment says that they are on different hosts. Fly's proxy comes by IPv4
/// (<https://fly.io/docs/networking/flycast/#flycast-requirements>), and who comes by the machine's private IPv6 address finds nobody.
fn network(listen: Option<SocketAddr>) -> Option<nestling_runner::Network> {
    Some(nestling_runner::Network {
        server_url: std::env::var(SERVER_URL).ok()?,
        listen: listen.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, PROXY_PORT).into()),
    })
}

fn single_threaded() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

#[allow(
    clippy::print_stderr,
    reason = "the reason why there is nothing else to see"
)]
fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("nestling: {}", telemetry::told(error));
    ExitCode::FAILURE
}
