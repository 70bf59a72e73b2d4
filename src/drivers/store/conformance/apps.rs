//! Repositories, apps, slugs, pull requests, values.

use nestling_domain::{
    app::VariableName,
    ids::Class,
    record::{Content, PullRequestStatus, Value},
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

    let mut changed = web.clone();
    changed.description = "the shop".to_owned();
    changed.slug = Slug::of("renamed");
    let recorded = store.put_app(&changed).await.unwrap();
    assert_eq!(recorded.slug, web.slug, "an app keeps its slug");
    assert_eq!(recorded.description, "the shop");
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
    let back = store.put_app(&app(2, "", "shop")).await.unwrap();
    assert_eq!(back.slug, second.slug);
    store.prune(NOON.plus(days(60))).await.unwrap();
    assert_eq!(
        store.app_by_slug("local", &back.slug).await.unwrap(),
        Some(back),
        "taken again, for good"
    );
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
