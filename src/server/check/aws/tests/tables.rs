//! The same of the tables of DynamoDB.

use nestling_world::aws::dynamodb::{Fault, Model, State, Times};

use super::*;

fn config() -> Config {
    let variables = [("NESTLING__STORE__DRIVER", "dynamodb")];
    let variables = variables.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Config::load(None, variables.into_iter()).unwrap()
}

/// Tables as they should be.
async fn sound() -> Model {
    let model = Model::start().unwrap();
    let account = account_at(&model.base()).await;
    let tables = tables_in(&config(), &account).unwrap();
    tables.create_tables().await.unwrap();
    model
}

/// What is said once this has happened to them.
async fn said_of<T>(fault: impl FnOnce(&mut State) -> T) -> String {
    let model = sound().await;
    model.act(fault);
    said_with(&config(), &model.base()).await
}

/// What is said while this operation is refused with this code.
async fn said_while(operation: &str, code: &'static str) -> String {
    let refused = |state: &mut State| {
        let fault = Fault::Refused(code);
        state.faults.order(operation, fault, Times::Always);
    };
    said_of(refused).await
}

#[tokio::test]
async fn tables_that_are_missing_of_another_shape_or_keep_what_has_expired_are_told() {
    let mut all = said_of(|_| ()).await;
    all += &said_of(|state| state.tables.remove("nestling")).await;
    all += &said_of(|state| state.tables.remove("nestling-values")).await;
    all += &said_of(|state| {
        let records = state.tables.get_mut("nestling").unwrap();
        records.keys.range = "id".to_owned();
    })
    .await;
    all += &said_of(|state| state.tables.get_mut("nestling").unwrap().indexes.clear()).await;
    all += &said_of(|state| state.tables.get_mut("nestling").unwrap().expires = None).await;
    insta::assert_snapshot!(tables_of(&all), @r#"
    tables           ok       nestling and nestling-values are as they must be, and can be written
    tables           MISSING  there is no table nestling in eu-central-1: make it with `nestling tables create`, or name the right one in store.dynamodb
    tables           MISSING  there is no table nestling-values in eu-central-1: make it with `nestling tables create`, or name the right one in store.dynamodb
    tables           MISSING  the table nestling is of another shape: its key must be "pk" (partition) and "sk" (sort), both strings; name another in store.dynamodb, and make it with `nestling tables create`
    tables           MISSING  the table nestling is of another shape: it needs the global secondary index "due" with the key "due_part" (partition, a string) and "due_at" (sort, a number); name another in store.dynamodb, and make it with `nestling tables create`
    tables           poor     the table nestling removes nothing that has expired: set its time to live to the attribute "expires"; `nestling tables create` does that
    "#);
}

#[tokio::test]
async fn credentials_that_tables_do_not_take_and_rights_that_they_lack_are_told() {
    let mut all = String::new();
    for code in [
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "AccessDeniedException",
    ] {
        all += &said_while("DescribeTable", code).await;
    }
    all += &said_while("UpdateItem", "AccessDeniedException").await;
    insta::assert_snapshot!(tables_of(&all), @r"
    tables           MISSING  AWS refuses dynamodb:DescribeTable of nestling: it does not know these credentials (UnrecognizedClientException): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, to a pair that is active
    tables           MISSING  AWS refuses dynamodb:DescribeTable of nestling: the credentials have expired (ExpiredTokenException): renew them; those of a role renew themselves
    tables           MISSING  AWS refuses dynamodb:DescribeTable of nestling: these credentials may not do that (AccessDeniedException: refused by order of the story): allow dynamodb:DescribeTable in the policy of the server's role
    tables           MISSING  the store refused: AWS refuses dynamodb:UpdateItem of nestling: these credentials may not do that (AccessDeniedException: refused by order of the story): allow dynamodb:UpdateItem in the policy of the server's role
    ");
}

#[tokio::test]
async fn a_clock_that_tables_do_not_take_is_told() {
    let behind = said_of(|state| state.clock_ahead = 7_200).await;
    let ahead = said_of(|state| state.clock_ahead = -7_200).await;
    insta::assert_snapshot!(without_digits(&format!("{behind}{ahead}")), @r"
    tables           MISSING  AWS refuses dynamodb:DescribeTable of nestling: the clock of this machine is wrong (InvalidSignatureException: Signature expired: it is now earlier than the service takes): set it by the network (timedatectl set-ntp true)
    AWS clock        poor     the clock of this machine is #### s behind that of AWS; set it by the network (timedatectl set-ntp true)
    tables           MISSING  AWS refuses dynamodb:DescribeTable of nestling: the clock of this machine is wrong (InvalidSignatureException: Signature not yet current: it is later than the service takes): set it by the network (timedatectl set-ntp true)
    AWS clock        poor     the clock of this machine is #### s ahead of that of AWS; set it by the network (timedatectl set-ntp true)
    ");
}

/// The lines about tables.
fn tables_of(said: &str) -> String {
    let lines = said.lines().filter(|line| line.starts_with("tables"));
    lines.map(|line| format!("{line}\n")).collect()
}
