//! What GitHub tells twice, late, in another order or not at all.

use super::*;

#[actix::test]
async fn race_close_during_a_build() {
    let race = Race::start().await;
    race.house.outside.runners.set(false);
    let number = race.propose("basket");
    race.deliver_all().await;
    race.preview(number, "builds", |one| {
        one.lifecycle.next().is_some_and(|next| next.phase.builds())
    })
    .await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(number).await;
}

#[actix::test]
async fn race_close_before_create_and_synchronize_after_closed() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.push("basket", "more");
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    let mut news = race.news();
    news.reverse();
    race.deliver(news).await;
    race.is_gone(number).await;
}

#[actix::test]
async fn race_close_reopen_and_push_within_a_second_in_any_order() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    for turn in 0..3 {
        race.act(|state| state.close(SHOP, number.into(), "ann"));
        race.act(|state| state.reopen(SHOP, number.into(), "ann"));
        let pushed = race.push("basket", &format!("turn {turn}"));
        let mut news = race.news();
        let length = news.len();
        news.rotate_left(turn % length);
        race.deliver(news).await;
        race.serves(number, &pushed).await;
    }
}

#[actix::test]
async fn race_push_during_teardown() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.push("basket", "late");
    race.deliver_all().await;
    race.is_gone(number).await;
}

#[actix::test]
async fn race_two_pushes_out_of_order() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.push("basket", "first");
    let first = race.news();
    let second = race.push("basket", "second");
    race.deliver_all().await;
    race.deliver(first).await;
    race.serves(number, &second).await;
}

#[actix::test]
async fn w02_race_a_delivery_that_comes_twice_and_one_that_is_delivered_again_cause_nothing_more() {
    let race = Race::start().await;
    let number = race.propose("basket");
    let news = race.news();
    race.deliver(news.clone()).await;
    race.serves(number, &race.head("basket")).await;
    race.deliver(news.clone()).await;
    // As after the inbox has forgotten it: under the same words, with another id.
    let again = news.into_iter().map(|one| Delivery {
        id: format!("{}-again", one.id),
        ..one
    });
    race.deliver(again).await;
    race.serves(number, &race.head("basket")).await;
    let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
    let record = race.store.environment(&id).await.unwrap().unwrap();
    assert_eq!(record.lifecycle.generation.0, 1, "one deployment in all");
}

#[actix::test]
async fn race_another_base_and_a_stacked_pull_request() {
    let race = Race::start().await;
    let below = race.propose("below");
    let above = race.act(|state| {
        state.push(SHOP, "above", "ann", &[Change::file("above.html", "1")])?;
        let opening = Opening::of("above", "ann").into("below");
        Ok(u32::try_from(state.open_pull_request(SHOP, opening)?)?)
    });
    race.deliver_all().await;
    race.serves(below, &race.head("below")).await;
    race.serves(above, &race.head("above")).await;
    race.act(|state| state.retarget(SHOP, above.into(), "ann", "main"));
    race.act(|state| state.close(SHOP, below.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(below).await;
    race.serves(above, &race.head("above")).await;
}

#[actix::test]
async fn race_a_branch_deleted_without_a_close() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.delete_branch(SHOP, "basket", "ann"));
    let told = race.news();
    let only_the_branch = told
        .into_iter()
        .filter(|one| matches!(&one.fact, Fact::Webhook { event, .. } if event == "delete"));
    race.deliver(only_the_branch).await;
    race.is_gone(number).await;
}

#[actix::test]
async fn w07_race_two_pull_requests_from_one_branch_and_a_fork_of_the_same_name() {
    let race = Race::start().await;
    let first = race.propose("basket");
    let (second, forked) = race.act(|state| {
        state.push(SHOP, "next", "ann", &[Change::file("next.html", "1")])?;
        let second = state.open_pull_request(SHOP, Opening::of("basket", "ann").into("next"))?;
        state.fork(SHOP, "eve")?;
        state.push(
            "eve/shop",
            "basket",
            "eve",
            &[Change::file("index.html", "eve")],
        )?;
        let forked = Opening::of("basket", "eve").from("eve/shop");
        let forked = state.open_pull_request(SHOP, forked)?;
        Ok((u32::try_from(second)?, u32::try_from(forked)?))
    });
    race.deliver_all().await;
    let pushed = race.push("basket", "both");
    race.deliver_all().await;
    race.serves(first, &pushed).await;
    race.serves(second, &pushed).await;
    race.act(|state| state.close(SHOP, first.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(first).await;
    race.serves(second, &pushed).await;
    race.waits(forked).await;
}

#[actix::test]
async fn race_a_listing_that_shows_nothing_closes_nothing() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(number, &head).await;
    let environments = race.store.environments_of_app(&race.shop.id).await.unwrap();
    let listed = Listed {
        there: true,
        branch: "main",
        head: None,
        open: &[],
    };
    let gone = gone(race.shop.repository, &environments, &listed);
    assert!(!gone.is_empty(), "its environment looks");
    let told = gone
        .into_iter()
        .map(|one| one.fact)
        .enumerate()
        .map(|(number, fact)| Delivery {
            id: format!("listed-{number}"),
            at: clock::now(),
            repository: Some(race.shop.repository),
            fact,
        });
    race.deliver(told).await;
    race.serves(number, &head).await;
}

#[actix::test]
async fn race_a_webhook_that_did_not_get_through_is_asked_for_and_taken_once() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.nothing_gets_through().await;
    let lost = race.news();
    race.desk.recover(clock::now()).await;
    let again = race.news();
    assert!(!again.is_empty());
    for one in &again {
        assert!(lost.iter().any(|lost| lost.id == one.id), "{one:?}");
    }
    race.deliver(again).await;
    race.serves(number, &race.head("basket")).await;
    // The first attempt was only slow.
    race.deliver(lost).await;
    race.serves(number, &race.head("basket")).await;
    assert_eq!(race.made(number), [1]);
}

