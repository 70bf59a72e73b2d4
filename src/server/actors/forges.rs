//! The forge of the configuration, and what belongs to it.

use std::{path::Path, sync::Arc};

use actix::prelude::*;
use anyhow::Context as _;

use super::Relay;
use crate::{
    actors::{
        github::{
            GitHubForge, Places,
            making::{self, Making, Safe, kept::Kept},
            showing::Showing,
        },
        local::forge::LocalForge,
    },
    config::{Config, ForgeDriver, Secret},
    drivers::github::GitHub,
    http::{
        dashboard::paths,
        webhook::{self, Webhooks},
    },
    messages::{
        admission, forge,
        github_app::{self, Standing},
    },
    server::drivers::Drivers,
};

/// A forge, and what only one of its kind has.
pub(super) struct Forge {
    pub(super) handle: forge::Handle,
    /// Those who write comments.
    pub(super) people: Option<forge::People>,
    /// Who watches local repositories.
    pub(super) watch: Option<Recipient<forge::WatchRepository>>,
    /// The client of GitHub.
    pub(super) github: Option<Arc<GitHub>>,
    /// Who makes the App that the server is.
    pub(super) app: Option<github_app::Handle>,
    /// The door for GitHub's webhooks.
    pub(super) webhooks: Option<Arc<Webhooks>>,
    /// What its looks have found gone and not ended yet.
    pub(super) held_back: forge::HeldBack,
    pub(super) not_heard: forge::NotHeard,
    /// What GitHub refuses to show.
    pub(super) not_shown: forge::NotShown,
}

/// The forge of the configuration, and who watches local repositories. Its news go to a relay: intake needs environments, and
/// they need the forge.
pub(super) async fn start(
    config: &Config,
    drivers: &Drivers,
    admission: &admission::Handle,
    arrived: &Addr<Relay>,
) -> anyhow::Result<Forge> {
    match config.forge.driver {
        ForgeDriver::GitHub => start_github(config, drivers, admission, arrived).await,
        ForgeDriver::Local => {
            let folder = drivers.data.path().to_owned();
            let unprepared = unprepared(&folder);
            let (store, told) = (drivers.store.clone(), arrived.clone().recipient());
            let forge = LocalForge::new(store, folder, told).context(unprepared)?;
            let forge = forge.start();
            Ok(Forge {
                handle: forge_handle(&forge, forge.clone().recipient()),
                people: None,
                watch: Some(forge.recipient()),
                github: None,
                app: None,
                webhooks: None,
                // It believes that a branch is gone after two looks, whatever else is.
                held_back: forge::HeldBack::default(),
                not_heard: forge::NotHeard::default(),
                not_shown: forge::NotShown::default(),
            })
        }
    }
}

fn unprepared(folder: &Path) -> String {
    format!("could not prepare {} for mirrors", folder.display())
}

/// GitHub as the forge: as the App of the configuration, or else as the one that was made on the dashboard, or as none yet.
async fn start_github(
    config: &Config,
    drivers: &Drivers,
    admission: &admission::Handle,
    arrived: &Addr<Relay>,
) -> anyhow::Result<Forge> {
    let github = &config.forge.github;
    let (store, told) = (drivers.store.clone(), arrived.clone().recipient());
    let secrets = [&github.webhook_secret, &github.webhook_secret_previous];
    let secrets = secrets.map(Secret::reveal);
    let webhooks = Arc::new(Webhooks::new(store.clone(), told.clone(), &secrets));
    let client = Arc::new(GitHub::without_app(&github.api_url));
    let standing = if github.names_app() {
        let key = github.private_key.reveal().as_bytes();
        client.be(github.app_id, key, None)?;
        let number = github.app_id;
        Standing::Configured { number }
    } else {
        let kept = Kept::read(&*store, &*drivers.keys).await?;
        if let Kept::App(app) = &kept {
            app.use_in(&client)?;
            webhooks.trust(&app.webhook_secret);
        }
        kept.standing()
    };
    let folder = drivers.data.path().to_owned();
    let unprepared = unprepared(&folder);
    let places = Places {
        data: folder,
        web: github.web_url.clone(),
        hook: webhook::address(&config.server),
    };
    let forge = GitHubForge::new(store.clone(), client.clone(), places, told);
    let forge = forge.context(unprepared)?;
    let (held_back, not_heard) = (forge.held_back(), forge.not_heard());
    let forge = forge.start();
    let records = (store.clone(), drivers.blobs.clone());
    let addresses = drivers.addresses.clone();
    let seal = drivers.signing.clone();
    let showing = Showing::new(client.clone(), records, admission.clone(), addresses, seal);
    let trusting = webhooks.clone();
    let safe = Safe {
        store,
        keys: drivers.keys.clone(),
        client: client.clone(),
        trust: Arc::new(move |secret: &str| trusting.trust(secret)),
    };
    let look = forge.clone().recipient();
    let making = Making::new(safe, making_at(config, drivers), look, standing).start();
    let not_shown = showing.not_shown();
    let showing = showing.start();
    let announce = showing.clone().recipient();
    Ok(Forge {
        people: Some(forge::People {
            may_write: forge.clone().recipient(),
            see: forge.clone().recipient(),
            head: forge.clone().recipient(),
            announce: announce.clone(),
            deleted: showing.clone().recipient(),
            show_again: showing.recipient(),
            look_at: forge.clone().recipient(),
        }),
        handle: forge_handle(&forge, announce),
        watch: None,
        github: Some(client),
        app: Some(Making::handle(&making)),
        webhooks: Some(webhooks),
        held_back,
        not_heard,
        not_shown,
    })
}

/// Where GitHub is, and where it finds the server.
fn making_at(config: &Config, drivers: &Drivers) -> making::Addresses {
    let github = &config.forge.github;
    let dashboard = drivers.addresses.dashboard();
    making::Addresses {
        api: github.api_url.clone(),
        web: github.web_url.clone(),
        created: format!("{dashboard}{}", paths::APP_CREATED),
        installed: format!("{dashboard}{}", paths::APP_INSTALLED),
        dashboard,
        hook: webhook::address(&config.server),
    }
}

/// The way to an actor that is a forge; what it shows is told to `announce`.
fn forge_handle<F>(forge: &Addr<F>, announce: Recipient<forge::Announce>) -> forge::Handle
where
    F: Actor<Context = Context<F>>
        + Handler<forge::Head>
        + Handler<forge::Pack>
        + Handler<forge::AppsAt>
        + Handler<forge::FindApps>
        + Handler<forge::StartWaiting>,
{
    forge::Handle {
        head: forge.clone().recipient(),
        pack: forge.clone().recipient(),
        announce,
        apps_at: forge.clone().recipient(),
        find_apps: forge.clone().recipient(),
        start_waiting: forge.clone().recipient(),
    }
}
