//! GitHub that is slow.

use super::*;

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
