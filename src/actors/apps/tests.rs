//! What becomes of an app that is removed, whatever arrives, and of one that is brought back.

use nestling_domain::{
    discovery::{Discovery, FoundApp},
    ids::{Kind, Timestamp},
    lifecycle::{State, Trigger},
    record::{DeliveryState, PullRequest, PullRequestStatus},
};

use super::*;
use crate::{
    actors::intake::Intake,
    drivers::store::sqlite::Sqlite,
    messages::environment::NotApplied,
    world::{House, REPOSITORY, app, commit, until},
};

/// A house with an app in production and in a preview, both running, and a neighbour; not yet the actor under test.
struct Story {
    house: House,
    shop: App,
    neighbour: App,
    intake: Recipient<Arrived>,
}

impl Story {
    async fn begin() -> Self {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let house = House::start(store.clone(), Box::new(|_, _| "token".to_owned())).await;
        house.outside.runners.set(true);
        let (shop, neighbour) = (app("shop"), app("stall"));
        let head = commit(1);
        *house.outside.head.borrow_mut() = Some(head.clone());
        *house.outside.apps.borrow_mut() = Some(vec![shop.id.clone(), neighbour.id.clone()]);
        *house.outside.found.borrow_mut() = Discovery {
            apps: [&shop, &neighbour].map(found).to_vec(),
            not_taken: Vec::new(),
        };
        for app in [&shop, &neighbour] {
            store.put_app(app).await.unwrap();
        }
        let pull_request = PullRequest {
            repository: REPOSITORY,
            number: 3,
            branch: "topic".into(),
            title: "a change".into(),
            status: PullRequestStatus::Open,
            head: Some(head),
            labels: Vec::new(),
            base: None,
            draft: false,
            orders: nestling_domain::orders::Orders::default(),
        };
        store.put_pull_request(&pull_request).await.unwrap();
        let live = house.live.touch.clone();
        let apps_at = house.forge.apps_at.clone();
        let intake = Intake::new(store, house.environments.clone(), (apps_at, None), live).start();
        let story = Story {
            house,
            shop,
            neighbour,
            intake: intake.recipient(),
        };
        story.deliver("first", story.pushed()).await;
        story.deliver("second", opened(Trigger::Push)).await;
        for kind in KINDS {
            story.until_runs(&story.shop, kind).await;
            story.until_runs(&story.neighbour, kind).await;
        }
        story
    }

    fn start(&self) -> Handle {
        let house = &self.house;
        let apps = Apps::new(
            house.store.clone(),
            house.environments.clone(),
            house.forge.find_apps.clone(),
            self.intake.clone(),
            house.live.touch.clone(),
        );
        Apps::handle(&apps.start())
    }

    fn pushed(&self) -> Fact {
        let head = self.house.outside.head.borrow().clone();
        Fact::Production {
            branch: "main".into(),
            commit: head.unwrap().id,
        }
    }

