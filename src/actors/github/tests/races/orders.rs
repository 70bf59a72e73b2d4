//! What is ordered, and does not help: it is said.

use nestling_domain::policy::{Outsiders, Policy};

use super::*;

impl Race {
    /// What came of the last comment that ordered something: each line, whether it was done, and why not.
    async fn answers(&self, number: u32) -> Vec<(String, bool)> {
        let row = self.store.pull_request(self.shop.repository, number).await;
        let answer = row.unwrap().unwrap().orders.answer.unwrap();
        let lines = answer.lines.into_iter();
        lines.map(|line| (line.outcome, line.done)).collect()
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
