//! GitHub that is slow or silent, and what does not go away.

use nestling_domain::announcement::status;

use super::*;

/// What people read about a preview.
async fn says(race: &Race, number: u32) -> String {
    let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
    let record = race.store.environment(&id).await.unwrap().unwrap();
    let status = status(&record.lifecycle, None);
    format!("{}: {}", status.word, status.detail.unwrap_or_default())
}

#[actix::test]
async fn race_a_preview_begins_however_slowly_github_answers() {
    // Of the time that an effect has: 4 s and 8 s of 10 s, thirty times as fast.
    for tenths in [4, 8] {
        let limit = Duration::from_millis(330);
        let race = Race::arranged(|times| times.effect = limit).await;
        let number = race.propose("basket");
        race.act(|state| {
            state.faults.latency = limit * tenths / 10;
            Ok(())
        });
        race.deliver_all().await;
        race.preview(number, "says why it waits", |one| {
            let look = one.lifecycle.look.as_ref();
            look.is_some_and(|look| look.silence.is_some())
        })
        .await;
        race.serves(number, &race.head("basket")).await;
        let asked = race.github.look(|state| {
            let requests = state.ledger.requests.iter();
            let pull = format!("/pulls/{number}");
            requests.filter(|one| one.target.ends_with(&pull)).count()
        });
        assert_eq!(asked, 1, "what one try has learnt serves the next");
    }
}

/// A hint that comes while GitHub is still being asked is another question, whatever comes of the first.
#[actix::test]
async fn race_a_close_is_heard_although_a_slow_answer_to_an_earlier_question_is_on_its_way() {
    let limit = Duration::from_millis(330);
    let race = Race::arranged(|times| times.effect = limit).await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| {
        state.faults.latency = limit * 8 / 10;
        state.retitle(SHOP, number.into(), "ann", "Baskets")
    });
    race.deliver_all().await;
    race.asked_in_vain(number).await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(number).await;
    assert_eq!(race.made(number), [1]);
}

#[actix::test]
async fn race_a_close_that_github_does_not_confirm_is_said_until_it_does() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    for fault in [Fault::Status(503), Fault::SecondaryLimit(1)] {
        race.act(|state| {
            state.order("GET /repos/**", fault, Times::Always);
            state.close(SHOP, number.into(), "ann")
        });
        race.deliver_all().await;
        race.asked_in_vain(number).await;
        let said = says(&race, number).await;
        let start = "Running: its pull request was said to be closed, which could not be confirmed yet (GitHub ";
        assert!(said.starts_with(start), "{said}");
        assert_eq!(race.machines(number), 1, "an error closes nothing");
        race.act(|state| {
            state.faults.clear();
            Ok(())
        });
        race.is_gone(number).await;
        assert_eq!(says(&race, number).await, "Removed: ");
        race.act(|state| state.reopen(SHOP, number.into(), "ann"));
        race.deliver_all().await;
        race.serves(number, &race.head("basket")).await;
    }
}

#[actix::test]
async fn race_what_cannot_be_removed_is_closing_until_it_is_gone() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    let why = "could not remove /var/lib/nestling/shop/state: permission denied";
    race.house.outside.stays.replace(Some(why.to_owned()));
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.preview(number, "is closing", |one| one.lifecycle.is_closing())
        .await;
    assert_eq!(
        says(&race, number).await,
        format!(
            "Closing: the machine of deployment 1 and its state folder may still be there ({why}): tried again until it is gone"
        )
    );
    // The server starts again meanwhile.
    let race = race.next_life(|_| {}).await;
    race.preview(number, "is tried again", |one| {
        let remains = one.lifecycle.world.remains.as_ref();
        remains.is_some_and(|remains| remains.tries > 3)
    })
    .await;
    race.house.outside.stays.replace(None);
    race.is_gone(number).await;
    assert_eq!(says(&race, number).await, "Removed: ");
}

#[actix::test]
async fn race_a_look_that_misses_many_ends_few_of_them() {
    let race = Race::start().await;
    let numbers = ["one", "two", "three", "four", "five"].map(|branch| race.propose(branch));
    race.deliver_all().await;
    for number in numbers {
        race.preview(number, "serves", |one| one.lifecycle.answering().is_some())
            .await;
    }
    race.act(|state| {
        for number in numbers {
            state.close(SHOP, number.into(), "ann")?;
        }
        Ok(())
    });
    // Every webhook is lost.
    race.news();
    let unseen = race.desk.list(Scope::All).await;
    assert_eq!(unseen, Some(Scope::Some([race.shop.repository].into())));
    race.deliver([]).await;
    for number in &numbers[..3] {
        race.is_gone(*number).await;
    }
    for number in &numbers[3..] {
        assert_eq!(race.machines(*number), 1, "it waits for another look");
    }
    let said = race.desk.held_back.said().unwrap();
    let start = "a look at GitHub did not find pull requests acme/shop#4, acme/shop#5 among the open ones. One look ends 3 environments at most";
    assert!(said.starts_with(start), "{said}");
    assert_eq!(race.desk.list(Scope::All).await, None);
    race.deliver([]).await;
    for number in &numbers[3..] {
        race.is_gone(*number).await;
    }
    assert_eq!(race.desk.held_back.said(), None);
}

#[actix::test]
async fn what_was_edited_while_no_webhook_came_is_found_by_a_listing() {
    let race = Race::start().await;
    let policy = Change::file("nestling.toml", "[policy]\ndrafts = false\n");
    race.act(|state| state.push(SHOP, "main", "ann", &[policy]));
    let number = race.propose("basket");
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(number, &head).await;
    // What a listing tells while every webhook is lost.
    let told = async || {
        race.news();
        assert_eq!(race.desk.list(Scope::All).await, None);
        race.store.pending(10).await.unwrap().len()
    };
    assert_eq!(told().await, 0, "nothing was edited");
    race.act(|state| state.set_draft(SHOP, number.into(), "ann", true));
    assert_eq!(told().await, 1);
    race.deliver([]).await;
    race.waits(number).await;
    race.act(|state| state.set_draft(SHOP, number.into(), "ann", false));
    told().await;
    race.deliver([]).await;
    race.serves(number, &head).await;
    race.act(|state| {
        state.push(SHOP, "next", "ann", &[Change::file("next.html", "1")])?;
        state.retarget(SHOP, number.into(), "ann", "next")
    });
    assert_eq!(
        told().await,
        1,
        "another base may change what policy decides"
    );
}
