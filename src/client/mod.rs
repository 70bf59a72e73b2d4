//! The client commands: `ps`, `logs`, `redeploy` and the rest, on the HTTP API of a server on this machine.
//!
//! Exit codes: 0 done; 1 the server refused, or what was asked for does not run; 2 wrong usage, or no server.

mod apps;
mod connection;
mod logs;
mod orders;
mod output;
mod ps;
mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use nestling_domain::ids::Kind;

use self::connection::Connection;
pub use self::output::Output;

/// Where the server's data lies when nobody says: the default of `server.data_dir`.
const DATA: &str = "nestling-data";
/// The file in the data folder that holds the server's address on one line, `http://127.0.0.1:4100`.
pub const ADDRESS_FILE: &str = "address";
/// The file in the data folder that holds the operator's token.
pub const TOKEN_FILE: &str = "api-token";

/// What people can ask of a running server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the environments: what runs, where, and why not
    Ps {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Only those of this app, e.g. local/shop
        app: Option<AppName>,
        /// Also those whose pull request is closed
        #[arg(long)]
        closed: bool,
    },
    /// Show a log of an environment's newest deployment
    Logs {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Which environment, e.g. local/shop/pr-12
        environment: EnvironmentName,
        /// Go on with the lines to come
        #[arg(short, long)]
        follow: bool,
        /// Which log; the app's own when it runs, else that of its deployment
        #[arg(long)]
        log: Option<Which>,
        /// Which deployment, by number; the newest when not said
        #[arg(long)]
        deployment: Option<u32>,
        /// Only the last so many lines
        #[arg(short = 'n', long)]
        tail: Option<usize>,
    },
    /// Deploy the newest commit again
    Redeploy(OneEnvironment),
    /// Stop an environment; its data is kept
    Stop(OneEnvironment),
    /// Start a stopped environment, or a waiting pull request
    Start(OneEnvironment),
    /// Deploy a preview of an open pull request, although policy makes none or the limit is reached
    Preview {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Which app, e.g. local/shop
        app: AppName,
        /// The pull request's number
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        pull_request: u32,
    },
    /// Open an environment's address in the browser
    Open(OneEnvironment),
    /// Apps: list them, remove one, bring one back
    #[command(subcommand)]
    App(Apps),
    /// Secrets of an app
    #[command(subcommand)]
    Secret(Secrets),
    /// Plain variables of an app
    #[command(subcommand)]
    Variable(Values),
}

/// What can be done with apps as a whole.
#[derive(Debug, Subcommand)]
pub enum Apps {
    /// List the apps, and those that were removed
    Ls {
        /// Which server.
        #[command(flatten)]
        to: To,
    },
    /// List the apps that the default branch of a repository holds, added or not
    Find {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Its repository, by owner and name, e.g. acme/shop
        repository: RepositoryName,
    },
    /// Add the app in a folder of a repository, or bring one back that was removed
    Add {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Its repository, by name or path
        repository: String,
        /// Its folder there; the root when not said
        #[arg(default_value = "", hide_default_value = true)]
        root: String,
    },
    /// Remove an app: all of its environments close, and it stays removed
    Rm {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Which app, e.g. local/shop
        app: AppName,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// One app's.
    #[command(flatten)]
    One(Values),
    /// Seal every secret of every app anew, after the key that seals was changed or turned over
    Reseal {
        /// Which server.
        #[command(flatten)]
        to: To,
    },
}

/// What can be done with secrets and variables.
#[derive(Debug, Subcommand)]
pub enum Values {
    /// Record a value, read from standard input (or asked for): never an argument, which others could see
    Set {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Which app, e.g. local/shop
        app: AppName,
        /// Its name, e.g. `DATABASE_URL`
        name: String,
        /// For which environments
        #[arg(long)]
        kind: Class,
    },
    /// List names; secrets stay masked
    Ls {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Which app, e.g. local/shop
        app: AppName,
    },
    /// Remove a value
    Rm {
        /// Which server.
        #[command(flatten)]
        to: To,
        /// Which app, e.g. local/shop
        app: AppName,
        /// Its name
        name: String,
        /// For which environments
        #[arg(long)]
        kind: Class,
    },
}

/// One environment.
#[derive(Debug, Args)]
pub struct OneEnvironment {
    #[command(flatten)]
    to: To,
    /// Which environment, e.g. local/shop/pr-12
    environment: EnvironmentName,
}

/// Which server, and how it answers.
#[derive(Debug, Args)]
pub struct To {
    /// The server's data folder, which holds its address and the token
    #[arg(long, value_name = "DIR", default_value = DATA)]
    data: PathBuf,
    /// The server's address, instead of the one in the data folder
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The operator's token, instead of the one in the data folder; better given as `NESTLING_TOKEN`
    #[arg(long, hide_default_value = true)]
    token: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// The two logs of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Clone, setup and tests
    Deployment,
    /// What the running app says
    Runtime,
}

/// The kinds of environment that values belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Class {
    /// The default branch's environment
    Production,
    /// All previews
    Preview,
}

