//! What is ordered, and does not help: it is said.

use nestling_domain::{
    github::{CheckAsk, Named, Says, Sender, Webhook},
    label::Slug,
    lifecycle::Why,
    orders::Orders,
    policy::{Outsiders, Policy},
    record::DeliveryState,
};

use super::*;

impl Race {
    /// What came of the last comment that ordered something: each line, whether it was done, and why not.
    async fn answers(&self, number: u32) -> Vec<(String, bool)> {
        let row = self.store.pull_request(self.shop.repository, number).await;
        let answer = row.unwrap().unwrap().orders.answer.unwrap();
        let lines = answer.lines.into_iter();
        lines.map(|line| (line.outcome, line.done)).collect()
    }

    /// What was decided about a delivery.
    async fn decided(&self, id: &str) -> String {
        let log = self.store.deliveries(None, 1000).await.unwrap();
        let found = log.into_iter().find(|(one, _)| one.id == id).unwrap().1;
        let DeliveryState::Done { decisions } = found else {
            panic!("{id} is not done")
        };
        decisions.into_values().collect::<Vec<_>>().join("; ")
    }

    /// Somebody presses a button on the check run of the pull request's preview; what was decided.
    async fn press(
        &self,
        number: u32,
        (by, login): (u64, &str),
        (id, button): (&str, &str),
    ) -> String {
        let environment = EnvironmentId::derive(&self.shop.id, Kind::Preview(number));
        let record = self.store.environment(&environment).await.unwrap().unwrap();
        let head = record.lifecycle.newest_commit().unwrap().id.clone();
        let webhook = Webhook {
            installation: Some(self.installation),
            repository: Some(Named {
                id: self.shop.repository,
                owner: "acme".to_owned(),
                name: "shop".to_owned(),
                default_branch: None,
            }),
            sender: Some(Sender {
                id: by,
                login: login.to_owned(),
                bot: false,
            }),
            says: Says::Check {
                external_id: format!("{environment}/{head}"),
                head,
                ask: CheckAsk::Pressed {
                    button: button.to_owned(),
                },
            },
        };
        let delivery = Delivery {
            id: id.to_owned(),
            at: clock::now(),
            repository: Some(self.shop.repository),
            fact: Fact::Webhook {
                event: "check_run".to_owned(),
                webhook: Box::new(webhook),
            },
        };
        self.deliver([delivery]).await;
        self.decided(id).await
    }

    async fn orders(&self, number: u32) -> Orders {
        let row = self.store.pull_request(self.shop.repository, number).await;
        row.unwrap().unwrap().orders
    }

    async fn answer(&self, number: u32, comment: &str) -> (String, bool) {
        self.act(|state| state.comment(SHOP, number.into(), "ann", comment));
        self.deliver_all().await;
        self.answers(number).await.remove(0)
    }
}

#[actix::test]
async fn a_preview_of_a_closed_pull_request_is_refused() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(number).await;
    let (said, done) = race.answer(number, "/preview").await;
    assert!(!done && said.contains("is closed"), "{said}");
    race.act(|state| state.reopen(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    assert_eq!(
        race.answer(number, "/preview").await,
        ("a preview was asked for".to_owned(), true)
    );
}

#[actix::test]
async fn an_approval_that_no_app_heeds_is_refused() {
    let race = Race::start().await;
    let policy = Policy {
        outsiders: Outsiders::Off,
        ..Policy::default()
    };
    let shop = App {
        policy,
        ..race.shop.clone()
    };
    race.store.put_app(&shop).await.unwrap();
    let number = race.act(|state| propose(state, "rose", "rita"));
    race.deliver_all().await;
    race.waits(number).await;
    let approve = format!("/approve {}", race.head("rose"));
    let (said, done) = race.answer(number, &approve).await;
    assert!(!done && said.contains("outsiders"), "{said}");
    // And one who starts it hears what stands against that.
    let (said, done) = race.answer(number, "/Start").await;
    assert!(
        !done && said.contains("runs nothing of outsiders"),
        "{said}"
    );
}

#[actix::test]
async fn a_preview_that_cannot_run_all_the_same_is_no_rocket() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.act(|state| state.label(SHOP, number.into(), "ann", "no-preview"));
    race.deliver_all().await;
    race.waits(number).await;
    let refused = "refused: shop: it has the label `no-preview`: remove it to get a preview";
    assert_eq!(
        race.answer(number, "/preview").await,
        (refused.to_owned(), false)
    );
    race.act(|state| state.unlabel(SHOP, number.into(), "ann", "no-preview"));
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    // What waits for an approval was asked for, and says so.
    let number = race.act(|state| propose(state, "rose", "rita"));
    race.deliver_all().await;
    race.waits(number).await;
    let (said, done) = race.answer(number, "/preview shop").await;
    let approve = format!("`/approve {}`)", race.head("rose"));
    assert!(
        done && said.starts_with("a preview of shop was asked for, and waits (shop: commit ")
            && said.ends_with(&approve),
        "{said}"
    );
    // Where nothing of outsiders runs, nothing comes of it.
    let policy = Policy {
        outsiders: Outsiders::Off,
        ..Policy::default()
    };
    let shop = App {
        policy,
        ..race.shop.clone()
    };
    race.store.put_app(&shop).await.unwrap();
    let (said, done) = race.answer(number, "/preview shop").await;
    assert!(
        !done && said.ends_with("runs nothing of outsiders"),
        "{said}"
    );
}

