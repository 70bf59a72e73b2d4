//! Which branch is production, and what becomes of the others without it.

use super::*;

#[test]
fn the_default_branch_is_what_origin_says_then_main_then_master_then_the_current_one() {
    type Case = (
        Option<&'static str>,
        Option<&'static str>,
        &'static [&'static str],
        Option<&'static str>,
    );
    let cases: [Case; 8] = [
        (
            Some("trunk"),
            Some("x"),
            &["main", "trunk", "x"],
            Some("trunk"),
        ),
        (Some("gone"), Some("x"), &["main", "x"], Some("main")),
        (None, Some("x"), &["master", "main", "x"], Some("main")),
        (None, Some("x"), &["master", "x"], Some("master")),
        (None, Some("x"), &["a", "x"], Some("x")),
        (None, None, &["b", "a"], Some("a")),
        (None, Some("unborn"), &["b"], Some("b")),
        (Some("main"), Some("main"), &[], None),
    ];
    for (origin, current, branches, expected) in cases {
        let found = default_branch(origin, current, branches);
        assert_eq!(
            found.as_deref(),
            expected,
            "{origin:?} {current:?} {branches:?}"
        );
    }
}

#[test]
fn without_its_default_branch_nothing_changes_for_five_seconds_and_then_what_is_open_lives_on() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0), branch("b", 3, 0)]);
    let production = world.known.production.clone();
    let moved = [branch("a", 4, 0), branch("new", 5, 0)];
    assert_eq!(world.sees_exactly(500, moved.to_vec()), [""; 0]);
    assert!(!is_default_gone(&world.known, "main", world.now()));
    assert_eq!(world.sees_exactly(4_999, moved.to_vec()), [""; 0]);
    assert_eq!(
        world.sees_exactly(1, moved.to_vec()),
        ["pr-1 Push 0404040"],
        "what is new waits: it may be production"
    );
    assert!(is_default_gone(&world.known, "main", world.now()));
    assert_eq!(world.sees_exactly(1_000, moved.to_vec()), ["pr-2 Close -"]);
    assert_eq!(world.known.production, production);

    // It is back.
    let told = world.sees(500, &moved);
    assert_eq!(told, ["pr-3 Push 0505050"]);
    assert!(world.known.missing.is_empty());
}

#[test]
fn a_default_branch_that_blinks_is_where_it_was() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0)]);
    world.sees_exactly(500, vec![branch("a", 2, 0)]);
    assert_eq!(world.sees(4_000, &[branch("a", 2, 0)]), [""; 0]);
    world.sees_exactly(500, vec![branch("a", 2, 0)]);
    assert!(!is_default_gone(&world.known, "main", world.now()));
    world.sees_exactly(4_000, vec![branch("a", 2, 0)]);
    assert!(
        !is_default_gone(&world.known, "main", world.now()),
        "the second time starts anew"
    );
}

#[test]
fn a_pull_request_whose_branch_becomes_production_is_closed() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0), branch("b", 3, 0)]);
    let listing = Listing {
        at: world.now(),
        branches: vec![branch("a", 2, 0), branch("b", 3, 0)],
    };
    let noticed = notice(&world.known, "a", &listing);
    let told: Vec<String> = noticed.facts.iter().map(words).collect();
    assert_eq!(told, ["production 0202020", "pr-1 Close -"]);
    assert_eq!(noticed.changed.len(), 1);
    assert_eq!(noticed.changed[0].status, PullRequestStatus::Closed);
}

#[test]
fn what_takes_the_place_of_a_default_branch_that_is_gone() {
    let mut world = World::default();
    world.sees(0, &[branch("topic", 2, 0)]);
    let check = |origin, current, holding: &[&str], branches: &[&str], expected: Option<&str>| {
        let found = successor(&world.known, origin, current, holding, branches);
        assert_eq!(found.as_deref(), expected, "{holding:?} of {branches:?}");
    };
    let all = ["master", "old", "topic", "trunk"];
    // Renamed: it holds what production served, and a pull request does, too.
    check(None, None, &["topic", "trunk"], &all, Some("trunk"));
    check(Some("main"), None, &["trunk"], &all, Some("trunk"));
    // What the origin says is said on purpose.
    check(Some("old"), None, &["trunk"], &all, Some("old"));
    // Two may be it: the one that is checked out, or nobody knows.
    check(None, Some("trunk"), &["old", "trunk"], &all, Some("trunk"));
    let two = ["old", "topic", "trunk"];
    check(None, Some("topic"), &["old", "topic", "trunk"], &two, None);
    check(None, None, &["old", "trunk"], &all, Some("master"));
    // A checkout alone says nothing.
    check(None, Some("old"), &[], &two, None);
    check(None, Some("topic"), &["topic"], &["topic"], None);
    check(None, None, &[], &["main", "master"], Some("main"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Without the default branch nothing is opened and production stays, whatever else is listed.
    #[test]
    fn without_the_default_branch_nothing_is_opened_and_production_stays(
        before in some_branches(),
        days in prop::collection::vec((some_branches(), 0..9000u64), 1..8)
    ) {
        let mut world = World::default();
        world.sees(0, &before);
        let production = world.known.production.clone();
        for (branches, after) in days {
            let open = world.open();
            let told = world.sees_exactly(after, branches);
            prop_assert!(world.open() <= open);
            prop_assert!(told.iter().all(|fact| fact.ends_with("Close -") || fact.contains(" Push ")));
            prop_assert_eq!(&world.known.production, &production);
        }
    }
}
