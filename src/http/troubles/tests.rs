//! What GitHub does not let the App do stands in the way until it does.

use nestling_domain::{
    fly::{Cost, Price},
    ids::{Generation, Kind},
    lifecycle::{Lifecycle, Remains, State as Stage, Why},
};
use nestling_world::github::{Fault, Level, Model, Permissions, Selection, Times};

use super::*;
use crate::{
    drivers::{
        github::{GitHub, Place},
        store::{Save, conformance},
    },
    http::{api::views::TroublesView, world::World},
    messages::{dns::NotLed, machines::Left},
    world::shop_on_github,
};

#[actix::test]
async fn an_app_that_was_suspended_or_uninstalled_is_said_to_be_until_it_is_not() {
    let github = Model::start().unwrap();
    let (repository, app, installation, key) = github.act(|state| {
        state.create_organisation("acme");
        let page = [("index.html", "<h1>Shop</h1>")];
        let repository = state.create_repository("acme/shop", true, &page).unwrap();
        let granted = [("metadata".to_owned(), Level::Read)].into();
        let app = state.register_app("acme", "Nestling", granted, &[]);
        let app = app.unwrap();
        let installation = state.install(app, "acme", Selection::All).unwrap();
        (
            repository,
            app,
            installation,
            state.private_key(app).unwrap(),
        )
    });
    let client = GitHub::new(&github.base(), app, key.as_bytes()).unwrap();
    let client = std::sync::Arc::new(client);
    let world = World::start().await;
    let services = Services {
        github: Some(client.clone()),
        ..world.services.clone()
    };
    let (shop, its_app) = shop_on_github(repository, installation);
    services.store.put_repository(&shop).await.unwrap();
    let said = async || {
        let place = Place {
            installation,
            repository: shop.id,
            owner: "acme".to_owned(),
            name: "shop".to_owned(),
        };
        // As whoever has a question about it finds out.
        let _ = client.repository(&place).await;
        let of_shop = |one: &Trouble| one.about == "GitHub at acme";
        let all = all(&services).await.unwrap().into_iter();
        all.filter(of_shop)
            .map(|one| one.reason)
            .collect::<Vec<_>>()
    };
    let act = |act: &dyn Fn(&mut nestling_world::github::State) -> anyhow::Result<()>| {
        github.act(|state| act(state)).unwrap();
    };
    act(&|state| state.suspend(installation));
    assert_eq!(said().await, [""; 0], "nobody deploys anything of it");
    services.store.put_app(&its_app).await.unwrap();
    let suspended = said().await;
    assert_eq!(suspended.len(), 1);
    assert!(
        suspended[0].starts_with("the GitHub App is suspended at acme: what runs goes on"),
        "{suspended:?}"
    );
    act(&|state| state.unsuspend(installation));
    assert_eq!(said().await, [""; 0]);
    let told = Repository {
        suspended: true,
        ..shop.clone()
    };
    services.store.put_repository(&told).await.unwrap();
    assert_eq!(said().await, suspended, "only a webhook told of it");
    services.store.put_repository(&shop).await.unwrap();
    let now = clock::now();
    let refused = |kind, last| Unshown {
        repository: shop.id,
        kind,
        reason: "GitHub refuses it (403)".to_owned(),
        since: Timestamp(now.0 - 60_000),
        last,
    };
    let long_ago = Timestamp(now.0 - 3_600_000);
    services.not_shown.say(Some(vec![
        refused(Kind::Preview(9), now),
        refused(Kind::Preview(7), now),
        refused(Kind::Preview(3), long_ago),
    ]));
    let all_of_it = of_github(&services).await.unwrap();
    let [unshown] = &all_of_it[..] else {
        panic!("{all_of_it:?}");
    };
    assert_eq!(unshown.about, "GitHub at acme/shop");
    assert_eq!(unshown.since, Some(Timestamp(now.0 - 60_000)));
    assert_eq!(
        unshown.reason,
        "what is to be shown of pull request 7 is not, nor of 1 more: GitHub refuses it (403). What runs goes on, and it is tried again after at most 10 minutes"
    );
    services.not_shown.say(None);
    act(&|state| state.uninstall(installation));
    let removed = said().await;
    assert!(
        removed[0].starts_with("the GitHub App is not installed at acme any more"),
        "{removed:?}"
    );
    world.stop().await;
}

