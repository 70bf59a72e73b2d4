//! Starts the model of GitHub by hand, with a sample repository and an App that is installed for it.

#![allow(
    clippy::print_stdout,
    reason = "a program for people says where it listens"
)]

use std::{
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Parser;
use nestling_world::github::{Level, Model, Role, Selection, State};

/// What the sample App may do: what Nestling needs, and nothing more.
const PERMISSIONS: [(&str, Level); 6] = [
    ("metadata", Level::Read),
    ("contents", Level::Read),
    ("pull_requests", Level::Write),
    ("issues", Level::Read),
    ("checks", Level::Write),
    ("deployments", Level::Write),
];
const EVENTS: [&str; 6] = [
    "pull_request",
    "push",
    "delete",
    "repository",
    "issue_comment",
    "check_run",
];
const REPOSITORY: &str = "acme/shop";
const PAGE: &str = "<!doctype html><title>Shop</title><h1>A shop</h1>";

/// A model of GitHub, to try Nestling without an account.
#[derive(Parser)]
struct Options {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:4080")]
    listen: SocketAddr,
    /// Where webhooks go, such as `http://127.0.0.1:8080/github/webhook`; none are sent without.
    #[arg(long, default_value = "")]
    webhook: String,
    /// Where the App's private key is put.
    #[arg(long, default_value = "target/github-model.pem")]
    key: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let model = Model::listen(options.listen)?;
    let sample = model.act(|github| sample(github, &options))?;
    println!("{}", sample.told(&model.base(), &options));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::signal::ctrl_c())?;
    Ok(())
}

/// What a person has to know of the sample.
struct Sample {
    app: u64,
    installation: u64,
    secret: String,
}

fn sample(github: &mut State, options: &Options) -> Result<Sample> {
    github.create_organisation("acme");
    github.create_repository(REPOSITORY, true, &[("index.html", PAGE)])?;
    github.set_role(REPOSITORY, "ann", Some(Role::Write))?;
    github.set_role(REPOSITORY, "rob", Some(Role::Read))?;
    let permissions = PERMISSIONS.map(|(name, level)| (name.to_owned(), level));
    let app = github.register_app("acme", "Nestling", permissions.into(), &EVENTS)?;
    github.set_webhook_url(app, &options.webhook)?;
    keep(&options.key, &github.private_key(app)?)?;
    let secret = github.apps.get(&app).map(|app| app.webhook_secret.clone());
    let installation = github.install(app, "acme", Selection::All)?;
    Ok(Sample {
        app,
        installation,
        secret: secret.unwrap_or_default(),
    })
}

/// Writes a key that only its owner reads.
fn keep(file: &Path, key: &str) -> Result<()> {
    let failed = || format!("could not write the App's key to {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file);
    opened
        .and_then(|mut opened| opened.write_all(key.as_bytes()))
        .with_context(failed)
}

impl Sample {
    fn told(&self, base: &str, options: &Options) -> String {
        let webhooks = match options.webhook.as_str() {
            "" => "are not sent: say where with --webhook".to_owned(),
            url => format!("to {url}, with the secret {}", self.secret),
        };
        format!(
            "\
GitHub (a model of it) listens on {base}

App           {app} (Nestling), installed for acme as {installation}
private key   {key}
webhooks      {webhooks}
repository    {base}/{REPOSITORY} (private; ann writes, rob reads)

Push a branch and open a pull request:
  curl -d '{{\"repository\": \"{REPOSITORY}\", \"by\": \"ann\", \"branch\": \"blue\", \"files\": {{\"index.html\": \"<h1>Blue</h1>\"}}}}' {base}/_world/push
  curl -d '{{\"repository\": \"{REPOSITORY}\", \"by\": \"ann\", \"branch\": \"blue\", \"title\": \"Make it blue\"}}' {base}/_world/open
See it as people do:
  curl {base}/{REPOSITORY}/pull/1
Or have a server's dashboard make an App of its own:
  NESTLING__FORGE__DRIVER=github NESTLING__FORGE__GITHUB__API_URL={base} NESTLING__FORGE__GITHUB__WEB_URL={base} nestling serve
All that can be done:
  curl {base}/_world
Or with git itself:
  git clone {clone}/{REPOSITORY}.git",
            app = self.app,
            installation = self.installation,
            key = options.key.display(),
            clone = base.replace("http://", "http://ann:any@"),
        )
    }
}

#[cfg(test)]
mod tests {
    use nestling_domain::github::manifest;

    use super::*;

    #[test]
    fn the_sample_app_is_allowed_and_told_what_nestling_asks_for_and_no_more() {
        let asked = manifest::PERMISSIONS.map(|(name, level)| (name, Level::parse(level).unwrap()));
        assert_eq!(PERMISSIONS, asked);
        assert_eq!(EVENTS, manifest::EVENTS);
    }
}