/// `local/shop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppName {
    owner: String,
    app: String,
}

/// `acme/shop`, of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryName(AppName);

/// `local/shop/pr-12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentName {
    app: AppName,
    kind: Kind,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The server refused, or what was asked for does not run.
    #[error("{0}")]
    Refused(String),
    /// It could not even be asked.
    #[error("{0}")]
    Unasked(String),
    /// The answer could not be written.
    #[error("the answer could not be written: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs a command; answers the exit code.
pub async fn run(command: Command, output: &mut Output<'_>) -> u8 {
    let (code, reason) = match obey(command, output).await {
        Ok(()) => return 0,
        // Whoever read us has enough.
        Err(Failed::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => return 0,
        Err(failed @ Failed::Unasked(_)) => (2, failed),
        Err(failed @ (Failed::Refused(_) | Failed::Output(_))) => (1, failed),
    };
    output.complain(&reason.to_string());
    code
}

async fn obey(command: Command, output: &mut Output<'_>) -> Result<(), Failed> {
    match command {
        Command::Ps { to, app, closed } => ps::ps(&Connection::to(&to)?, app, closed, output).await,
        Command::Logs {
            to,
            environment,
            follow,
            log,
            deployment,
            tail,
        } => {
            let wanted = logs::Wanted {
                environment,
                follow,
                log,
                deployment,
                tail,
            };
            logs::logs(&Connection::to(&to)?, &wanted, output).await
        }
        Command::Redeploy(one) => order(&one, "redeploy", output).await,
        Command::Stop(one) => order(&one, "stop", output).await,
        Command::Start(one) => order(&one, "start", output).await,
        Command::Preview {
            to,
            app,
            pull_request,
        } => {
            let preview = EnvironmentName {
                app,
                kind: Kind::Preview(pull_request),
            };
            orders::preview(&Connection::to(&to)?, &preview, pull_request, output).await
        }
        Command::Open(one) => {
            let connection = Connection::to(&one.to)?;
            orders::open(&connection, &one.environment, output).await
        }
        Command::App(order) => apps::apps(order, output).await,
        Command::Secret(Secrets::One(values)) => values::values(values, "secrets", output).await,
        Command::Secret(Secrets::Reseal { to }) => values::reseal(&to, output).await,
        Command::Variable(values) => values::values(values, "variables", output).await,
    }
}

async fn order(one: &OneEnvironment, what: &str, output: &mut Output<'_>) -> Result<(), Failed> {
    let connection = Connection::to(&one.to)?;
    orders::order(&connection, &one.environment, what, output).await
}

impl AppName {
    fn path(&self) -> String {
        format!("/v1/apps/{}/{}", self.owner, self.app)
    }
}

impl EnvironmentName {
    fn path(&self) -> String {
        format!("{}/environments/{}", self.app.path(), self.kind.name())
    }
}

impl std::fmt::Display for AppName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.app)
    }
}

impl std::fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.app, self.kind.name())
    }
}

impl std::str::FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [owner, app] if is_word(owner) && is_word(app) => Ok(AppName {
                owner: owner.to_owned(),
                app: app.to_owned(),
            }),
            _ => Err("an app is named by owner and name, e.g. local/shop".to_owned()),
        }
    }
}

impl std::str::FromStr for RepositoryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(RepositoryName).map_err(|_: String| {
            "a repository is named by owner and name, e.g. acme/shop".to_owned()
        })
    }
}

impl std::str::FromStr for EnvironmentName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text.rsplit_once('/').and_then(|(app, kind)| {
            Some(EnvironmentName {
                app: app.parse().ok()?,
                kind: Kind::parse(kind)?,
            })
        });
        named.ok_or_else(|| {
            "an environment is named by owner, app and `production` or `pr-N`, e.g. local/shop/pr-12; `nestling ps` lists them".to_owned()
        })
    }
}

/// Whether this stands in a path as it is.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Class::Production => "production",
            Class::Preview => "preview",
        }
    }
}
