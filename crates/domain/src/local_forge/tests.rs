mod production;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY: u64 = 24 * 60 * 60 * 1000;

fn info(head: u8) -> CommitInfo {
    CommitInfo {
        id: Commit::parse(&format!("{head:02x}").repeat(20)).unwrap(),
        message: format!("change {head}"),
        author: "Ada".to_owned(),
        trust: crate::deployment::Trust::Member,
    }
}

/// A branch with this head, committed so many days ago, ahead of the default branch.
fn branch(name: &str, head: u8, days: u64) -> Branch {
    Branch {
        name: name.to_owned(),
        head: info(head),
        committed_at: Timestamp(NOW.0 - days * DAY),
        ahead: true,
    }
}

fn main_branch() -> Branch {
    Branch {
        ahead: false,
        ..branch("main", 1, 0)
    }
}

/// A repository whose listings are taken in one after the other, as the shell does it.
#[derive(Default)]
struct World {
    known: Known,
    /// The rows as they were written down: only what a listing changed.
    written: BTreeMap<u32, PullRequest>,
    at: u64,
}

impl World {
    /// Takes in a listing of `main` and these, so many milliseconds after the last; answers what is told.
    fn sees(&mut self, after: u64, branches: &[Branch]) -> Vec<String> {
        let mut all = vec![main_branch()];
        all.extend_from_slice(branches);
        self.sees_exactly(after, all)
    }

    fn sees_exactly(&mut self, after: u64, branches: Vec<Branch>) -> Vec<String> {
        self.at += after;
        let listing = Listing {
            at: self.now(),
            branches,
        };
        for branch in unnumbered(&self.known, "main", &listing) {
            self.known.pull_requests.push(PullRequest {
                repository: RepositoryId(1),
                number: u32::try_from(self.known.pull_requests.len()).unwrap() + 1,
                branch,
                title: String::new(),
                status: PullRequestStatus::Open,
                head: None,
                labels: Vec::new(),
                base: None,
                draft: false,
                orders: crate::orders::Orders::default(),
            });
        }
        let noticed = notice(&self.known, "main", &listing);
        let before: Vec<PullRequest> = self.known.pull_requests.clone();
        self.known = noticed.known;
        for row in noticed.changed {
            assert!(!before.contains(&row), "{row:?} is as it was");
            self.written.insert(row.number, row);
        }
        let rows = self.known.pull_requests.iter();
        for row in rows.filter(|row| !before.contains(row)) {
            assert_eq!(self.written.get(&row.number), Some(row));
        }
        noticed.facts.iter().map(words).collect()
    }

    fn now(&self) -> Timestamp {
        Timestamp(NOW.0 + self.at)
    }

    fn status(&self, branch: &str) -> PullRequestStatus {
        let row = self.known.pull_requests.iter().find(|p| p.branch == branch);
        row.unwrap().status
    }

    fn open(&self) -> usize {
        let rows = self.known.pull_requests.iter();
        rows.filter(|p| p.status == PullRequestStatus::Open).count()
    }
}

fn words(fact: &Fact) -> String {
    match fact {
        Fact::Production { commit, .. } => format!("production {}", commit.short()),
        Fact::PullRequest {
            number,
            commit,
            trigger,
            ..
        } => {
            let commit = commit.as_ref().map_or("-", Commit::short);
            format!("pr-{number} {trigger:?} {commit}")
        }
        Fact::Preview { app, number, .. } => format!("preview of pr-{number} of {app}"),
        Fact::Returned { app, .. } => format!("returned {app}"),
        Fact::Missing { .. } | Fact::Webhook { .. } | Fact::Unreadable { .. } => {
            "of GitHub".to_owned()
        }
    }
}

