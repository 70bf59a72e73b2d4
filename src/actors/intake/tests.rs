//! What a delivery does to the environments of its repository.

use nestling_domain::ids::Timestamp;

use super::*;
use crate::{
    drivers::store::sqlite::Sqlite,
    world::{House, REPOSITORY, app, commit},
};

#[actix::test]
async fn a_commit_makes_environments_only_of_the_apps_that_it_holds() {
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
    let (shop, stall) = (app("shop"), app("stall"));
    for app in [&shop, &stall] {
        store.put_app(app).await.unwrap();
    }
    let house = House::start(store.clone(), Box::new(|_, _| "token".to_owned())).await;
    *house.outside.apps.borrow_mut() = Some(vec![shop.id.clone()]);
    let delivery = Delivery {
        id: "first".to_owned(),
        at: Timestamp(1),
        repository: REPOSITORY,
        fact: Fact::Production {
            branch: "main".to_owned(),
            commit: commit(1).id,
        },
    };
    store.receive(&delivery).await.unwrap();
    let live = house.live.touch.clone();
    let apps_at = house.forge.apps_at.clone();
    Intake::new(store.clone(), house.environments.clone(), apps_at, live).start();

    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let decisions = loop {
        let newest = store.deliveries(None, 1).await.unwrap().remove(0);
        if let DeliveryState::Done { decisions } = newest.1 {
            break decisions;
        }
        assert!(tokio::time::Instant::now() < deadline, "it was never done");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        decisions["local/stall/production"],
        "nothing: there is no such environment, and commit 0000001 does not hold it"
    );
    let made = |app: &App| EnvironmentId::derive(&app.id, Kind::Production);
    assert!(store.environment(&made(&shop)).await.unwrap().is_some());
    assert!(store.environment(&made(&stall)).await.unwrap().is_none());
}
