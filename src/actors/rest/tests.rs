//! Stories of previews that nobody needs for a while.

use nestling_domain::{
    ids::EnvironmentId,
    orders::Orders,
    record::{PullRequest, PullRequestStatus},
};

use super::*;
use crate::{
    drivers::store::sqlite::Sqlite,
    messages::routes::Entrance,
    world::{self, House, REPOSITORY, commit},
};

const HOUR: Duration = Duration::from_hours(1);

struct World {
    house: House,
    rest: Rest,
    shop: App,
    now: Timestamp,
}

impl World {
    /// A repository on GitHub with one app.
    async fn start(policy: Policy) -> Self {
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let house = House::start(store.clone(), Box::new(|_, _| String::new())).await;
        house.outside.runners.set(true);
        let shop = world::shop_with(policy, &*store).await;
        let now = clock::now();
        let rest = Rest::new(
            store,
            house.environments.clone(),
            house.admission.clone(),
            house.routes.clone(),
        );
        World {
            house,
            rest,
            shop,
            now,
        }
    }

    async fn runs(&self, kind: Kind) -> EnvironmentId {
        *self.house.outside.head.borrow_mut() = Some(commit(1));
        let hint = Event::Hint {
            commit: Some(commit(1).id),
            trigger: Trigger::Push,
        };
        self.house.tell(&self.shop, kind, hint).await.unwrap();
        let id = EnvironmentId::derive(&self.shop.id, kind);
        self.until(&id, "running").await;
        id
    }

    async fn until(&self, id: &EnvironmentId, state: &str) {
        let is = |one: &Environment| one.lifecycle.state_name() == state;
        world::until(&*self.house.store, id, state, is).await;
    }

    /// A look so much later; why the preview is stopped then, if it is.
    async fn later(&self, id: &EnvironmentId, by: Duration) -> Option<Why> {
        self.rest.round(self.now.plus(by)).await.unwrap();
        let found = self.house.store.environment(id).await.unwrap().unwrap();
        match found.lifecycle.state {
            State::Stopped { why, .. } => Some(why),
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => None,
        }
    }
}

#[actix::test]
async fn a_preview_that_nobody_visits_sleeps_after_a_day_and_production_never_does() {
    let world = World::start(Policy::default()).await;
    let (preview, production) = (
        world.runs(Kind::Preview(1)).await,
        world.runs(Kind::Production).await,
    );
    assert_eq!(world.later(&preview, HOUR * 23).await, None);
    assert_eq!(world.later(&preview, HOUR * 25).await, Some(Why::Idle));
    assert_eq!(world.later(&production, HOUR * 25).await, None);
    let visit = Event::Hint {
        commit: None,
        trigger: Trigger::Visit,
    };
    world
        .house
        .tell(&world.shop, Kind::Preview(1), visit)
        .await
        .unwrap();
    world.until(&preview, "running").await;
}

#[actix::test]
async fn a_visit_is_counted_from_although_the_server_is_started_again() {
    let mut world = World::start(Policy::default()).await;
    let preview = world.runs(Kind::Preview(1)).await;
    let record = world.house.store.environment(&preview).await.unwrap();
    let visit = world.house.routes.enter(&record.unwrap().label(), 1);
    assert!(matches!(visit, Entrance::Open { .. }), "{visit:?}");
    assert_eq!(world.later(&preview, HOUR * 20).await, None);
    assert_eq!(world.later(&preview, HOUR * 40).await, None, "it lasts");
    drop(visit);
    let (store, environments) = (world.house.store.clone(), world.house.environments.clone());
    let admission = world.house.admission.clone();
    world.rest = Rest::new(store, environments, admission, Routes::default());
    assert_eq!(world.later(&preview, HOUR * 63).await, None);
    assert_eq!(world.later(&preview, HOUR * 65).await, Some(Why::Idle));
}

#[actix::test]
async fn a_preview_that_nobody_pushes_to_ends_unless_somebody_keeps_it() {
    let world = World::start(Policy::default()).await;
    let (one, kept) = (
        world.runs(Kind::Preview(1)).await,
        world.runs(Kind::Preview(2)).await,
    );
    let row = PullRequest {
        repository: REPOSITORY,
        number: 2,
        branch: "two".into(),
        title: "Two".into(),
        status: PullRequestStatus::Open,
        head: None,
        labels: vec!["keep".into()],
        base: None,
        draft: false,
        orders: Orders::default(),
    };
    world.house.store.put_pull_request(&row).await.unwrap();
    let ended = world.later(&one, HOUR * (24 * 14 + 1)).await;
    assert!(
        matches!(&ended, Some(Why::Policy(why)) if why.contains("14 days")),
        "{ended:?}"
    );
    assert_eq!(
        world.later(&kept, HOUR * (24 * 14 + 1)).await,
        Some(Why::Idle)
    );
    *world.house.outside.head.borrow_mut() = Some(commit(2));
    let push = Event::Hint {
        commit: Some(commit(2).id),
        trigger: Trigger::Push,
    };
    let kind = Kind::Preview(1);
    world.house.tell(&world.shop, kind, push).await.unwrap();
    world.until(&one, "running").await;
}

#[actix::test]
async fn a_place_that_becomes_free_is_given_to_whoever_waits_for_it() {
    let policy = Policy {
        previews: 1,
        ..Policy::default()
    };
    let world = World::start(policy).await;
    world.runs(Kind::Preview(1)).await;
    let hint = Event::Hint {
        commit: None,
        trigger: Trigger::Push,
    };
    let kind = Kind::Preview(2);
    world.house.tell(&world.shop, kind, hint).await.unwrap();
    let second = EnvironmentId::derive(&world.shop.id, kind);
    let waits = |one: &Environment| matches!(Stand::of(&one.lifecycle), Stand::Waits(_));
    world::until(&*world.house.store, &second, "waits", waits).await;

    let still = world.later(&second, HOUR).await;
    assert!(matches!(still, Some(Why::Waits(_))), "{still:?}");
    let stop = Event::Command(Command::Stop);
    world
        .house
        .tell(&world.shop, Kind::Preview(1), stop)
        .await
        .unwrap();
    world.rest.round(world.now.plus(HOUR)).await.unwrap();
    world.until(&second, "running").await;
}
