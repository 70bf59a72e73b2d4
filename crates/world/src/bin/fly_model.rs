//! Starts the model of Fly by hand, with an organisation and a token of it.

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
use nestling_world::fly::{Delays, Model};

/// A model of Fly, to try Nestling without an account. Its machines run nothing.
#[derive(Parser)]
struct Options {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:4090")]
    listen: SocketAddr,
    /// Slug of the organisation.
    #[arg(long, default_value = "acme")]
    organisation: String,
    /// Where the organisation's token is put.
    #[arg(long, default_value = "target/fly-model.token")]
    token: PathBuf,
    /// Things take as long as they do at Fly, and not a moment.
    #[arg(long)]
    slow: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let model = Model::listen(options.listen)?;
    let token = model.act(|fly| {
        if options.slow {
            fly.manners.delays = Delays::real();
        }
        fly.create_organisation(&options.organisation);
        fly.issue_token(&options.organisation)
    });
    keep(&options.token, &token)?;
    println!("{}", told(&model.base(), &options));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::signal::ctrl_c())?;
    Ok(())
}

/// Writes a token that only its owner reads.
fn keep(file: &Path, token: &str) -> Result<()> {
    let failed = || format!("could not write the token to {}", file.display());
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
        .and_then(|mut opened| opened.write_all(token.as_bytes()))
        .with_context(failed)
}

fn told(base: &str, options: &Options) -> String {
    format!(
        "\
Fly (a model of it) listens on {base}

API            {base}/v1
organisation   {organisation}
token          {token}

Create an app and a machine:
  api() {{ curl -sH \"Authorization: Bearer $(cat {token})\" \"$@\"; echo; }}
  api -d '{{\"name\": \"shop\", \"org_slug\": \"{organisation}\"}}' {base}/v1/apps
  api -d '{{\"name\": \"one\", \"config\": {{\"image\": \"nginx\"}}}}' {base}/v1/apps/shop/machines
See what is there:
  curl {base}/_world/state
Let something go wrong:
  curl -d '{{\"route\": \"POST /apps/*/machines\", \"kind\": \"lost\"}}' {base}/_world/fault
All that can be done:
  curl {base}/_world",
        organisation = options.organisation,
        token = options.token.display(),
    )
}
