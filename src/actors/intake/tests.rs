//! What a delivery does to the environments of its repository.

mod webhooks;

use nestling_domain::ids::Timestamp;

use super::*;
use crate::{
    drivers::store::sqlite::Sqlite,
    world::{House, REPOSITORY, app, commit},
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