#[actix::test]
async fn a_push_to_what_a_person_stopped_is_told_of_and_not_deployed() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let first = race.head("basket");
    race.serves(number, &first).await;
    assert!(race.answer(number, "/stop").await.1);
    let pushed = race.push("basket", "more");
    race.deliver_all().await;
    race.preview(number, "tells of the push", |one| {
        let skipped = one.lifecycle.skipped.as_ref();
        skipped.is_some_and(|head| head.id.as_str() == pushed)
    })
    .await;
    assert_eq!(race.machines(number), 0);
    assert!(race.answer(number, "/start").await.1);
    race.serves(number, &pushed).await;
}

#[actix::test]
async fn race_a_command_that_is_told_of_before_the_opening_waits_for_its_preview() {
    let race = Race::start().await;
    let number = race.propose("basket");
    let opened = race.news();
    race.act(|state| state.comment(SHOP, number.into(), "ann", "/keep\n/stop"));
    // It comes first, and what it is about is not even known.
    let mut news = race.news();
    news.extend(opened);
    race.deliver(news).await;
    race.preview(number, "was stopped", |one| {
        matches!(&one.lifecycle.state, Life::Stopped { why, .. } if why.name() == "by a person")
    })
    .await;
    let answers = race.answers(number).await;
    assert!(answers.iter().all(|(_, done)| *done), "{answers:?}");
    assert!(race.orders(number).await.kept);
}

#[actix::test]
async fn a_command_about_an_app_that_is_none_is_answered_at_once() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.act(|state| state.comment(SHOP, number.into(), "ann", "/stop till"));
    race.deliver_all().await;
    let (said, done) = race.answers(number).await.remove(0);
    assert!(!done && said.contains("no preview of app till"), "{said}");
}

#[actix::test]
async fn an_approval_of_what_is_not_the_head_is_refused_and_names_the_head() {
    let race = Race::start().await;
    let number = race.act(|state| propose(state, "rose", "rita"));
    race.deliver_all().await;
    race.waits(number).await;
    let read = race.head("rose");
    // Nobody told of the push yet.
    let pushed = race.push("rose", "evil");
    race.act(|state| state.comment(SHOP, number.into(), "ann", &format!("/approve {read}")));
    let mut news = race.news();
    let comment = news.pop().unwrap();
    race.deliver([comment]).await;
    let (said, done) = race.answers(number).await.remove(0);
    assert!(!done && said.contains(&pushed), "{said}");
    assert_eq!(race.orders(number).await.approved, None);
    // The one that nobody told of can be approved as soon as somebody has read it.
    let approve = format!("/approve {pushed}");
    race.act(|state| state.comment(SHOP, number.into(), "ann", &approve));
    let comment = race.news().pop().unwrap();
    race.deliver([comment]).await;
    race.serves(number, &pushed).await;
}

#[actix::test]
async fn race_an_approval_does_not_come_back_with_its_commit() {
    let race = Race::start().await;
    let number = race.act(|state| propose(state, "rose", "rita"));
    race.deliver_all().await;
    race.waits(number).await;
    let read = race.head("rose");
    let approve = format!("/approve {read}");
    assert!(race.answer(number, &approve).await.1);
    race.serves(number, &read).await;
    race.push("rose", "evil");
    race.deliver_all().await;
    race.waits(number).await;
    race.act(|state| state.set_back(SHOP, "rose", "rita", &read));
    race.deliver_all().await;
    race.preview(number, "waits for an approval of it again", |one| {
        let Life::Stopped {
            why: Why::Waits(waits),
            ..
        } = &one.lifecycle.state
        else {
            return false;
        };
        let waits = waits.approval.as_ref();
        waits.is_some_and(|commit| commit.as_str() == read)
    })
    .await;
    assert!(race.answer(number, &approve).await.1);
    race.serves(number, &read).await;
}

#[actix::test]
async fn race_a_comment_that_is_told_of_twice_orders_once() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.comment(SHOP, number.into(), "ann", "/redeploy"));
    let told = race.news();
    race.deliver(told.clone()).await;
    race.serves(number, &race.head("basket")).await;
    assert_eq!(race.made(number), [1, 2]);
    assert!(race.answer(number, "/stop").await.1);
    assert!(race.answer(number, "/start").await.1);
    race.serves(number, &race.head("basket")).await;
    // As when webhooks are switched off: the comments of the last hour are listed.
    let listed = told.into_iter().map(|one| Delivery {
        id: "comment-listed".to_owned(),
        ..one
    });
    race.deliver(listed).await;
    let decided = race.decided("comment-listed").await;
    assert!(decided.starts_with("ignored"), "{decided}");
    race.serves(number, &race.head("basket")).await;
    assert_eq!(race.made(number), [1, 2, 3]);
}

