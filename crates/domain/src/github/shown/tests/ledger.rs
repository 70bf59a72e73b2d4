//! What is remembered, and what follows from it.

use super::*;

#[test]
fn a_comment_is_made_as_the_setting_says_and_never_goes_stale() {
    let made = |comments, states: Vec<State>| {
        let mut page = Page {
            comments,
            ..Page::new()
        };
        let told = states.into_iter().map(|state| page.tell(state));
        let told: Vec<bool> = told.map(|told| told.contains("comment")).collect();
        told
    };
    let life = || {
        let failed = stopped(Why::Failed(failed(1, 'a')));
        vec![coming(Phase::Testing), failed, green(2, 'b')]
    };
    assert_eq!(made(Comments::Always, life()), [true, true, true]);
    assert_eq!(made(Comments::Failures, life()), [false, true, true]);
    assert_eq!(made(Comments::Failures, vec![running(1, 'a')]), [true]);
    assert_eq!(made(Comments::Off, life()), [false, false, false]);
    assert_eq!(
        made(Comments::Always, vec![stopped(Why::Closed)]),
        [false],
        "nobody has to read that nothing is closed"
    );
    assert!(Comments::Off < Comments::Failures && Comments::Failures < Comments::Always);
}

#[test]
fn what_was_begun_and_not_heard_of_is_looked_for_before_it_is_made() {
    let mut page = Page::new();
    let shop = environment("shop", coming(Phase::Testing));
    let wanted = page.wanted(&shop);
    let writes = page.ledger.plan(&wanted);
    assert!(writes.iter().all(|write| write.known() == Known::New));
    page.ledger.begin(&writes);
    let again = page.ledger.plan(&wanted);
    assert_eq!(again.len(), writes.len());
    assert!(
        again
            .iter()
            .all(|write| write.known() == Known::Maybe && write.makes())
    );

    // It closes meanwhile: what may be there is looked for, and nothing is made to say that it is over.
    let closed = page.wanted(&environment("shop", stopped(Why::Closed)));
    let ending = page.ledger.plan(&closed);
    let makes: Vec<(Known, bool)> = ending
        .iter()
        .map(|write| (write.known(), write.makes()))
        .collect();
    let maybe = Known::Maybe;
    assert_eq!(makes, [(maybe, true), (maybe, false), (maybe, false)]);
    for write in &ending {
        page.ledger.absent(write);
    }
    assert_eq!(page.ledger, Page::new().ledger);

    let unknown = Ledger::default().plan(&wanted);
    assert!(unknown.iter().all(|write| write.known() == Known::Maybe));
}

#[test]
fn a_check_that_began_anew_ends_although_nobody_heard_that_it_began() {
    let mut page = Page::new();
    page.tell(coming(Phase::Testing));
    page.tell(stopped(Why::Person));
    // A person starts it again, and the server ends as soon as GitHub shows that.
    let begun = page.wanted(&environment("shop", coming(Phase::Testing)));
    let writes = page.ledger.plan(&begun);
    page.ledger.begin(&writes);
    let stopped = page.wanted(&environment("shop", stopped(Why::Person)));
    let ending = page.ledger.plan(&stopped);
    let ended = ending.iter().any(|write| {
        let cancelled = CheckState::Completed(Outcome::Cancelled);
        matches!(write, Write::Check { run, .. } if run.state == cancelled)
    });
    assert!(ended, "{ending:?}");
}

#[test]
fn a_comment_that_a_person_deleted_is_made_once_more() {
    let mut page = Page::new();
    let testing = environment("shop", coming(Phase::Testing));
    page.tell_of(&testing);
    let wanted = page.wanted(&environment("shop", green(1, 'a')));
    let writes = page.ledger.plan(&wanted);
    page.ledger.absent(&writes[0]);
    let again = page.ledger.plan(&wanted);
    assert_eq!(line(&again[0]), "new comment: ✅ Running");
}

#[test]
fn words_about_something_under_way_may_wait_and_nothing_else_may() {
    let mut page = Page::new();
    let plan = |page: &Page, state| {
        let wanted = page.wanted(&environment("shop", state));
        page.ledger.plan(&wanted)
    };
    assert!(!is_patient(&plan(&page, coming(Phase::SettingUp))));
    page.tell(coming(Phase::SettingUp));
    assert!(is_patient(&plan(&page, coming(Phase::Testing))));
    assert!(!is_patient(&plan(&page, green(1, 'a'))));
}

#[test]
fn what_is_remembered_is_bounded_and_what_was_forgotten_is_looked_for() {
    let mut page = Page::new();
    for generation in 1..=150 {
        let commit = CommitInfo {
            id: Commit::parse(&format!("{generation:040}")).unwrap(),
            ..commit('a', "one more")
        };
        let next = Deployment {
            commit,
            ..deployment(generation, 'a', Phase::Testing)
        };
        page.tell(State::Creating {
            next: Some(Box::new(next)),
            failed: None,
        });
    }
    assert_eq!(page.ledger.checks.len(), 100);
    assert_eq!(page.ledger.deployments.len(), 1);
    assert!(!page.ledger.complete);
    let text = serde_json::to_string(&page.ledger).unwrap();
    assert!(text.len() < 50_000, "{}", text.len());
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), page.ledger);
}
