//! Whether GitHub knows the App as the configuration has it, lets it do what it must, and reaches the server.

use std::collections::BTreeMap;

use nestling_domain::github::{
    Log,
    manifest::{EVENTS, PERMISSIONS},
};

use super::{
    super::{chosen, store},
    Finding, Folder, Verdict, finding,
};
use crate::{
    actors::github::making::kept::Kept,
    config::{Config, ForgeDriver},
    drivers::{
        clock,
        data_dir::DataDir,
        github::{AppShown, GitHub, Skew, TOLERATED},
        store::{Store, sqlite::Sqlite},
    },
    http::{dashboard::paths, webhook},
};

const WHAT: &str = "GitHub App";

/// Asks GitHub; nothing when the forge is local.
pub(super) async fn findings(config: &Config, folder: &Folder) -> Vec<Finding> {
    let github = match config.forge.driver {
        ForgeDriver::Local => return Vec::new(),
        ForgeDriver::GitHub => &config.forge.github,
    };
    let client = GitHub::without_app(&github.api_url);
    let number = match app(config, folder, &client).await {
        Ok(number) => number,
        Err(none) => return vec![none],
    };
    // The first thing to ask: it shows that key, number and clock are right.
    let app = client.app().await;
    let clock = clock(client.skew(), app.is_ok());
    let app = match app {
        Ok(app) => app,
        Err(error) => {
            let says = error.to_string();
            let missing = finding(WHAT, Verdict::Missing, says);
            return std::iter::once(missing).chain(clock).collect();
        }
    };
    let found = finding(WHAT, Verdict::Ok, format!("{}, number {number}", app.slug));
    let mut findings: Vec<Finding> = std::iter::once(found).chain(clock).collect();
    findings.extend([
        installations(&client, config, &app.slug).await,
        permissions(&app),
        events(&app),
        address(&client, config).await,
        deliveries(&client).await,
    ]);
    findings
}

/// How the clock of this machine stands to GitHub's, if GitHub has answered.
fn clock(skew: Option<Skew>, works: bool) -> Option<Finding> {
    const WHAT: &str = "clock";
    let skew = skew?;
    if !skew.is_too_much() {
        return Some(finding(WHAT, Verdict::Ok, "agrees with GitHub's"));
    }
    let verdict = if works {
        Verdict::Poor
    } else {
        Verdict::Missing
    };
    let says = format!(
        "{skew}: beyond {} s GitHub may not take what the App signs; set it by the network (timedatectl set-ntp true)",
        TOLERATED.as_secs()
    );
    Some(finding(WHAT, verdict, says))
}

/// Where the App is installed, and where its owner suspended it.
async fn installations(client: &GitHub, config: &Config, slug: &str) -> Finding {
    const WHAT: &str = "installations";
    let all = match client.installations().await {
        Ok(all) => all,
        Err(error) => return finding(WHAT, Verdict::Missing, error.to_string()),
    };
    let web = &config.forge.github.web_url;
    if all.is_empty() {
        let says = format!(
            "the App is installed nowhere: install it at {web}/apps/{slug}/installations/new"
        );
        return finding(WHAT, Verdict::Poor, says);
    }
    let at = |suspended: bool| {
        let some = all.iter().filter(|one| one.suspended == suspended);
        let names: Vec<&str> = some.map(|one| &*one.account).collect();
        names.join(", ")
    };
    let suspended = at(true);
    if suspended.is_empty() {
        return finding(WHAT, Verdict::Ok, format!("at {}", at(false)));
    }
    let says = format!(
        "suspended at {suspended}: what runs of there goes on, and nothing new is deployed or shown until an owner lets the App go on, in the settings there under \"GitHub Apps\""
    );
    finding(WHAT, Verdict::Poor, says)
}

