//! What the store says when DynamoDB does not do what it should.

use super::*;

async fn world() -> (Model, DynamoDb, AnyStore) {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let any: AnyStore = Arc::new(store.clone());
    (model, store, any)
}

#[tokio::test]
async fn what_never_ends_by_itself_is_unknown_and_bounded() {
    let model = Model::start().unwrap();
    let patient = store_in(&model).await;
    let settings = Settings {
        one_try: Duration::from_millis(50),
        all_tries: Duration::from_millis(300),
        ..settings()
    };
    let store = DynamoDb::open(&account_at(&model.base()).await, settings);
    let any: AnyStore = Arc::new(store);
    for fault in [
        Fault::Silence,
        Fault::Cut,
        Fault::Status(500),
        Fault::Throttled,
        Fault::Conflict,
    ] {
        model.order("TransactWriteItems", fault.clone(), Times::Always);
        let began = std::time::Instant::now();
        let error = any.save(save_of(&preview("shop", 1))).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Unknown(_)),
            "{fault:?}: {error}"
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{fault:?}");
        model.act(|state| state.faults.clear());
        let there = patient.environment(&preview("shop", 1).id).await.unwrap();
        assert_eq!(there, None, "{fault:?}");
    }
}

#[tokio::test]
async fn what_no_try_makes_better_is_refused_in_words() {
    let (model, _, any) = world().await;
    for (code, says) in [
        ("AccessDeniedException", "may not do that"),
        (
            "UnrecognizedClientException",
            "does not know these credentials",
        ),
        ("ResourceNotFoundException", "nestling tables create"),
    ] {
        model.order("TransactWriteItems", Fault::Refused(code), Times::Only(1));
        let error = any.save(save_of(&preview("shop", 1))).await.unwrap_err();
        assert!(matches!(error, StoreError::Rejected(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(
            error.to_string().contains("nestling"),
            "which table: {error}"
        );
    }
    save_first(&any, &preview("shop", 1)).await;
}

#[tokio::test]
async fn whoever_is_beaten_to_it_between_reading_and_writing_is_told_of_a_conflict() {
    let (model, _, any) = world().await;
    let shop = preview("shop", 1);
    save_first(&any, &shop).await;
    // Two that have read the same version, with the write of the one held until the other is done.
    model.act(|state| state.window = Duration::from_millis(100));
    let telling = |what: &str| crate::drivers::store::Save {
        happened: vec![skipped(what)],
        ..save_of(&next_of(&shop))
    };
    let (one, two) = tokio::join!(any.save(telling("one")), any.save(telling("two")));
    let outcomes = [one, two];
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "{outcomes:?}");
    let lost = outcomes.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(lost, StoreError::Conflict(_)), "{lost}");
    let conflicts = model.act(|state| {
        let asked = state.asked.iter();
        let cancelled = Some("TransactionCanceledException".to_owned());
        asked.filter(|asked| asked.error == cancelled).count()
    });
    assert!(conflicts > 0, "they never met");
}

/// A put has no token: that it was one's own is known by the record, as long as it is the newest.
#[tokio::test]
async fn a_lost_put_that_was_overtaken_is_unknown() {
    let (model, _, any) = world().await;
    let shop = preview("shop", 1);
    save_first(&any, &shop).await;
    model.order("PutItem", Fault::LostAnswer, Times::Only(1));
    model.order("PutItem", Fault::Throttled, Times::Always);
    let second = next_of(&shop);
    let lost = {
        let (any, save) = (any.clone(), save_of(&second));
        tokio::spawn(async move { any.save(save).await })
    };
    crate::world::until(&*any, &shop.id, "was put", |one| {
        one.version == second.version
    })
    .await;
    save_next(&any, &second, "overtakes").await;
    model.act(|state| state.faults.clear());
    let error = lost.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "{error}");
}

#[tokio::test]
async fn readers_that_lag_do_not_mislead_a_decision() {
    let (model, _, any) = world().await;
    let mut shop = preview("shop", 1);
    save_first(&any, &shop).await;
    model.act(nestling_world::aws::dynamodb::State::lag);
    for round in 0..3 {
        (shop, _) = save_next(&any, &shop, &format!("round {round}")).await;
        assert_eq!(any.environment(&shop.id).await.unwrap(), Some(shop.clone()));
        assert_eq!(
            any.environments_of_app(&shop.app).await.unwrap(),
            [shop.clone()]
        );
    }
    let due = crate::drivers::store::Save {
        due_at: Some(crate::drivers::store::conformance::NOON),
        ..save_of(&next_of(&shop))
    };
    any.save(due).await.unwrap();
    let noon = crate::drivers::store::conformance::NOON;
    assert_eq!(any.due(noon, 10).await.unwrap(), [], "the index lags");
    model.act(nestling_world::aws::dynamodb::State::catch_up);
    assert_eq!(
        any.due(noon, 10).await.unwrap(),
        [shop.id],
        "and is right in the end"
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_hides_no_other() {
    let (model, _, any) = world().await;
    for number in 1..=3 {
        save_first(&any, &preview("shop", number)).await;
    }
    let broken = preview("shop", 2);
    model.act(|state| {
        let key = keys::environment(&broken.id);
        let records = &mut state.tables.get_mut("nestling").unwrap().items;
        let item = records.get_mut(&(key.clone(), key)).unwrap();
        let damage = nestling_world::aws::dynamodb::Value::S("{\"secret\":".to_owned());
        item.insert("body".to_owned(), damage);
    });
    let error = any.environment(&broken.id).await.unwrap_err().to_string();
    assert!(error.contains("ENVIRONMENT#shop-pr-2"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let left = any.environments_of_app(&broken.app).await.unwrap();
    assert_eq!(left.len(), 2);
    let page = any.environments(None, 2).await.unwrap();
    assert_eq!(page.items.len(), 2, "a page full of them is not the end");
    any.forget_environment(&broken.id).await.unwrap();
    save_first(&any, &broken).await;
}

#[tokio::test]
async fn what_expires_is_gone_for_readers_at_once_and_from_the_table_in_the_end() {
    use nestling_domain::ids::InputId;
    let (model, _, any) = world().await;
    let shop = preview("shop", 1);
    let input = InputId("delivery".to_owned());
    let save = crate::drivers::store::Save {
        input: Some((input.clone(), "done".to_owned())),
        happened: vec![skipped("once")],
        ..save_of(&shop)
    };
    any.save(save).await.unwrap();
    let month = crate::drivers::store::conformance::NOON.plus(Duration::from_hours(24 * 30));
    any.prune(month).await.unwrap();
    assert_eq!(any.answered(&shop.id, &input).await.unwrap(), None);
    // It may be answered anew although the old answer is still there.
    let again = crate::drivers::store::Save {
        input: Some((input.clone(), "done again".to_owned())),
        ..save_of(&next_of(&shop))
    };
    any.save(again).await.unwrap();
    let count = |model: &Model| model.act(|state| state.tables["nestling"].items.len());
    let before = count(&model);
    model.act(|state| state.expire(month.0 / 1000 + 400 * 86_400));
    assert!(count(&model) < before);
    assert!(any.environment(&shop.id).await.unwrap().is_some());
}
