//! Repositories, apps, slugs, pull requests, values.

use nestling_domain::{
    app::{RemovedApp, VariableName},
    github::shown::{CommentShown, Ledger},
    ids::{Class, Commit, Timestamp},
    orders::Order,
    record::{Content, Delivery, Fact, OwnApp, PullRequestStatus, Value},
};

use super::*;

pub(crate) async fn a_repository_is_recorded_and_replaced(store: AnyStore) {
    let (first, mut second) = (repository(9), repository(10));
    store.put_repository(&second).await.unwrap();
    store.put_repository(&first).await.unwrap();
    second.trouble = Some("its folder is gone".to_owned());
    store.put_repository(&second).await.unwrap();
    assert_eq!(
        store.repository(second.id).await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(store.repository(RepositoryId(11)).await.unwrap(), None);
    assert_eq!(store.repositories().await.unwrap(), [first, second]);
}

pub(crate) async fn an_app_is_found_by_id_by_slug_and_in_its_repository(store: AnyStore) {
    let web = store.put_app(&app(1, "apps/web", "web")).await.unwrap();
    let api = store
        .put_app(&app(1, "apps/api", "api server"))
        .await
        .unwrap();
    let other = store.put_app(&app(2, "", "a")).await.unwrap();
    assert_eq!(store.app(&web.id).await.unwrap(), Some(web.clone()));
    assert_eq!(
        store.app_by_slug("local", &api.slug).await.unwrap(),
        Some(api.clone())
    );
    assert_eq!(
        store.app_by_slug("somebody", &api.slug).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .app_by_slug("local", &Slug::of("nothing"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store.apps().await.unwrap(),
        [other, api.clone(), web.clone()]
    );
    assert_eq!(
        store.apps_of_repository(RepositoryId(1)).await.unwrap(),
        [api.clone(), web.clone()]
    );

    let described = store.describe_app(&web.id, "the shop").await.unwrap();
    assert_eq!(described.unwrap().description, "the shop");
    let nobody = store.describe_app(&app(3, "", "x").id, "x").await;
    assert_eq!(nobody.unwrap(), None);
    let mut changed = web.clone();
    changed.health = Some("/health".to_owned());
    changed.slug = Slug::of("renamed");
    let recorded = store.put_app(&changed).await.unwrap();
    assert_eq!(recorded.slug, web.slug, "an app keeps its slug");
    assert_eq!(recorded.description, "the shop", "and its description");
    assert_eq!(recorded.health.as_deref(), Some("/health"));
    assert_eq!(
        store.apps_of_repository(RepositoryId(1)).await.unwrap(),
        [api, recorded.clone()]
    );
    assert_eq!(store.app(&web.id).await.unwrap(), Some(recorded));
}

pub(crate) async fn the_second_app_of_a_name_gets_a_suffix_for_ever(store: AnyStore) {
    let first = store.put_app(&app(1, "", "shop")).await.unwrap();
    let second = store.put_app(&app(2, "", "shop")).await.unwrap();
    assert_eq!(first.slug.as_str(), "shop");
    assert_eq!(second.slug, Slug::of("shop").with_suffix(&second.id.0));
    // Also once the first is gone for long.
    store.delete_app(&first.id, NOON).await.unwrap();
    store.prune(NOON.plus(days(31))).await.unwrap();
    assert_eq!(store.put_app(&app(2, "", "shop")).await.unwrap(), second);
    assert_eq!(
        store.app_by_slug("local", &second.slug).await.unwrap(),
        Some(second)
    );
}

pub(crate) async fn a_deleted_apps_slug_stays_taken_for_thirty_days(store: AnyStore) {
    let first = store.put_app(&app(1, "", "shop")).await.unwrap();
    store.delete_app(&first.id, NOON).await.unwrap();
    assert_eq!(store.app(&first.id).await.unwrap(), None);
    assert_eq!(store.apps().await.unwrap(), []);
    assert_eq!(
        store.apps_of_repository(first.repository).await.unwrap(),
        []
    );
    assert_eq!(store.app_by_slug("local", &first.slug).await.unwrap(), None);
    store.delete_app(&first.id, NOON).await.unwrap();

    store.prune(NOON.plus(days(29))).await.unwrap();
    let early = store.put_app(&app(2, "", "shop")).await.unwrap();
    assert_ne!(early.slug, first.slug, "old links would lead to a stranger");
    store.prune(NOON.plus(days(31))).await.unwrap();
    let late = store.put_app(&app(3, "", "shop")).await.unwrap();
    assert_eq!(late.slug, first.slug);
}

pub(crate) async fn an_app_that_comes_back_finds_the_slug_it_had(store: AnyStore) {
    store.put_app(&app(1, "", "shop")).await.unwrap();
    let second = store.put_app(&app(2, "", "shop")).await.unwrap();
    store.delete_app(&second.id, NOON).await.unwrap();
    let back = app(2, "", "shop");
    let back = store.bring_back(&back, &returned(&back)).await.unwrap();
    assert_eq!(back.slug, second.slug);
    store.prune(NOON.plus(days(60))).await.unwrap();
    assert_eq!(
        store.app_by_slug("local", &back.slug).await.unwrap(),
        Some(back),
        "taken again, for good"
    );
}

fn returned(app: &App) -> Delivery {
    Delivery {
        id: format!("return of {}", app.id),
        at: NOON,
        repository: Some(app.repository),
        fact: Fact::Returned {
            app: app.id.clone(),
            branch: "main".to_owned(),
            commit: None,
        },
    }
}

pub(crate) async fn a_removed_app_is_remembered_until_it_is_brought_back(store: AnyStore) {
    let blog = store.put_app(&app(1, "blog", "blog")).await.unwrap();
    let shop = store.put_app(&app(1, "shop", "shop")).await.unwrap();
    store.describe_app(&shop.id, "the shop").await.unwrap();
    let value = |app: &App, class| Value {
        app: app.id.clone(),
        class,
        name: VariableName::parse("MODE").unwrap(),
        content: Content::Plain {
            text: "fast".to_owned(),
        },
        updated_at: NOON,
    };
    for one in [&blog, &shop] {
        store.put_value(&value(one, Class::Preview)).await.unwrap();
    }
    let production = environment(&shop.id.0, Kind::Production, "main");
    save_first(&store, &production).await;

    assert_eq!(store.removed_app(&shop.id).await.unwrap(), None);
    store.delete_app(&shop.id, NOON).await.unwrap();
    let removed = RemovedApp {
        app: App {
            description: "the shop".to_owned(),
            ..shop.clone()
        },
        removed_at: NOON,
    };
    assert_eq!(store.removed_apps().await.unwrap(), [removed.clone()]);
    let remembered = store.removed_app(&shop.id).await.unwrap();
    assert_eq!(remembered, Some(removed.clone()));
    assert!(
        store
            .values(&shop.id, Class::Preview)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store.values(&blog.id, Class::Preview).await.unwrap().len(),
        1
    );
    assert_eq!(
        store.environments_of_app(&shop.id).await.unwrap(),
        [production.clone()],
        "whoever closes them must find them"
    );

    // Nothing of it comes to be by itself, however late it arrives.
    assert_rejected(store.put_app(&shop).await, "local/shop is removed");
    let late = value(&shop, Class::Production);
    assert_rejected(store.put_value(&late).await, "local/shop is removed");
    let born = preview(&shop.id.0, 1);
    assert_rejected(store.save(save_of(&born)).await, "local/shop is removed");
    let (closed, _) = save_next(&store, &production, "closed").await;
    store.prune(NOON.plus(days(60))).await.unwrap();
    assert_eq!(store.removed_apps().await.unwrap(), [removed.clone()]);

    let back = store.bring_back(&removed.app, &returned(&shop)).await;
    assert_eq!(back.unwrap(), removed.app);
    assert_eq!(store.removed_apps().await.unwrap(), []);
    assert_eq!(store.app(&shop.id).await.unwrap(), Some(removed.app));
    assert_eq!(
        store.pending(10).await.unwrap(),
        [returned(&shop)],
        "whoever starts its environments is told"
    );
    assert_eq!(
        store.environments_of_app(&shop.id).await.unwrap(),
        [closed],
        "it finds what it had"
    );
    save_first(&store, &born).await;
    let again = store.bring_back(&shop, &returned(&shop)).await;
    assert_rejected(again, "local/shop is not removed");
}

pub(crate) async fn a_branch_keeps_its_number_for_ever(store: AnyStore) {
    let (here, there) = (RepositoryId(1), RepositoryId(2));
    let first = store.number_pull_request(here, "feature").await.unwrap();
    let second = store
        .number_pull_request(here, "feat/ünïcode $(x) && y")
        .await
        .unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(
        first.status,
        PullRequestStatus::Closed,
        "nothing has been said about it yet"
    );
    assert_eq!(
        store
            .number_pull_request(there, "other")
            .await
            .unwrap()
            .number,
        1
    );

    let mut open = first.clone();
    open.status = PullRequestStatus::Open;
    open.title = "Add a feature".to_owned();
    open.head = Some(commit('b'));
    store.put_pull_request(&open).await.unwrap();
    assert_eq!(
        store.number_pull_request(here, "feature").await.unwrap(),
        open,
        "as it was put"
    );
    assert_eq!(
        store.pull_request(here, 1).await.unwrap(),
        Some(open.clone())
    );
    assert_eq!(store.pull_request(here, 3).await.unwrap(), None);
    assert_eq!(store.pull_requests(here).await.unwrap(), [second, open]);
}

pub(crate) async fn a_pull_request_of_a_forge_keeps_the_forges_number(store: AnyStore) {
    let repository = RepositoryId(1);
    let mut known = store
        .number_pull_request(repository, "feature")
        .await
        .unwrap();
    known.number = 41;
    known.branch = "from-the-forge".to_owned();
    store.put_pull_request(&known).await.unwrap();
    assert_eq!(
        store
            .number_pull_request(repository, "from-the-forge")
            .await
            .unwrap(),
        known
    );
    let next = store
        .number_pull_request(repository, "brand-new")
        .await
        .unwrap();
    assert_eq!(next.number, 42, "a number is never given twice");
}

pub(crate) async fn what_people_order_is_lost_to_no_look_at_the_forge(store: AnyStore) {
    let repository = RepositoryId(1);
    let seen = store.number_pull_request(repository, "feature").await;
    let mut seen = seen.unwrap();
    let commit = Commit::parse(&"a".repeat(40)).unwrap();
    let approve = Order::Approve {
        commit: commit.clone(),
        at: Timestamp(1),
    };
    for order in [approve, Order::Keep] {
        let ordered = store.order(repository, seen.number, &order).await.unwrap();
        assert_eq!(
            ordered.unwrap().orders.approved.as_ref(),
            Some(&commit),
            "each leaves the others"
        );
    }
    // Whoever looked had read the record before.
    seen.title = "Sort the cart".to_owned();
    store.put_pull_request(&seen).await.unwrap();
    let kept = store.pull_request(repository, seen.number).await.unwrap();
    let kept = kept.unwrap();
    assert_eq!(kept.title, "Sort the cart");
    assert!(kept.orders.kept && kept.orders.approved == Some(commit));
    let unknown = store.order(repository, 99, &Order::Keep).await.unwrap();
    assert_eq!(unknown, None);
}

pub(crate) async fn what_github_shows_is_kept_per_pull_request_and_for_production(store: AnyStore) {
    let (here, there) = (RepositoryId(1), RepositoryId(2));
    let comment = |number| Ledger {
        complete: true,
        comment: Some(CommentShown {
            number: Some(number),
            digest: Some(u64::MAX),
        }),
        ..Ledger::default()
    };
    let places = [
        (here, Kind::Production),
        (here, Kind::Preview(1)),
        (here, Kind::Preview(11)),
        (there, Kind::Preview(1)),
    ];
    for (place, number) in places.into_iter().zip(1..) {
        let (repository, kind) = place;
        assert_eq!(store.shown(repository, kind).await.unwrap(), None);
        for ledger in [Ledger::default(), comment(number)] {
            store.put_shown(repository, kind, &ledger).await.unwrap();
        }
    }
    for ((repository, kind), number) in places.into_iter().zip(1..) {
        let kept = store.shown(repository, kind).await.unwrap();
        assert_eq!(kept, Some(comment(number)));
    }
    let none = store.pull_requests(here).await.unwrap();
    assert_eq!(none, [], "it is no pull request");
}

pub(crate) async fn values_are_kept_per_app_kind_and_name(store: AnyStore) {
    let shop = app(1, "", "shop").id;
    let value = |class, name: &str, content| Value {
        app: shop.clone(),
        class,
        name: VariableName::parse(name).unwrap(),
        content,
        updated_at: NOON,
    };
    let plain = |text: &str| Content::Plain {
        text: text.to_owned(),
    };
    let key = value(
        Class::Preview,
        "KEY",
        Content::Secret {
            envelope: (0..=255).collect(),
        },
    );
    let mode = value(Class::Preview, "MODE", plain("test"));
    let production = value(Class::Production, "MODE", plain("live"));
    for value in [&mode, &key, &production] {
        store.put_value(value).await.unwrap();
    }
    let previews = store.values(&shop, Class::Preview).await.unwrap();
    assert!(
        previews == [key.clone(), mode.clone()],
        "by name, byte for byte"
    );

    let changed = value(Class::Preview, "MODE", plain("ünïcode \"quoted\"\n"));
    store.put_value(&changed).await.unwrap();
    assert!(
        store
            .delete_value(&shop, Class::Preview, &key.name)
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_value(&shop, Class::Preview, &key.name)
            .await
            .unwrap()
    );
    assert!(store.values(&shop, Class::Preview).await.unwrap() == [changed]);
    assert!(store.values(&shop, Class::Production).await.unwrap() == [production]);
    assert!(
        store
            .values(&app(2, "", "x").id, Class::Preview)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn the_app_made_on_the_dashboard_is_kept_until_another_one_is_made(
    store: AnyStore,
) {
    assert_eq!(store.own_app().await.unwrap(), None);
    for number in [1_000_001, 1_000_002] {
        let app = OwnApp {
            number,
            name: "Nestling of Acmé".to_owned(),
            page: "https://github.com/apps/nestling-of-acme".to_owned(),
            private_key: (0..=255).collect(),
            webhook_secret: vec![0, 255],
            created_at: NOON,
        };
        store.put_own_app(&app).await.unwrap();
        assert_eq!(store.own_app().await.unwrap(), Some(app));
    }
}