#[actix::test]
async fn a_removal_that_is_stuck_is_listed_with_what_since_when_and_why_and_counted() {
    let world = World::start().await;
    let mut stuck = conformance::preview("shop", 12);
    let hour_ago = Timestamp(clock::now().0 - 3_600_000);
    stuck.lifecycle = Lifecycle::new(hour_ago, None);
    stuck.lifecycle.look = None;
    stuck.lifecycle.state = Stage::Stopped {
        why: Why::Closed,
        last: None,
        since: hour_ago,
    };
    stuck.lifecycle.world.folder = true;
    stuck.lifecycle.world.remains = Some(Remains {
        since: hour_ago,
        reason: "permission denied".to_owned(),
        tries: 60,
    });
    let store = &world.services.store;
    let metrics = async || world.people.get("/metrics").await.text();
    assert!(metrics().await.contains("nestling_removals_stuck 0\n"));
    let save = Save {
        due_at: stuck.lifecycle.due_at(),
        ..conformance::save_of(&stuck)
    };
    store.save(save).await.unwrap();
    let listed: TroublesView = world.people.get("/v1/troubles").await.json();
    let [trouble] = &*listed.troubles else {
        panic!("{listed:?}");
    };
    assert_eq!(
        (&*trouble.about, trouble.since),
        (&*stuck.name(), Some(hour_ago.0))
    );
    let end = "its state folder may still be there (permission denied). It is tried again until it comes to its end";
    assert!(
        trouble.reason.starts_with("its removal is stuck since 20")
            && trouble.reason.ends_with(end),
        "{trouble:?}"
    );
    let said = metrics().await;
    assert!(said.contains("nestling_removals_stuck 1\n"), "{said}");
    assert!(
        said.contains("nestling_removals_stuck_oldest_seconds 36"),
        "{said}"
    );
    world
        .services
        .held_back
        .say(Some("a look held one back".to_owned()));
    let listed: TroublesView = world.people.get("/v1/troubles").await.json();
    assert_eq!(listed.troubles[0].about, "removals");
    world.services.not_heard.say(Some(Unheard {
        waiting: 3,
        silent: true,
        since: hour_ago,
        status: 0,
    }));
    let listed: TroublesView = world.people.get("/v1/troubles").await.json();
    let lost = &listed.troubles[1];
    assert_eq!((&*lost.about, lost.since), ("webhooks", Some(hour_ago.0)));
    let said = "GitHub gets no webhook through to this server (without an answer: is the address reached from outside?): 3 in its log";
    assert!(lost.reason.starts_with(said), "{lost:?}");
    world.services.not_heard.say(None);
    world.services.left_behind.say(vec![Left {
        about: "nestling-shop-pr-7 at Fly".to_owned(),
        reason: "no record wants it".to_owned(),
        since: Some(hour_ago),
        cost: Some(Cost { micros: 1_234_567 }),
    }]);
    let listed: TroublesView = world.people.get("/v1/troubles").await.json();
    let left = &listed.troubles[1];
    assert_eq!(
        (&*left.about, left.since),
        ("nestling-shop-pr-7 at Fly", Some(hour_ago.0))
    );
    world.services.unnamed.say(Some(vec![NotLed {
        about: "pr-7--shop.preview.example.com".to_owned(),
        environment: None,
        reason: "there is an A record of that name".to_owned(),
        since: hour_ago,
    }]));
    let named: TroublesView = world.people.get("/v1/troubles").await.json();
    let name = &named.troubles[2];
    assert_eq!(
        (&*name.about, name.since),
        ("pr-7--shop.preview.example.com", Some(hour_ago.0))
    );
    world.services.unnamed.say(None);
    assert_eq!(left.cost_micro_usd, Some(1_234_567));
    assert!(left.reason.contains("have cost $1.23"), "{left:?}");

    // The same where a machine is left that is paid for.
    let mut paid = conformance::preview("shop", 13);
    paid.lifecycle = stuck.lifecycle.clone();
    paid.lifecycle.world.machines.insert(Generation(3));
    let save = Save {
        due_at: paid.lifecycle.due_at(),
        ..conformance::save_of(&paid)
    };
    store.save(save).await.unwrap();
    let services = Services {
        price: Price::of("shared", 1, 4096),
        ..world.services.clone()
    };
    let troubles = of_server(&services).await.unwrap();
    let its = |one: &&Trouble| one.about == paid.name();
    let trouble = troubles.iter().find(its).unwrap();
    assert!(trouble.cost.is_some_and(|cost| cost.micros >= 34_000));
    assert!(trouble.reason.contains("have cost $0.03"), "{trouble:?}");
    world.stop().await;
}

#[actix::test]
async fn a_key_that_github_does_not_take_is_told_until_it_takes_one() {
    let github = Model::start().unwrap();
    let (app, key) = github.act(|state| {
        state.create_organisation("acme");
        let app = state
            .register_app("acme", "Nestling", Permissions::new(), &[])
            .unwrap();
        (app, state.private_key(app).unwrap())
    });
    let client = GitHub::new(&github.base(), app, key.as_bytes()).unwrap();
    let client = std::sync::Arc::new(client);
    let world = World::start().await;
    let services = Services {
        github: Some(client.clone()),
        ..world.services.clone()
    };
    let said = async || {
        let asked = client.app().await;
        let all = all(&services).await.unwrap().into_iter();
        let of_github = all.filter(|one| one.about == "GitHub");
        (
            asked.is_ok(),
            of_github.map(|one| one.reason).collect::<Vec<_>>(),
        )
    };
    assert_eq!(said().await, (true, vec![]));
    github.act(|state| state.order("GET /app", Fault::Status(401), Times::Always));
    let (taken, reasons) = said().await;
    assert!(!taken);
    assert!(
        reasons.len() == 1 && reasons[0].contains("the key of this App, not revoked"),
        "{reasons:?}"
    );
    github.act(|state| state.faults.clear());
    assert_eq!(said().await, (true, vec![]));
    world.stop().await;
}