/// Has the client ask as the App that the server is; answers its number, or why there is none.
async fn app(config: &Config, folder: &Folder, client: &GitHub) -> Result<u64, Finding> {
    let github = &config.forge.github;
    let missing = |says: String| finding(WHAT, Verdict::Missing, says);
    if github.names_app() {
        let key = github.private_key.reveal().as_bytes();
        let used = client.be(github.app_id, key, None);
        used.map_err(|error| missing(error.to_string()))?;
        return Ok(github.app_id);
    }
    let page = paths::GITHUB_APP;
    if folder.is_in_use {
        let says = format!(
            "the configuration names none, and what was made on the dashboard only the server knows that runs now: see {page} there, or end it first"
        );
        return Err(finding(WHAT, Verdict::Poor, says));
    }
    match made_here(config, folder).await {
        Err(error) => Err(missing(error.to_string())),
        Ok(Kept::Nothing) => {
            let says = format!(
                "there is none yet: start the server, and make one at {page} of its dashboard"
            );
            Err(finding(WHAT, Verdict::Poor, says))
        }
        Ok(Kept::Lost(lost)) => Err(missing(lost.reason)),
        Ok(Kept::App(app)) => {
            let used = app.use_in(client);
            used.map_err(|error| missing(error.to_string()))?;
            Ok(app.made.number)
        }
    }
}

/// What the store of a server that does not run has of an App. Nothing is made where nothing is.
async fn made_here(config: &Config, folder: &Folder) -> anyhow::Result<Kept> {
    let Some(path) = &folder.path else {
        return Ok(Kept::Nothing);
    };
    // Locked while it is read.
    let data = DataDir::open(path)?;
    let store: Box<dyn Store> = match store::dynamodb(config).await? {
        Some(tables) => Box::new(tables),
        None if data.database().exists() => Box::new(Sqlite::open(&data.database())?),
        None => return Ok(Kept::Nothing),
    };
    if store.own_app().await?.is_none() {
        return Ok(Kept::Nothing);
    }
    let account = chosen::account(config).await?;
    let keys = chosen::keys(config, path, account.as_ref()).await?;
    Ok(Kept::read(&*store, &*keys).await?)
}

fn permissions(app: &AppShown) -> Finding {
    const WHAT: &str = "App permissions";
    let lacking: Vec<String> = PERMISSIONS
        .iter()
        .filter(|(name, level)| !has(&app.permissions, name, level))
        .map(|(name, level)| format!("{name}: {level}"))
        .collect();
    if !lacking.is_empty() {
        let says = format!(
            "it lacks {}: give them in the App's settings, under \"Permissions & events\"; then each installation's owner accepts them",
            lacking.join(", ")
        );
        return finding(WHAT, Verdict::Missing, says);
    }
    let beyond: Vec<String> = app
        .permissions
        .iter()
        .filter_map(|(name, level)| beyond(name, level))
        .collect();
    if beyond.is_empty() {
        return finding(WHAT, Verdict::Ok, "all that are needed, and no more");
    }
    let says = format!(
        "more than is needed: {}: take it away in the App's settings, under \"Permissions & events\"",
        beyond.join(", ")
    );
    finding(WHAT, Verdict::Poor, says)
}

fn has(granted: &BTreeMap<String, String>, name: &str, level: &str) -> bool {
    let found = granted.get(name).map(String::as_str);
    found == Some(level) || found == Some("write") || found == Some("admin")
}

/// What is granted beyond what is needed, and what is; `None` when it is not.
fn beyond(name: &str, level: &str) -> Option<String> {
    let needed = PERMISSIONS.iter().find(|(needed, _)| *needed == name);
    match needed {
        None => Some(format!("{name}: {level} (none is)")),
        Some((_, "read")) if level != "read" => Some(format!("{name}: {level} (read is)")),
        Some(_) => None,
    }
}