#[test]
fn a_branch_is_opened_pushed_to_closed_and_reopened_under_one_number() {
    let mut world = World::default();
    assert_eq!(world.sees(0, &[]), ["production 0101010"]);
    assert_eq!(world.sees(500, &[branch("a", 2, 0)]), ["pr-1 Push 0202020"]);
    assert_eq!(world.sees(500, &[branch("a", 3, 0)]), ["pr-1 Push 0303030"]);
    assert_eq!(world.sees(500, &[]), [""; 0], "one listing proves nothing");
    assert_eq!(world.sees(500, &[]), [""; 0], "nor do two within a second");
    assert_eq!(world.sees(500, &[]), ["pr-1 Close -"]);
    assert_eq!(world.sees(500, &[]), [""; 0]);
    assert_eq!(world.sees(500, &[branch("b", 9, 0)]), ["pr-2 Push 0909090"]);
    let both = [branch("a", 3, 0), branch("b", 9, 0)];
    assert_eq!(world.sees(500, &both), ["pr-1 Reopen 0303030"]);
}

#[test]
fn a_branch_that_blinks_stays_open() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0)]);
    world.sees(500, &[]);
    assert_eq!(world.sees(500, &[branch("a", 2, 0)]), [""; 0]);
    assert_eq!(world.sees(500, &[]), [""; 0], "the second starts anew");
    assert_eq!(world.status("a"), PullRequestStatus::Open);
}

#[test]
fn a_merged_branch_closes_and_opens_again_with_its_next_commit() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0)]);
    let merged = Branch {
        ahead: false,
        ..branch("a", 2, 0)
    };
    assert_eq!(world.sees(500, &[merged]), ["pr-1 Close -"]);
    assert_eq!(
        world.sees(500, &[branch("a", 4, 0)]),
        ["pr-1 Reopen 0404040"]
    );
}

#[test]
fn age_limits_what_is_opened_and_not_what_is_open() {
    let mut world = World::default();
    assert_eq!(
        world.sees(0, &[branch("old", 2, 15), branch("young", 3, 14)]),
        ["production 0101010", "pr-1 Push 0303030"]
    );
    let later = 30 * DAY;
    assert_eq!(
        world.sees(later, &[branch("old", 2, 15), branch("young", 3, 14)]),
        [""; 0]
    );
    assert_eq!(world.status("young"), PullRequestStatus::Open);
}

#[test]
fn ten_are_opened_newest_first_and_the_rest_wait_for_a_place_or_a_person() {
    let mut world = World::default();
    let mut branches: Vec<Branch> = (1..=12u8)
        .map(|n| branch(&format!("b{n:02}"), n, u64::from(n)))
        .collect();
    world.sees(0, &branches);
    assert_eq!(world.open(), 10);
    assert_eq!(world.status("b11"), PullRequestStatus::Waiting);
    assert_eq!(world.status("b12"), PullRequestStatus::Waiting);

    // A commit to a waiting one does not push an open one out, and nobody is told.
    branches[11] = branch("b12", 99, 0);
    assert_eq!(world.sees(500, &branches), [""; 0]);

    // A person starts the oldest; it stays open, although that makes eleven.
    let row = world
        .known
        .pull_requests
        .iter_mut()
        .find(|p| p.branch == "b11");
    let row = row.unwrap();
    let (opened, fact) = start(row).unwrap().unwrap();
    *row = opened;
    assert_eq!(words(&fact), "pr-2 Reopen 0b0b0b0");
    assert_eq!(world.sees(500, &branches), [""; 0]);
    assert_eq!(world.open(), 11);

    // One place must become free twice before the next is opened.
    branches.remove(0);
    world.sees(500, &branches);
    assert_eq!(world.sees(1000, &branches).len(), 1);
    assert_eq!(world.open(), 10);
    branches.remove(0);
    world.sees(500, &branches);
    assert_eq!(
        world.sees(1000, &branches),
        ["pr-11 Close -", "pr-1 Reopen 6363636"]
    );
}

#[test]
fn who_waits_is_told_how_many_are_open_and_what_to_do() {
    assert_eq!(
        why_waiting(),
        "10 pull requests of this repository are open, which is the limit: start this one by hand, or delete or merge the branch of another"
    );
}

#[test]
fn a_closed_one_cannot_be_started_and_an_open_one_is_left_alone() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0)]);
    assert_eq!(start(&world.known.pull_requests[0]).unwrap(), None);
    world.sees(0, &[]);
    world.sees(1000, &[]);
    insta::assert_snapshot!(
        start(&world.known.pull_requests[0]).unwrap_err(),
        @"pull request 1 is closed: branch `a` is gone, is merged, is production now, or is older than 14 days; commit to it to open it again"
    );
}

