//! What the simulation shows.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Runs,
    bugs::Bug,
    crashes::{Cell, STATES, When, cells, impossible, rows},
    run, run_all, told,
    world::Scene,
};

/// Seeds of every run of the tests.
const SEEDS: u64 = 2_000;
/// Seeds of half an hour without webhooks each.
const DEAF: u64 = 60;

/// A number that whoever runs this has asked for.
fn asked(name: &str) -> Option<u64> {
    let asked = std::env::var(name).ok().filter(|asked| !asked.is_empty())?;
    Some(
        asked
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, and not {asked:?}")),
    )
}

#[test]
fn whatever_goes_wrong_the_world_comes_out_right() {
    if let Some(seed) = asked("NESTLING_SEED") {
        let run = run(seed, None, Scene::Trouble);
        eprintln!("{}\nhash {:016x}", run.lines.join("\n"), run.hash);
        assert!(run.violations.is_empty(), "{}", run.violations.join("\n"));
        return;
    }
    let seeds = asked("NESTLING_SEEDS").unwrap_or(SEEDS);
    let Runs { hits, failed } = run_all(seeds, Scene::Trouble);
    eprintln!(
        "{seeds} seeds; so often the server ended before and after:\n{}",
        table(&hits)
    );
    assert!(failed.is_empty(), "{}", told(&failed));
    let missed: Vec<String> = cells()
        .iter()
        .filter(|cell| !hits.contains_key(cell))
        .map(Cell::to_string)
        .collect();
    assert!(
        seeds < SEEDS || missed.is_empty(),
        "the server never ended\n{}",
        missed.join("\n")
    );
}

#[test]
fn half_an_hour_without_webhooks_is_made_up_for_within_two_minutes() {
    let failed = run_all(DEAF, Scene::Deaf).failed;
    assert!(failed.is_empty(), "{}", told(&failed));
}

#[test]
fn what_not_even_github_knows_of_is_found_by_listing() {
    let failed = run_all(DEAF, Scene::Forgotten).failed;
    assert!(failed.is_empty(), "{}", told(&failed));
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let [first, second] = [0, 1].map(|_| run(seed, None, Scene::Trouble));
        let mut lines = first.lines.iter().zip(&second.lines);
        let differs = lines.find(|(one, other)| one != other);
        assert_eq!(first.hash, second.hash, "seed {seed}: {differs:#?}");
    }
}

/// How often the server ended: before and after each kind of save and effect, in each state.
fn table(hits: &BTreeMap<Cell, u32>) -> String {
    let mut table = format!("{:<26}", "");
    for state in STATES {
        let _ = write!(table, "{state:>14}");
    }
    for class in rows() {
        let _ = write!(table, "\n{class:<26}");
        for state in STATES {
            let count = |when| {
                let cell = Cell { state, class, when };
                hits.get(&cell).copied().unwrap_or_default()
            };
            let (before, after) = (count(When::Before), count(When::After));
            let shown = match impossible(state, class) {
                Some(_) if before + after == 0 => "-".to_owned(),
                _ => format!("{before} + {after}"),
            };
            let _ = write!(table, "{shown:>14}");
        }
    }
    table
}

/// Plants a bug and runs one seed after the other until it is found, by the law that it breaks.
fn finds(bug: Bug, laws: &[&str]) {
    let found = (0..SEEDS).find_map(|seed| {
        let run = run(seed, Some(bug), Scene::Trouble);
        (!run.violations.is_empty()).then_some(run)
    });
    let run = found.unwrap_or_else(|| panic!("{bug:?} was not found within {SEEDS} seeds"));
    let told = run.in_short();
    eprintln!("{told}");
    assert!(
        laws.iter().any(|law| told.contains(law)),
        "another law than {laws:?}: {told}"
    );
}

macro_rules! finds {
    ($($name:ident: $bug:ident by $($law:literal),+;)*) => {
        $(#[test]
        fn $name() {
            finds(Bug::$bug, &[$(concat!($law, ":")),+]);
        })*
    };
}

finds! {
    the_simulation_finds_a_stale_report_that_counts: StaleReport by "I9", "I10";
    the_simulation_finds_an_unknown_outcome_that_counts_as_done: UnknownIsDone by "I10";
    the_simulation_finds_a_comment_made_again_without_a_look: CommentedAgain by "I7";
    the_simulation_finds_a_close_that_loses_against_a_launch: CloseLoses by "I3", "I4";
    the_simulation_finds_a_machine_forgotten_before_it_is_gone: ForgottenFirst by "I4";
    the_simulation_finds_a_delivery_settled_before_it_is_heard: SettledFirst by "I1";
    the_simulation_finds_an_empty_listing_that_closes: EmptyListingCloses by "I4";
    the_simulation_finds_an_error_that_closes: ErrorCloses by "I4";
    the_simulation_finds_a_suspension_that_closes: SuspensionCloses by "I4";
    the_simulation_finds_what_runs_on_although_the_app_is_taken_away: TakenRunsOn by "I3", "I4";
    the_simulation_finds_a_head_that_is_not_asked_for: HeadNotAsked by "I3";
    the_simulation_finds_an_approval_of_another_commit: AnyApprovalCounts by "I13";
    the_simulation_finds_a_fork_that_is_trusted: ForkIsTrusted by "I13";
    the_simulation_finds_a_machine_that_is_not_removed: DestroyedWithoutDoing by "I2", "I4";
    the_simulation_finds_a_lost_machine_of_which_nobody_hears: LostUnreported by "I2", "I11";
    the_simulation_finds_a_place_that_is_given_to_everybody: PlaceForAll by "limit";
    the_simulation_finds_a_number_that_is_used_twice: GenerationReused by "I9";
    the_simulation_finds_a_conflict_that_is_ignored: ConflictIgnored by "I9";
    the_simulation_finds_an_input_that_is_applied_twice: AppliedTwice by "I1", "I10";
    the_simulation_finds_a_save_that_was_never_written: AcknowledgedUnwritten by "I3", "I9", "I10", "I11";
}