fn events(app: &AppShown) -> Finding {
    const WHAT: &str = "App events";
    let heard = |event: &&&str| !app.events.iter().any(|one| one == **event);
    let lacking: Vec<&str> = EVENTS.iter().filter(heard).copied().collect();
    if lacking.is_empty() {
        return finding(WHAT, Verdict::Ok, "all that are needed");
    }
    let says = format!(
        "it is not told of {}: subscribe to them in the App's settings, under \"Permissions & events\"; until then a listing every 15 minutes finds pushes and pull requests, and nothing finds comments",
        lacking.join(", ")
    );
    finding(WHAT, Verdict::Poor, says)
}

async fn address(client: &GitHub, config: &Config) -> Finding {
    const WHAT: &str = "webhook address";
    let Some(wanted) = webhook::address(&config.server) else {
        let says = "server.public_url is not set, so GitHub cannot reach the server: it is asked every 30 s instead";
        return finding(WHAT, Verdict::Poor, says);
    };
    match client.hook_address().await {
        Err(error) => finding(WHAT, Verdict::Missing, error.to_string()),
        Ok(known) if known == wanted => finding(WHAT, Verdict::Ok, wanted),
        Ok(known) => {
            let says = format!(
                "GitHub sends to {known:?}: the next start of the server makes it {wanted}"
            );
            finding(WHAT, Verdict::Poor, says)
        }
    }
}

async fn deliveries(client: &GitHub) -> Finding {
    const WHAT: &str = "webhooks";
    let attempts = match client.attempts(None).await {
        Err(error) => return finding(WHAT, Verdict::Poor, error.to_string()),
        Ok(attempts) => attempts,
    };
    let mut log = Log::default();
    log.learn(&attempts, clock::now());
    match log.lost() {
        None => finding(WHAT, Verdict::Ok, "none is lost"),
        Some(lost) => {
            let (waiting, how) = (lost.waiting, lost.how());
            let says = format!("{waiting} did not get through, the newest {how}");
            finding(WHAT, Verdict::Poor, says)
        }
    }
}

#[cfg(test)]
mod tests {
    use nestling_world::github::{Level, Model, Selection};

    use super::*;

    fn config(github: &Model, app: u64, key: &str) -> Config {
        let keys = [
            (
                "SERVER__PUBLIC_URL",
                "https://nestling.example.com".to_owned(),
            ),
            ("FORGE__DRIVER", "github".to_owned()),
            ("FORGE__GITHUB__API_URL", github.base()),
            ("FORGE__GITHUB__APP_ID", app.to_string()),
            ("FORGE__GITHUB__PRIVATE_KEY", key.to_owned()),
            ("FORGE__GITHUB__WEBHOOK_SECRET", "a secret".to_owned()),
        ];
        let named = keys.map(|(key, value)| (format!("NESTLING__{key}"), value));
        Config::load(None, named.into_iter()).unwrap()
    }

    async fn verdicts(config: &Config) -> Vec<(Verdict, String)> {
        let nowhere = Folder {
            finding: finding("data folder", Verdict::Ok, ""),
            path: None,
            is_in_use: false,
        };
        let found = findings(config, &nowhere).await.into_iter();
        found.map(|one| (one.verdict, one.says)).collect()
    }

