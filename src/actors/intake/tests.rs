//! What a delivery does to the environments of its repository.

mod webhooks;

use nestling_domain::{
    environment::Environment, ids::Timestamp, lifecycle::Command, policy::Production,
};

use super::*;
use crate::{
    drivers::store::sqlite::Sqlite,
    world::{House, REPOSITORY, app, commit, until},
};

/// An inbox that is worked off, with the house that hears of it.
struct Inbox {
    house: House,
    store: Arc<dyn Store>,
}

impl Inbox {
    /// With these apps recorded; the forge says that every commit holds these.
    async fn start(apps: &[&App], held: Option<&[&App]>) -> Self {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        for app in apps {
            store.put_app(app).await.unwrap();
        }
        let house = House::start(store.clone(), Box::new(|_, _| "token".to_owned())).await;
        let ids = |apps: &[&App]| apps.iter().map(|app| app.id.clone()).collect();
        *house.outside.apps.borrow_mut() = held.map(ids);
        Inbox { house, store }
    }

    /// Puts a fact into the inbox and works it off; what was decided.
    async fn hears(
        &self,
        id: &str,
        repository: Option<RepositoryId>,
        fact: Fact,
    ) -> BTreeMap<String, String> {
        let delivery = Delivery {
            id: id.to_owned(),
            at: Timestamp(1),
            repository,
            fact,
        };
        self.store.receive(&delivery).await.unwrap();
        let live = self.house.live.touch.clone();
        let apps_at = self.house.forge.apps_at.clone();
        let environments = self.house.environments.clone();
        Intake::new(self.store.clone(), environments, (apps_at, None), live).start();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let mut log = self.store.deliveries(None, 100).await.unwrap().into_iter();
            let found = log.find(|(delivery, _)| delivery.id == id);
            if let Some((_, DeliveryState::Done { decisions })) = found {
                return decisions;
            }
            assert!(tokio::time::Instant::now() < deadline, "it was never done");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[actix::test]
async fn production_that_no_push_deploys_remembers_the_newest_commit_until_somebody_starts_it() {
    let mut shop = app("shop");
    shop.policy.production_deploys = Production::Manual;
    let inbox = Inbox::start(&[&shop], None).await;
    inbox.house.outside.runners.set(true);
    let id = EnvironmentId::derive(&shop.id, Kind::Production);
    let store = &*inbox.store;
    let pushes = async |n: u64| {
        *inbox.house.outside.head.borrow_mut() = Some(commit(n));
        let fact = Fact::Production {
            branch: "main".to_owned(),
            commit: commit(n).id,
        };
        inbox
            .hears(&format!("push-{n}"), Some(REPOSITORY), fact)
            .await;
    };
    let serves = |n: u64| {
        move |one: &Environment| {
            let serving = one.lifecycle.answering();
            serving.is_some_and(|serving| serving.commit == commit(n))
                && one.lifecycle.look.is_none()
        }
    };
    let order = async |command| {
        let event = Event::Command(command);
        inbox
            .house
            .tell(&shop, Kind::Production, event)
            .await
            .unwrap();
    };
    // The first deployment is made all the same.
    pushes(1).await;
    until(store, &id, "serves the first", serves(1)).await;
    for n in [2, 3] {
        pushes(n).await;
        let offers = |one: &Environment| one.lifecycle.offered == Some(commit(n));
        let kept = until(store, &id, "offers the newest", offers).await;
        assert!(serves(1)(&kept), "{kept:#?}");
    }
    order(Command::Redeploy).await;
    let again = |one: &Environment| serves(1)(one) && one.lifecycle.generation.0 == 2;
    let kept = until(store, &id, "serves the first again", again).await;
    assert_eq!(kept.lifecycle.offered, Some(commit(3)), "it still waits");
    order(Command::Start).await;
    let started = until(store, &id, "serves the newest", serves(3)).await;
    assert_eq!(started.lifecycle.offered, None);
}

#[actix::test]
async fn a_commit_makes_environments_only_of_the_apps_that_it_holds() {
    let (shop, stall) = (app("shop"), app("stall"));
    let inbox = Inbox::start(&[&shop, &stall], Some(&[&shop])).await;
    let fact = Fact::Production {
        branch: "main".to_owned(),
        commit: commit(1).id,
    };
    let decisions = inbox.hears("first", Some(REPOSITORY), fact).await;
    assert_eq!(
        decisions["local/stall/production"],
        "nothing: there is no such environment, and commit 0000001 does not hold it"
    );
    let made = |app: &App| EnvironmentId::derive(&app.id, Kind::Production);
    let of = async |app| inbox.store.environment(&made(app)).await.unwrap();
    assert!(of(&shop).await.is_some());
    assert!(of(&stall).await.is_none());
}