    /// Tells something, and waits for what came of it.
    async fn deliver(&self, id: &str, fact: Fact) -> String {
        let delivery = Delivery {
            id: id.to_owned(),
            at: Timestamp(1),
            repository: Some(REPOSITORY),
            fact,
        };
        self.house.store.receive(&delivery).await.unwrap();
        self.intake.send(Arrived).await.unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let all = self.house.store.deliveries(None, 100).await.unwrap();
            let mut this = all.into_iter().filter(|(known, _)| known.id == id);
            if let Some((_, DeliveryState::Done { decisions })) = this.next() {
                return format!("{decisions:?}");
            }
            assert!(tokio::time::Instant::now() < deadline, "{id} waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_runs(&self, app: &App, kind: Kind) -> Environment {
        let id = nestling_domain::ids::EnvironmentId::derive(&app.id, kind);
        until(&*self.house.store, &id, "ran", |record| {
            matches!(record.lifecycle.state, State::Running { .. })
        })
        .await
    }

    async fn until_nothing_is_left(&self, kind: Kind) {
        let id = nestling_domain::ids::EnvironmentId::derive(&self.shop.id, kind);
        until(&*self.house.store, &id, "was gone", |record| {
            record.lifecycle.is_closed() && record.lifecycle.world.machines.is_empty()
        })
        .await;
        assert!(self.house.routes.of(&id).is_none(), "its address answers");
        let machines = self.house.outside.machines.borrow();
        assert!(machines.iter().all(|(environment, _)| *environment != id));
    }
}

const KINDS: [Kind; 2] = [Kind::Production, Kind::Preview(3)];

fn found(app: &App) -> FoundApp {
    FoundApp {
        root: app.root.clone(),
        kind: app.kind,
        name: app.slug.to_string(),
        health: None,
        policy: None,
    }
}

fn opened(trigger: Trigger) -> Fact {
    Fact::PullRequest {
        number: 3,
        branch: "topic".into(),
        title: "a change".into(),
        commit: Some(commit(1).id),
        trigger,
    }
}

#[actix::test]
async fn a_removed_app_stays_removed_whatever_arrives_and_comes_back_when_a_person_says_so() {
    let story = Story::begin().await;
    let apps = story.start();
    let remove = Remove {
        app: story.shop.id.clone(),
        by: "ann".into(),
    };
    let removal = apps.remove.send(remove.clone()).await.unwrap().unwrap();
    assert_eq!(
        removal.closing,
        ["local/shop/production", "local/shop/pr-3"]
    );
    for kind in KINDS {
        story.until_nothing_is_left(kind).await;
    }
    let again = apps.remove.send(remove).await.unwrap();
    assert_eq!(again, Err(NotDone::Unknown(story.shop.id.clone())));

    // Whatever the forge tells, and whatever was on its way to an environment already.
    *story.house.outside.head.borrow_mut() = Some(commit(2));
    let decisions = story.deliver("pushed", story.pushed()).await;
    assert!(
        decisions.contains(r#""local/shop/production": "nothing: a person removed the app""#),
        "{decisions}"
    );
    assert!(decisions.contains("local/stall/production"), "{decisions}");
    story.deliver("reopened", opened(Trigger::Reopen)).await;
    for kind in [Kind::Production, Kind::Preview(3), Kind::Preview(4)] {
        for trigger in [
            Trigger::Push,
            Trigger::Reopen,
            Trigger::Visit,
            Trigger::Refresh,
            Trigger::Start,
        ] {
            let hint = Event::Hint {
                commit: None,
                trigger,
            };
            let told = story.house.tell(&story.shop, kind, hint).await;
            assert_eq!(
                told,
                Err(NotApplied::Refused("its app is removed".to_owned())),
                "{kind:?} {trigger:?}"
            );
        }
    }
    let start = Event::Command(Command::Start);
    let started = story.house.tell(&story.shop, KINDS[0], start).await;
    assert!(matches!(started, Err(NotApplied::Refused(_))));
    for kind in KINDS {
        story.until_nothing_is_left(kind).await;
        story.until_runs(&story.neighbour, kind).await;
    }

    let record = Record {
        repository: REPOSITORY,
        root: "shop".into(),
    };
    let back = apps.record.send(record.clone()).await.unwrap().unwrap();
    assert_eq!((back.app.slug.as_str(), back.is_new), ("shop", true));
    for kind in KINDS {
        let record = story.until_runs(&story.shop, kind).await;
        assert_eq!(record.lifecycle.generation.0, 2, "its history goes on");
    }
    let repeated = apps.record.send(record).await.unwrap().unwrap();
    assert!(!repeated.is_new);
    let elsewhere = Record {
        repository: REPOSITORY,
        root: "notes".into(),
    };
    assert_eq!(
        apps.record
            .send(elsewhere)
            .await
            .unwrap()
            .unwrap_err()
            .to_string(),
        "there is no app in folder notes of branch `main` of /home/ann/shop; apps were found in shop, stall"
    );
}

#[actix::test]
async fn what_a_crash_left_of_a_removed_app_is_closed_at_the_next_start() {
    let story = Story::begin().await;
    let store = &story.house.store;
    store
        .delete_app(&story.shop.id, clock::now())
        .await
        .unwrap();
    // The process died here: nobody has told its environments.
    let _apps = story.start();
    for kind in KINDS {
        story.until_nothing_is_left(kind).await;
        story.until_runs(&story.neighbour, kind).await;
    }
}

#[actix::test]
async fn an_app_that_only_a_pull_request_holds_comes_back_there_only() {
    let story = Story::begin().await;
    let apps = story.start();
    let fresh = app("fresh");
    story.house.store.put_app(&fresh).await.unwrap();
    *story.house.outside.apps.borrow_mut() = Some(vec![fresh.id.clone()]);
    story.deliver("third", opened(Trigger::Reopen)).await;
    story.until_runs(&fresh, KINDS[1]).await;
    let remove = Remove {
        app: fresh.id.clone(),
        by: "ann".into(),
    };
    apps.remove.send(remove).await.unwrap().unwrap();
    let record = Record {
        repository: REPOSITORY,
        root: "fresh".into(),
    };
    apps.record.send(record).await.unwrap().unwrap();
    let preview = story.until_runs(&fresh, KINDS[1]).await;
    assert_eq!(preview.lifecycle.generation.0, 2);
    let production = nestling_domain::ids::EnvironmentId::derive(&fresh.id, Kind::Production);
    let none = story.house.store.environment(&production).await.unwrap();
    assert_eq!(none, None, "the default branch does not hold it");
}

#[actix::test]
async fn an_app_that_comes_back_after_its_name_was_given_away_answers_at_another() {
    let story = Story::begin().await;
    let apps = story.start();
    let remove = Remove {
        app: story.shop.id.clone(),
        by: "ann".into(),
    };
    apps.remove.send(remove).await.unwrap().unwrap();
    for kind in KINDS {
        story.until_nothing_is_left(kind).await;
    }
    let store = &story.house.store;
    let later = clock::now().plus(Duration::from_hours(31 * 24));
    store.prune(later).await.unwrap();
    let heir = App {
        slug: story.shop.slug.clone(),
        ..app("heir")
    };
    assert_eq!(store.put_app(&heir).await.unwrap().slug.as_str(), "shop");

    let record = Record {
        repository: REPOSITORY,
        root: "shop".into(),
    };
    let back = apps.record.send(record).await.unwrap().unwrap().app;
    assert_ne!(back.slug, heir.slug);
    for kind in KINDS {
        let environment = story.until_runs(&story.shop, kind).await;
        assert_eq!(environment.slug, back.slug, "it is reached at its new name");
    }
}