    #[actix::test]
    async fn an_app_is_checked_from_its_key_to_its_last_webhook() {
        let github = Model::start().unwrap();
        let granted =
            PERMISSIONS.map(|(name, level)| (name.to_owned(), Level::parse(level).unwrap()));
        let (app, key) = github.act(|state| {
            state.create_organisation("acme");
            let app = state
                .register_app("acme", "Nestling", granted.into(), &EVENTS)
                .unwrap();
            state
                .set_webhook_url(app, "https://nestling.example.com/github/webhook")
                .unwrap();
            state.install(app, "acme", Selection::All).unwrap();
            (app, state.private_key(app).unwrap())
        });
        let config = config(&github, app, &key);
        let found = verdicts(&config).await;
        let fine: Vec<Verdict> = found.iter().map(|(verdict, _)| *verdict).collect();
        assert_eq!(fine[..6], [Verdict::Ok; 6], "{found:?}");
        assert_eq!(found[2].1, "at acme");

        github.act(|state| {
            let app = state.apps.get_mut(&app).unwrap();
            app.permissions.remove("checks");
            app.events.retain(|event| event != "push");
            app.webhook_url = "https://old.example.com/github/webhook".to_owned();
        });
        let found = verdicts(&config).await;
        assert!(found[3].1.contains("it lacks checks: write"), "{found:?}");
        assert!(found[4].1.contains("not told of push"), "{found:?}");
        assert!(found[5].1.contains("old.example.com"), "{found:?}");

        github.act(|state| {
            let app = state.apps.get_mut(&app).unwrap();
            let more = [
                ("checks", Level::Write),
                ("issues", Level::Write),
                ("members", Level::Read),
            ];
            let more = more.map(|(name, level)| (name.to_owned(), level));
            app.permissions.extend(more);
        });
        let found = verdicts(&config).await;
        assert_eq!(found[3].0, Verdict::Poor);
        assert!(
            found[3].1.starts_with(
                "more than is needed: issues: write (read is), members: read (none is)"
            ),
            "{found:?}"
        );

        github.act(|state| state.revoke_key(app).unwrap());
        let found = verdicts(&config).await;
        assert_eq!((found.len(), found[0].0), (2, Verdict::Missing));
        assert!(
            found[0]
                .1
                .contains("is it the key of this App, not revoked"),
            "{found:?}"
        );
    }
    #[actix::test]
    async fn an_app_that_is_suspended_or_installed_nowhere_is_told() {
        let github = Model::start().unwrap();
        let granted =
            PERMISSIONS.map(|(name, level)| (name.to_owned(), Level::parse(level).unwrap()));
        let (app, key) = github.act(|state| {
            state.create_organisation("acme");
            let app = state.register_app("acme", "Nestling", granted.into(), &EVENTS);
            let app = app.unwrap();
            (app, state.private_key(app).unwrap())
        });
        let config = config(&github, app, &key);
        let said = async || {
            let found = verdicts(&config).await.swap_remove(2);
            assert_eq!(found.0, Verdict::Poor);
            found.1
        };
        let nowhere = said().await;
        assert!(
            nowhere.ends_with("/apps/nestling/installations/new"),
            "{nowhere}"
        );
        github.act(|state| {
            let first = state.install(app, "acme", Selection::All).unwrap();
            state.create_organisation("umbrella");
            state.install(app, "umbrella", Selection::All).unwrap();
            state.suspend(first).unwrap();
        });
        let suspended = said().await;
        assert!(suspended.starts_with("suspended at acme: "), "{suspended}");
    }

    #[actix::test]
    async fn a_clock_that_is_wrong_is_said_before_anything_else_is_looked_for() {
        const MINUTE: i64 = 60_000;
        let github = Model::start().unwrap();
        let (app, key) = github.act(|state| {
            let app = state.register_app("acme", "Nestling", BTreeMap::new(), &[]);
            let app = app.unwrap();
            (app, state.private_key(app).unwrap())
        });
        let config = config(&github, app, &key);
        // GitHub's clock is right, by definition.
        for (theirs, verdict, says) in [
            (0, Verdict::Ok, "agrees with GitHub's"),
            (
                -5 * MINUTE,
                Verdict::Missing,
                "s ahead of GitHub's: beyond 60 s",
            ),
            (7 * MINUTE, Verdict::Poor, "s behind GitHub's: beyond 60 s"),
        ] {
            github.act(|state| state.clock.advance(theirs));
            let found = verdicts(&config).await;
            assert_eq!(found[1].0, verdict, "{found:?}");
            assert!(found[1].1.contains(says), "{found:?}");
            if verdict == Verdict::Missing {
                assert!(
                    found[0].1.contains("ahead of GitHub's; set it right"),
                    "{found:?}"
                );
            }
        }
    }
}
