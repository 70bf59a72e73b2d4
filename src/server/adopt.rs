//! What a server does before it listens: load the routes of everything that runs, count the builds that
//! hold slots, and start an actor for whatever has a machine.

use std::sync::Arc;

use actix::Addr;
use nestling_domain::environment::Environment;
use tracing::info;

use crate::{
    actors::{
        admission::Admission,
        environment::{Places, route},
    },
    drivers::store::{Store, StoreError},
    messages::{
        admission::{Adopt, Build},
        environments::{Handle, Wake},
        routes::Routes,
    },
};

/// Records read at once.
const PAGE: usize = 500;

/// Adopts what runs; answers how many environments have a machine.
pub(crate) async fn adopt(
    store: &Arc<dyn Store>,
    routes: &Routes,
    places: &Places,
    admission: &Addr<Admission>,
    environments: &Handle,
) -> Result<usize, StoreError> {
    let mut after = None;
    let mut builds = Vec::new();
    let mut found = Vec::new();
    loop {
        let page = store.with_machines(after.as_deref(), PAGE).await?;
        for environment in page.items {
            if let Some(route) = route(&environment, places) {
                routes.set(route);
            }
            builds.extend(build(&environment));
            found.push(environment.id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    info!(
        "adopts {} environments with machines, {} of them building",
        found.len(),
        builds.len()
    );
    admission.do_send(Adopt(builds));
    let count = found.len();
    for id in found {
        environments.wake.do_send(Wake { id });
    }
    Ok(count)
}

/// Loads the routes of environments without machines too, so that their address says why nothing answers.
pub(super) async fn load_routes(store: Arc<dyn Store>, routes: Routes, places: Box<Places>) {
    let mut after: Option<String> = None;
    loop {
        let page = match store.environments(after.as_deref(), PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!("could not load all routes: {error}");
                return;
            }
        };
        let idle = |environment: &&Environment| environment.lifecycle.world.machines.is_empty();
        let idle = page.items.iter().filter(idle);
        for route in idle.filter_map(|environment| route(environment, &places)) {
            routes.set_if_absent(route);
        }
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}

fn build(environment: &Environment) -> Option<Build> {
    let next = environment
        .lifecycle
        .next()
        .filter(|next| next.phase.builds())?;
    Some(Build {
        environment: environment.id.clone(),
        generation: next.generation,
        repository: environment.repository,
    })
}