#[test]
fn an_empty_listing_changes_nothing_however_long() {
    let mut world = World::default();
    world.sees(0, &[branch("a", 2, 0)]);
    let before = world.known.clone();
    for _ in 0..3 {
        assert_eq!(world.sees_exactly(60_000, vec![]), [""; 0]);
    }
    assert_eq!(world.known, before);
}

#[test]
fn a_delivery_is_known_by_its_news_and_by_what_came_before() {
    let fact = |trigger| Fact::PullRequest {
        number: 3,
        branch: "a".to_owned(),
        title: String::new(),
        commit: Some(info(2).id),
        trigger,
    };
    let id = |before: &str, trigger| delivery_id(RepositoryId(1), before, &fact(trigger));
    let first = id("", Trigger::Reopen);
    assert_eq!(first, id("", Trigger::Reopen));
    assert_ne!(first, id(&first, Trigger::Reopen));
    assert_ne!(first, id("", Trigger::Push));
    assert_ne!(
        first,
        delivery_id(RepositoryId(2), "", &fact(Trigger::Reopen))
    );
    assert!(same_news(&fact(Trigger::Push), &fact(Trigger::Push)));
    assert!(!same_news(&fact(Trigger::Push), &fact(Trigger::Refresh)));
}

fn some_branches() -> impl Strategy<Value = Vec<Branch>> {
    let one = (0..16u8, 2..40u8, 0..20u64, prop::bool::weighted(0.8));
    prop::collection::vec(one, 0..24).prop_map(|raw| {
        let named = raw.into_iter().map(|(name, head, days, ahead)| {
            let name = format!("b{name}");
            let found = Branch {
                ahead,
                ..branch(&name, head, days)
            };
            (name, found)
        });
        // Names are unique in a listing.
        named.collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn numbers_are_stable_places_are_bounded_and_a_repeat_is_silent(
        days in prop::collection::vec((some_branches(), 0..3000u64, any::<prop::sample::Index>()), 1..8)
    ) {
        let mut world = World::default();
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        for (branches, after, turn) in days {
            let mut turned = World { known: world.known.clone(), written: world.written.clone(), at: world.at };
            let told = world.sees(after, &branches);
            prop_assert!(world.open() <= MOST_OPEN);

            // A repeat of the same listing is silent and changes nothing.
            let after_once = world.known.clone();
            prop_assert_eq!(world.sees(0, &branches), Vec::<String>::new());
            prop_assert_eq!(&world.known, &after_once);

            // The order in which git names branches is irrelevant.
            let mut other = branches.clone();
            if !other.is_empty() {
                let middle = turn.index(other.len());
                other.rotate_left(middle);
            }
            prop_assert_eq!(turned.sees(after, &other), told);
            prop_assert_eq!(&turned.known, &world.known);

            // Numbers never change and never repeat.
            let mut taken = BTreeSet::new();
            for row in &world.known.pull_requests {
                prop_assert!(taken.insert(row.number));
                prop_assert_eq!(*numbers.entry(row.branch.clone()).or_insert(row.number), row.number);
            }
        }
    }

    /// What environments were told adds up to what the record says.
    #[test]
    fn what_is_told_adds_up_to_what_is_known(
        days in prop::collection::vec((some_branches(), 0..3000u64), 1..8)
    ) {
        let mut world = World::default();
        let mut heads: BTreeMap<u32, Option<String>> = BTreeMap::new();
        for (branches, after) in days {
            for fact in world.sees(after, &branches) {
                if let Some(rest) = fact.strip_prefix("pr-") {
                    let words: Vec<&str> = rest.split(' ').collect();
                    let head = (words[1] != "Close").then(|| words[2].to_owned());
                    heads.insert(words[0].parse().unwrap(), head);
                }
            }
            for row in &world.known.pull_requests {
                let open = row.status == PullRequestStatus::Open;
                let expected = row.head.as_ref().filter(|_| open).map(|head| head.id.short().to_owned());
                prop_assert_eq!(heads.get(&row.number).cloned().flatten(), expected);
            }
        }
    }
}
