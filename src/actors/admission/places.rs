//! The places of each app: reserved when a preview is about to run, given back when its record says that it no longer holds
//! one (ADR 39).
//!
//! What is held is known from the records: those of an app are read before the first of its places is given, and from then on
//! each environment tells what it saved. What it told is newer than anything that was read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix::prelude::*;
use nestling_domain::{
    environment::Environment,
    ids::{AppId, EnvironmentId, Kind, RepositoryId},
    places::{Places, Stand},
};
use tokio::sync::oneshot;

use super::Admission;
use crate::{
    actors::live,
    drivers::store::{Store, StoreError},
    messages::{
        admission::{Freed, Pass, Place, Stands, Take, Turns},
        live::Touch,
    },
};

/// What is known of the places of all apps, and who asks for news of them.
#[derive(Default)]
pub(super) struct Books {
    of: HashMap<AppId, Book>,
    freed: BTreeSet<AppId>,
    asking: Vec<oneshot::Sender<BTreeSet<AppId>>>,
}

/// The places of one app.
#[derive(Default)]
struct Book {
    places: Places<EnvironmentId>,
    /// Whether its records were read.
    is_read: bool,
    /// Until then: who has told about itself.
    heard: BTreeSet<EnvironmentId>,
}

/// What is read before something is decided about the places of an app.
struct Ground {
    /// How many previews it may have at once; `None` where nothing limits them.
    most: Option<usize>,
    slug: String,
    /// Whether a person asked for this very preview.
    asked_for: bool,
    /// The records of the app, when they are not known yet.
    records: Option<Vec<Environment>>,
}

impl Books {
    /// How many previews go before each that waits.
    pub(super) fn ahead(&self) -> BTreeMap<EnvironmentId, usize> {
        let lines = self.of.values().map(|book| book.places.line());
        lines
            .flat_map(|line| line.into_iter().enumerate())
            .map(|(ahead, one)| (one, ahead))
            .collect()
    }

    fn line(&self, app: &AppId) -> Vec<EnvironmentId> {
        let book = self.of.get(app);
        book.map_or_else(Vec::new, |book| book.places.line())
    }

    fn is_read(&self, app: &AppId) -> bool {
        self.of.get(app).is_some_and(|book| book.is_read)
    }

    /// Takes in what was read of an app. Whoever has told about itself knows better.
    fn learn(
        &mut self,
        app: &AppId,
        records: Option<Vec<Environment>>,
    ) -> &mut Places<EnvironmentId> {
        let book = self.of.entry(app.clone()).or_default();
        if let Some(records) = records.filter(|_| !book.is_read) {
            for record in records {
                if record.kind != Kind::Production && !book.heard.contains(&record.id) {
                    let stand = Stand::of(&record.lifecycle);
                    book.places.stands(&record.id, stand);
                }
            }
            book.is_read = true;
            book.heard.clear();
        }
        &mut book.places
    }

    fn stands(&mut self, app: &AppId, environment: &EnvironmentId, stand: Stand) {
        let book = self.of.entry(app.clone()).or_default();
        let turn = book.places.stands(environment, stand);
        if !book.is_read {
            book.heard.insert(environment.clone());
        }
        // Nobody knows yet who waits in a book that was not read.
        if turn || (!book.is_read && stand == Stand::Neither) {
            self.tell_of(app.clone());
        }
    }

    fn tell_of(&mut self, app: AppId) {
        self.freed.insert(app);
        for asking in std::mem::take(&mut self.asking) {
            let freed = std::mem::take(&mut self.freed);
            if let Err(unheard) = asking.send(freed) {
                self.freed = unheard;
            }
        }
    }
}

