//! Whether the tables are as they must be.

use nestling_world::aws::dynamodb::State;

use super::*;

fn wrong(shape: Shape) -> String {
    match shape {
        Shape::Wrong(why) => why,
        other @ (Shape::Right | Shape::Keeps(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tables_are_made_once_and_found_right() {
    let model = Model::start().unwrap();
    let store = store_at(&model.base()).await;
    let missing = wrong(store.shape().await.unwrap());
    insta::assert_snapshot!(missing, @"there is no table nestling in eu-central-1: make it with `nestling tables create`, or name the right one in store.dynamodb");
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.contains("nestling tables create"), "{error}");

    let done = store.create_tables().await.unwrap();
    insta::assert_snapshot!(done.join("\n"), @r#"
    made the table nestling in eu-central-1
    the table nestling removes what has expired by its attribute "expires"
    made the table nestling-values in eu-central-1
    "#);
    assert_eq!(store.create_tables().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.shape().await.unwrap(), Shape::Right);
    store.check().await.unwrap();
}

#[tokio::test]
async fn tables_are_made_although_answers_are_lost() {
    let model = Model::start().unwrap();
    let store = store_at(&model.base()).await;
    for operation in ["CreateTable", "UpdateTimeToLive", "DescribeTable"] {
        model.order(operation, Fault::Status(500), Times::Only(1));
    }
    model.order("CreateTable", Fault::LostAnswer, Times::Only(1));
    store.create_tables().await.unwrap();
    assert_eq!(store.shape().await.unwrap(), Shape::Right);
}

#[tokio::test]
async fn a_table_of_another_shape_is_named_with_what_is_wrong() {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let spoil = |spoil: &dyn Fn(&mut State)| model.act(|state| spoil(state));
    spoil(&|state| state.tables.get_mut("nestling").unwrap().expires = None);
    match store.shape().await.unwrap() {
        Shape::Keeps(why) => assert!(why.contains("has expired"), "{why}"),
        other @ (Shape::Right | Shape::Wrong(_)) => panic!("{other:?}"),
    }
    spoil(&|state| state.tables.get_mut("nestling").unwrap().indexes.clear());
    let why = wrong(store.shape().await.unwrap());
    insta::assert_snapshot!(why, @r#"the table nestling is of another shape: it needs the global secondary index "due" with the key "due_part" (partition, a string) and "due_at" (sort, a number); name another in store.dynamodb, and make it with `nestling tables create`"#);
    spoil(&|state| state.tables.get_mut("nestling").unwrap().keys.range = "id".to_owned());
    let why = wrong(store.shape().await.unwrap());
    assert!(
        why.contains(r#"its key must be "pk" (partition) and "sk" (sort)"#),
        "{why}"
    );
    spoil(&|state| {
        let table = state.tables.remove("nestling").unwrap();
        let mut values = state.tables["nestling-values"].clone();
        values.keys = table.keys;
    });
    let why = wrong(store.shape().await.unwrap());
    assert!(why.contains("there is no table nestling "), "{why}");
}
