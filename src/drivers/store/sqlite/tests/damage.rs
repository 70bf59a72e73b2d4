//! A record that cannot be read is named, and does not hide its neighbours.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::format_push_string,
    clippy::decimal_bitwise_operands,
    reason = "tests look for one thing and fail on the rest"
)]

use nestling_domain::{
    app::VariableName,
    ids::{AppId, Class, RepositoryId, Timestamp},
    record::{Content, EventNumber, Value},
};

use super::*;
use crate::drivers::store::{
    StoreError,
    conformance::{app, record, repository},
};

fn rejection<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome.unwrap_err() {
        StoreError::Rejected(why) => why,
        other => panic!("not rejected: {other}"),
    }
}

/// Three previews with an event and a deployment each; the second one's records are then spoiled.
async fn three_of_which_one_is_spoiled(sql: &'static str) -> (Sqlite, AnyStore) {
    let store = Sqlite::in_memory().unwrap();
    let any: AnyStore = Arc::new(store.clone());
    for number in 1..=3 {
        let mut environment = preview("shop", number);
        environment
            .lifecycle
            .world
            .machines
            .insert(nestling_domain::ids::Generation(1));
        let mut save = save_of(&environment);
        save.happened = vec![skipped("something")];
        save.deployments = vec![record(&environment.id, 1), record(&environment.id, 2)];
        any.save(save).await.unwrap();
    }
    tamper(&store, sql).await;
    (store, any)
}

#[tokio::test]
async fn an_environment_that_cannot_be_read_is_named_and_skipped_in_lists() {
    let sql = r#"UPDATE records SET body = '{"id": "half a rec' WHERE body LIKE '%"shop-pr-2"%'"#;
    let (_, store) = three_of_which_one_is_spoiled(sql).await;
    let spoiled = preview("shop", 2);
    insta::assert_snapshot!(rejection(store.environment(&spoiled.id).await), @"the record ENVIRONMENT#shop-pr-2 ENVIRONMENT#shop-pr-2 of table records cannot be read: it ends too early, at line 1 column 18; restore it from a backup, or remove that row");

    let left = ["shop-pr-1", "shop-pr-3"];
    let ids = |list: Vec<nestling_domain::environment::Environment>| -> Vec<String> {
        list.into_iter()
            .map(|environment| environment.id.0)
            .collect()
    };
    assert_eq!(
        ids(store.environments_of_app(&spoiled.app).await.unwrap()),
        left
    );
    assert_eq!(ids(store.environments(None, 10).await.unwrap().items), left);
    assert_eq!(
        ids(store.with_machines(None, 10).await.unwrap().items),
        left
    );
    let first = store.environments(None, 1).await.unwrap();
    let second = store.environments(first.next.as_deref(), 1).await.unwrap();
    assert_eq!(
        (ids(second.items), second.next),
        (vec!["shop-pr-3".to_owned()], None),
        "no page is lost"
    );
    assert_eq!(
        store
            .environments_of_pull_request(RepositoryId(7), 2)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        store
            .environments_of_branch(&spoiled.app, &spoiled.branch)
            .await
            .unwrap(),
        []
    );

    // It can still be given up.
    store.forget_environment(&spoiled.id).await.unwrap();
    save_first(&store, &spoiled).await;
    assert_eq!(
        store.environments_of_app(&spoiled.app).await.unwrap().len(),
        3
    );
}

#[tokio::test]
async fn a_record_of_another_shape_is_named_without_what_is_in_it() {
    let sql = r#"UPDATE deployments SET body = '{"environment": "hunter2", "generation": "hunter2"}'
        WHERE environment = 'shop-pr-2' AND generation = 2"#;
    let (_, store) = three_of_which_one_is_spoiled(sql).await;
    let id = preview("shop", 2).id;
    let why = rejection(
        store
            .deployment(&id, nestling_domain::ids::Generation(2))
            .await,
    );
    insta::assert_snapshot!(why, @"the record shop-pr-2 2 of table deployments cannot be read: a field is missing or not of its kind, at line 1 column 50; restore it from a backup, or remove that row");
    let left = store.deployments(&id, None, 1).await.unwrap();
    assert_eq!(left[0].generation.0, 1, "the page goes on behind it");
}

#[tokio::test]
async fn events_of_a_kind_that_is_not_known_are_passed_over() {
    let sql = r#"UPDATE events SET body = '{"what": "from-the-future", "colour": "red"}' WHERE number <= 2"#;
    let (_, store) = three_of_which_one_is_spoiled(sql).await;
    let numbers = |events: Vec<nestling_domain::record::EventRecord>| -> Vec<u64> {
        events.into_iter().map(|event| event.number.0).collect()
    };
    let next = store.events(EventNumber(0), 1).await.unwrap();
    assert_eq!(
        numbers(next),
        [3],
        "a consumer does not stop there for ever"
    );
    assert_eq!(
        numbers(
            store
                .events_of(&preview("shop", 2).id, None, 10)
                .await
                .unwrap()
        ),
        [0; 0]
    );
}

#[tokio::test]
async fn other_records_that_cannot_be_read_do_not_hide_their_neighbours() {
    let store = Sqlite::in_memory().unwrap();
    let any: AnyStore = Arc::new(store.clone());
    for id in [1, 2] {
        any.put_repository(&repository(id)).await.unwrap();
        any.put_app(&app(id, "", &format!("app-{id}")))
            .await
            .unwrap();
        any.number_pull_request(RepositoryId(5), &format!("branch-{id}"))
            .await
            .unwrap();
        let value = Value {
            app: AppId("shop".to_owned()),
            class: Class::Preview,
            name: VariableName::parse(&format!("KEY_{id}")).unwrap(),
            content: Content::Plain {
                text: "hunter2".to_owned(),
            },
            updated_at: Timestamp(0),
        };
        any.put_value(&value).await.unwrap();
    }
    tamper(&store, "UPDATE records SET body = '[]' WHERE sk LIKE 'REPOSITORY#%1' OR sk LIKE '%#app-1#%' OR sk LIKE 'PULL#%1'").await;
    tamper(&store, "UPDATE app_values SET body = replace(body, '\"is\":\"plain\"', '\"is\":\"hunter2\"') WHERE name = 'KEY_1'").await;

    assert_eq!(any.repositories().await.unwrap(), [repository(2)]);
    let slugs: Vec<_> = any
        .apps()
        .await
        .unwrap()
        .into_iter()
        .map(|app| app.slug.to_string())
        .collect();
    assert_eq!(slugs, ["app-2"]);
    assert_eq!(any.pull_requests(RepositoryId(5)).await.unwrap().len(), 1);
    let values = any
        .values(&AppId("shop".to_owned()), Class::Preview)
        .await
        .unwrap();
    assert_eq!(values.len(), 1);
    // The number of the one that cannot be read is not given away.
    rejection(any.number_pull_request(RepositoryId(5), "branch-1").await);
    assert_eq!(
        any.number_pull_request(RepositoryId(5), "branch-3")
            .await
            .unwrap()
            .number,
        3
    );
}