impl Ground {
    async fn read(
        store: &dyn Store,
        app: &AppId,
        of: Option<(RepositoryId, u32)>,
        is_read: bool,
    ) -> Result<Self, StoreError> {
        let known = store.app(app).await?;
        let repository = match &known {
            Some(app) => store.repository(app.repository).await?,
            None => None,
        };
        // Branches of local repositories have a limit of their own, see `nestling_domain::local_forge`.
        let is_limited = repository.is_some_and(|repository| repository.path.is_none());
        let most = known.as_ref().filter(|_| is_limited);
        let most = most.map(|app| usize::try_from(app.policy.previews).unwrap_or(usize::MAX));
        let row = match of {
            Some((repository, number)) => store.pull_request(repository, number).await?,
            None => None,
        };
        let records = if is_read {
            None
        } else {
            Some(store.environments_of_app(app).await?)
        };
        Ok(Ground {
            most,
            slug: known.map_or_else(String::new, |app| app.slug.as_str().to_owned()),
            asked_for: row.is_some_and(|row| row.orders.ask_for(app)),
            records,
        })
    }
}

impl Handler<Take> for Admission {
    type Result = ResponseActFuture<Self, Result<Place, StoreError>>;

    fn handle(&mut self, take: Take, _: &mut Self::Context) -> Self::Result {
        let (store, is_read) = (self.store.clone(), self.books.is_read(&take.app));
        let read = async move {
            let of = Some((take.repository, take.number));
            let ground = Ground::read(&*store, &take.app, of, is_read).await?;
            Ok::<_, StoreError>((take, ground))
        };
        Box::pin(
            read.into_actor(self)
                .map(|read: Result<_, StoreError>, actor: &mut Self, _| {
                    let (take, ground) = read?;
                    let places = actor.books.learn(&take.app, ground.records);
                    let beyond = ground.asked_for || ground.most.is_none();
                    let most = ground.most.unwrap_or(usize::MAX);
                    let taken = places.take(&take.environment, take.at, most, beyond);
                    Ok(match taken {
                        Ok(()) => Place::Given,
                        Err(full) => Place::Full(full.words(&ground.slug)),
                    })
                }),
        )
    }
}

impl Handler<Stands> for Admission {
    type Result = ();

    fn handle(&mut self, told: Stands, _: &mut Self::Context) {
        let before = self.books.line(&told.app);
        self.books.stands(&told.app, &told.environment, told.stand);
        if before != self.books.line(&told.app) {
            let topic = live::EVERYTHING.to_owned();
            self.live.do_send(Touch { topic });
        }
    }
}

impl Handler<Freed> for Admission {
    type Result = ResponseFuture<BTreeSet<AppId>>;

    fn handle(&mut self, _: Freed, _: &mut Self::Context) -> Self::Result {
        if !self.books.freed.is_empty() {
            let freed = std::mem::take(&mut self.books.freed);
            return Box::pin(async { freed });
        }
        let (teller, told) = oneshot::channel();
        self.books.asking.push(teller);
        Box::pin(async move {
            match told.await {
                Ok(freed) => freed,
                // The server ends.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl Handler<Turns> for Admission {
    type Result = ResponseActFuture<Self, Result<Vec<EnvironmentId>, StoreError>>;

    fn handle(&mut self, Turns(app): Turns, _: &mut Self::Context) -> Self::Result {
        let (store, is_read) = (self.store.clone(), self.books.is_read(&app));
        let read = async move {
            let ground = Ground::read(&*store, &app, None, is_read).await?;
            Ok::<_, StoreError>((app, ground))
        };
        Box::pin(
            read.into_actor(self)
                .map(|read: Result<_, StoreError>, actor: &mut Self, _| {
                    let (app, ground) = read?;
                    let places = actor.books.learn(&app, ground.records);
                    Ok(places.turns(ground.most.unwrap_or(usize::MAX)))
                }),
        )
    }
}

impl Handler<Pass> for Admission {
    type Result = ();

    fn handle(&mut self, Pass { environment, app }: Pass, _: &mut Self::Context) {
        let book = self.books.of.get_mut(&app);
        if book.is_some_and(|book| book.places.pass(&environment)) {
            self.books.tell_of(app);
        }
    }
}