#[actix::test]
async fn strangers_hold_up_nobody_and_are_answered_a_few_times() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    let (said, _) = race.answer(number, "/help").await;
    // Faces are made by nobody whom the inbox waits for.
    let silence = Fault::NoAnswer;
    race.act(|state| {
        state.order(
            "POST /repos/*/*/issues/comments/*/reactions",
            silence,
            Times::Always,
        );
        for _ in 0..20 {
            state.comment(SHOP, number.into(), "rita", "/stop")?;
        }
        Ok(())
    });
    let told = tokio::time::timeout(Duration::from_secs(20), race.deliver_all());
    told.await.expect("nobody waits for what is shown");
    let orders = race.orders(number).await;
    assert!(orders.heard.len() < 6, "{:?}", orders.heard);
    let told: Vec<&str> = orders.answers().map(|answer| &*answer.by).collect();
    assert_eq!(told, ["ann", "rita"], "what ann asked for stays: {said}");
    race.serves(number, &race.head("basket")).await;
    let (said, done) = race.answer(number, "/stop").await;
    assert!(done, "{said}");
}

#[actix::test]
async fn a_button_that_a_stranger_presses_says_so_and_does_nothing() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    for turn in 0..6 {
        let id = format!("press-{turn}");
        let said = race.press(number, (66, "rita"), (&id, "stop")).await;
        let silent = said.starts_with("refused in silence");
        assert!(
            said.starts_with("refused") && silent == (turn >= 3),
            "{said}"
        );
    }
    race.serves(number, &race.head("basket")).await;
    race.preview(number, "says so", |one| {
        let refused = one.lifecycle.refused.as_deref();
        refused.is_some_and(|why| why.contains("may not write"))
    })
    .await;
    let said = race
        .press(number, (1, "ann"), ("pressed", "redeploy"))
        .await;
    assert!(said.contains("queued"), "{said}");
    race.preview(number, "says nothing", |one| {
        one.lifecycle.refused.is_none()
    })
    .await;
}

#[actix::test]
async fn a_preview_of_one_app_is_made_and_that_of_another_is_not() {
    let race = Race::start().await;
    let till = App {
        id: AppId::derive(race.shop.repository, "till"),
        slug: Slug::of("till"),
        root: "till".to_owned(),
        ..race.shop.clone()
    };
    race.store.put_app(&till).await.unwrap();
    let number = race.act(|state| {
        state.push(SHOP, "basket", "ann", &[Change::file("index.html", "1")])?;
        let opening = Opening::of("basket", "ann").titled("Basket [skip preview]");
        Ok(u32::try_from(state.open_pull_request(SHOP, opening)?)?)
    });
    race.deliver_all().await;
    race.waits(number).await;
    let (said, done) = race.answer(number, "/preview shop").await;
    assert!(done, "{said}");
    race.serves(number, &race.head("basket")).await;
    let other = EnvironmentId::derive(&till.id, Kind::Preview(number));
    // Whatever makes it look: nobody asked for this one.
    race.act(|state| state.label(SHOP, number.into(), "ann", "docs"));
    race.deliver_all().await;
    until(&*race.store, &other, "waits", |one| {
        let waits =
            matches!(&one.lifecycle.state, Life::Stopped { why, .. } if why.name() == "waits");
        waits && one.lifecycle.look.is_none()
    })
    .await;
    let (said, done) = race.answer(number, "/preview shelf").await;
    assert!(!done && said.contains("no app shelf"), "{said}");
}

#[actix::test]
async fn all_checks_of_a_commit_run_again_where_it_is_the_newest_and_the_person_may_write() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let before = race.head("basket");
    race.serves(number, &before).await;
    let again = async |commit: &str, by: &str| {
        race.deliver_all().await;
        race.act(|state| state.rerun_all(SHOP, commit, by));
        let news = race.news();
        let asked = news.last().unwrap().id.clone();
        race.deliver(news).await;
        race.decided(&asked).await
    };
    let decided = again(&before, "eve").await;
    assert!(decided.contains("may not write"), "{decided}");
    assert_eq!(race.made(number), [1]);

    again(&before, "ann").await;
    race.preview(number, "is deployed again", |one| {
        one.lifecycle.generation.0 == 2 && matches!(one.lifecycle.state, Life::Running { .. })
    })
    .await;

    let after = race.push("basket", "<h1>Basket, mended</h1>");
    race.deliver_all().await;
    race.serves(number, &after).await;
    let made = race.made(number);
    let decided = again(&before, "ann").await;
    assert_eq!(
        decided,
        "nothing: no environment has this as its newest commit"
    );
    assert_eq!(race.made(number), made);
}