#[actix::test]
async fn race_an_order_whose_webhook_is_lost_for_an_hour_is_carried_out_once_one_gets_through() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.comment(SHOP, number.into(), "ann", "/stop"));
    let mut now = clock::now();
    let (mut attempts, mut last) = (0, Vec::new());
    for _ in 0..60 {
        race.nothing_gets_through().await;
        let news = race.news();
        if !news.is_empty() {
            (attempts, last) = (attempts + 1, news);
        }
        now = now.plus(Duration::from_mins(1));
        race.desk.recover(now).await;
    }
    assert!(
        attempts >= 30,
        "{attempts}: a failed one is seen and asked for in two passes"
    );
    let unheard = race.desk.not_heard.said().unwrap();
    assert!(unheard.silent, "{unheard:?}");
    assert_eq!((last.len(), unheard.waiting), (1, 1), "{last:?}");
    race.deliver(last).await;
    race.preview(number, "was stopped", |one| {
        matches!(&one.lifecycle.state, Life::Stopped { why, .. } if why.name() == "by a person")
    })
    .await;
}

#[actix::test]
async fn race_a_label_that_is_added_and_removed_in_any_order() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(number, &head).await;
    let label =
        |race: &Race| race.act(|state| state.label(SHOP, number.into(), "ann", "no-preview"));
    let unlabel =
        |race: &Race| race.act(|state| state.unlabel(SHOP, number.into(), "ann", "no-preview"));
    label(&race);
    race.deliver_all().await;
    race.waits(number).await;
    unlabel(&race);
    race.deliver_all().await;
    race.serves(number, &head).await;
    // On and off at once, and the other way round on the way here.
    label(&race);
    unlabel(&race);
    let mut news = race.news();
    news.reverse();
    race.deliver(news).await;
    race.serves(number, &head).await;
    assert_eq!(race.made(number), [1, 2], "nobody noticed the last one");
}

#[actix::test]
async fn a_label_or_an_edit_that_nobody_reads_costs_github_nothing() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    let asked = race.asked();
    race.act(|state| state.label(SHOP, number.into(), "ann", "bug"));
    race.act(|state| state.unlabel(SHOP, number.into(), "ann", "bug"));
    let mut news = race.news();
    assert_eq!(news.len(), 2);
    race.act(|state| state.retitle(SHOP, number.into(), "ann", "Another basket"));
    // As when the text below the title is edited.
    news.extend(race.news_with(|payload| {
        payload["changes"] = serde_json::json!({ "body": { "from": "" } });
    }));
    assert_eq!(news.len(), 3);
    race.deliver(news).await;
    let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
    let record = race.store.environment(&id).await.unwrap().unwrap();
    assert_eq!(record.lifecycle.look, None, "it has nothing to ask");
    assert_eq!(race.asked(), asked);
}

#[actix::test]
async fn an_edited_title_shows_at_once_and_stays_whatever_is_told_next() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.retitle(SHOP, number.into(), "ann", "Another basket"));
    let edited = race.news();
    race.deliver(edited).await;
    let is_shown = async |next: &str| {
        let shown =
            |one: &Environment| one.title == "Another basket" && one.lifecycle.look.is_none();
        race.preview(number, &format!("shows the title after {next}"), shown)
            .await;
    };
    is_shown("it was edited").await;
    let row = race.store.pull_request(race.shop.repository, number);
    assert_eq!(row.await.unwrap().unwrap().title, "Another basket");
    race.act(|state| state.comment(SHOP, number.into(), "ann", "/redeploy"));
    race.deliver_all().await;
    let again = |one: &Environment| {
        one.lifecycle
            .serving()
            .is_some_and(|one| one.generation.0 == 2)
    };
    race.preview(number, "serves again", again).await;
    is_shown("an order").await;
    let second = race.push("basket", "2");
    race.deliver_all().await;
    race.serves(number, &second).await;
    is_shown("a push").await;
}

#[actix::test]
async fn race_a_repository_that_is_renamed_and_transferred_keeps_its_previews() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.rename(SHOP, "store", "ann"));
    let pushed = race.push_to("acme/store", "basket", "renamed");
    let mut news = race.news();
    news.reverse();
    race.deliver(news).await;
    race.serves(number, &pushed).await;
    race.act(|state| {
        state.create_organisation("umbrella");
        let app = state.installations[&race.installation].app;
        state.install(app, "umbrella", Selection::All)?;
        state.transfer("acme/store", "umbrella", "ann")
    });
    let pushed = race.push_to("umbrella/store", "basket", "transferred");
    race.deliver_all().await;
    race.serves(number, &pushed).await;
    let all = race.store.environments_of_app(&race.shop.id).await.unwrap();
    let previews = all.iter().filter(|one| one.kind != Kind::Production);
    assert_eq!(previews.count(), 1, "it is the same one");
}
