//! Laws of names: whatever a zone answers or keeps to itself, those that are wanted lead here in the end, and nothing of others was touched.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use nestling_domain::{
    dns::{Ask, Came, Mark, Names, New, Record, Zone, next, troubles},
    ids::EnvironmentId,
    label::Label,
};
use proptest::prelude::*;

const SERVER: &str = "this-server";
const TARGET: &str = "nestling.example.com";
/// Records on a page.
const PAGE: usize = 3;
/// Nothing that ends takes more requests.
const ENOUGH: usize = 400;

/// A zone as it is, with what others have in it.
#[derive(Debug, Default)]
struct Truth {
    records: BTreeMap<u64, Record>,
    last: u64,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Nothing happens, and nobody knows.
    Lost,
    /// It happens, and nobody knows.
    AnswerLost,
    NotBegun,
    /// It is answered, and a listing lacks its first record.
    Lacks,
}

impl Truth {
    fn add(&mut self, name: &str, kind: &str, content: &str) -> Option<Record> {
        let mut at = self.records.values().filter(|one| one.name == name);
        let is_taken = at.any(|one| kind == "CNAME" || one.kind == "CNAME");
        if is_taken {
            return None;
        }
        self.last += 1;
        let record = Record {
            id: self.last,
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: content.to_owned(),
        };
        self.records.insert(self.last, record.clone());
        Some(record)
    }

    fn does(&mut self, ask: &Ask) -> Came {
        match ask {
            Ask::List { page } => {
                let before = (*page as usize - 1) * PAGE;
                let rest = self.records.values().skip(before);
                let of_page = rest.clone().take(PAGE).cloned().collect();
                Came::Page(of_page, rest.count() <= PAGE)
            }
            Ask::See { name } => {
                let at = self.records.values().filter(|one| one.name == *name);
                Came::Records(at.cloned().collect())
            }
            Ask::Create(New {
                name,
                kind,
                content,
            }) => self
                .add(name, kind.name(), content)
                .map_or(Came::Refused("there is one".to_owned()), Came::Made),
            Ask::Delete { id, .. } => {
                self.records.remove(id);
                Came::Gone
            }
        }
    }

    fn meets(&mut self, ask: &Ask, fate: Fate) -> Came {
        match fate {
            Fate::Answered => self.does(ask),
            Fate::Lost => Came::Unknown,
            Fate::AnswerLost => {
                self.does(ask);
                Came::Unknown
            }
            Fate::NotBegun => Came::Nothing,
            Fate::Lacks => match self.does(ask) {
                Came::Page(records, is_last) => {
                    Came::Page(records.into_iter().skip(1).collect(), is_last)
                }
                other => other,
            },
        }
    }

    /// What leads to our host, and what marks names.
    fn of_kind(&self, kind: &str) -> Vec<(&str, &str)> {
        let all = self.records.values().filter(|one| one.kind == kind);
        let mut all: Vec<_> = all
            .map(|one| (one.name.as_str(), one.content.as_str()))
            .collect();
        all.sort_unstable();
        all
    }
}

fn label(number: u8) -> Label {
    Label::parse(&format!("pr-{number}--shop")).unwrap()
}

fn environment(number: u8) -> EnvironmentId {
    EnvironmentId(format!("shop-pr-{number}"))
}

/// A server with what it knows of the zone, which it forgets when it ends.
struct Town {
    truth: Truth,
    zone: Zone,
    wanted: BTreeMap<Label, EnvironmentId>,
    over: BTreeSet<EnvironmentId>,
    target: String,
}

impl Town {
    fn new() -> Self {
        Town {
            truth: Truth::default(),
            zone: Zone::default(),
            wanted: BTreeMap::new(),
            over: BTreeSet::new(),
            target: TARGET.to_owned(),
        }
    }

    fn names(&self) -> Names<'_> {
        Names {
            server: SERVER,
            below: "preview",
            target: &self.target,
            wanted: &self.wanted,
            over: &self.over,
        }
    }

    fn opens(&mut self, number: u8) {
        self.wanted.insert(label(number), environment(number));
        self.over.remove(&environment(number));
    }

    fn closes(&mut self, number: u8) {
        self.wanted.remove(&label(number));
        self.over.insert(environment(number));
    }

    /// One request, if any comes next.
    fn asks(&mut self, fate: Fate) -> bool {
        let Some(ask) = next(&self.zone, &self.names()) else {
            return false;
        };
        let came = self.truth.meets(&ask, fate);
        self.zone.learn(&ask, came);
        true
    }

    /// Everything is answered from now on; looked at again until nothing comes of it, as the server does every few minutes.
    fn rests(&mut self) {
        for _ in 0..3 {
            self.zone.look_again();
            let asked = (0..ENOUGH).take_while(|_| self.asks(Fate::Answered));
            assert!(asked.count() < ENOUGH, "it comes to an end");
        }
    }
}

fn name(number: u8) -> String {
    format!("pr-{number}--shop.preview")
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        2 => Just(Fate::AnswerLost),
        1 => Just(Fate::NotBegun),
        1 => Just(Fate::Lacks),
    ]
}

/// What happens in a town.
#[derive(Debug, Clone)]
enum Deed {
    Opens(u8),
    Closes(u8),
    Asks(Vec<Fate>),
    /// The server ends and begins anew.
    Ends,
    LooksAgain,
    /// Somebody else makes a record: at a name of an environment, or elsewhere.
    Theirs(u8, &'static str, &'static str),
    /// The server is to be reached at another host.
    Moves(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..4u8).prop_map(Deed::Opens),
        3 => (0..4u8).prop_map(Deed::Closes),
        6 => prop::collection::vec(fate(), 1..12).prop_map(Deed::Asks),
        1 => Just(Deed::Ends),
        1 => Just(Deed::LooksAgain),
        1 => (0..5u8, prop_oneof![Just(("A", "10.0.0.1")), Just(("CNAME", "elsewhere.example.net")), Just(("TXT", "v=spf1 -all"))])
            .prop_map(|(number, (kind, content))| Deed::Theirs(number, kind, content)),
        // One that nobody marks. Where a name is marked, a record that is just as it was to be made is taken for the one whose answer was lost.
        1 => Just(Deed::Theirs(4, "CNAME", TARGET)),
        1 => any::<bool>().prop_map(Deed::Moves),
    ]
}

proptest! {
    #[test]
    fn names_lead_to_what_lives_in_the_end_and_nothing_of_others_is_touched(deeds in prop::collection::vec(deed(), 1..30)) {
        let mut town = Town::new();
        let mut theirs: Vec<Record> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Opens(number) => town.opens(number),
                Deed::Closes(number) => town.closes(number),
                Deed::Asks(fates) => {
                    for fate in fates {
                        town.asks(fate);
                    }
                }
                Deed::Ends => town.zone = Zone::default(),
                Deed::LooksAgain => town.zone.look_again(),
                Deed::Theirs(number, kind, content) => theirs.extend(town.truth.add(&name(number), kind, content)),
                Deed::Moves(back) => {
                    town.target = if back { TARGET } else { "other.example.com" }.to_owned();
                }
            }
            for one in &theirs {
                prop_assert_eq!(town.truth.records.get(&one.id), Some(one), "nothing of others is touched");
            }
        }
        town.rests();
        let stood_in = |number: u8| theirs.iter().any(|one| one.name == name(number));
        let lives = |number: &u8| town.wanted.contains_key(&label(*number));
        let free: Vec<u8> = (0..4).filter(lives).filter(|number| !stood_in(*number)).collect();
        let ours: Vec<_> = town.truth.of_kind("CNAME").into_iter().filter(|(name, _)| !theirs.iter().any(|one| one.name == **name)).collect();
        let led: Vec<String> = free.iter().map(|number| name(*number)).collect();
        let expected: Vec<_> = led.iter().map(|name| (name.as_str(), town.target.as_str())).collect();
        prop_assert_eq!(ours, expected);
        let marks: Vec<_> = town.truth.of_kind("TXT").into_iter().filter_map(|(name, content)| Some((name, Mark::read(content)?))).collect();
        for (at, mark) in &marks {
            prop_assert!(town.wanted.values().any(|one| *one == mark.environment), "{at} is of what lives: {mark}");
        }
        let of_free = marks.iter().filter(|(_, mark)| free.iter().any(|number| environment(*number) == mark.environment));
        prop_assert_eq!(of_free.count(), free.len(), "each name has one mark");
        // Whoever wants a name that somebody else has is told.
        let told: BTreeSet<String> = troubles(&town.zone, &town.names()).into_iter().map(|one| one.name).collect();
        let taken: BTreeSet<String> = (0..4).filter(lives).filter(|number| stood_in(*number)).map(name).collect();
        prop_assert_eq!(told, taken);
    }
}

#[test]
fn a_name_is_marked_before_it_leads_and_led_nowhere_before_its_mark_goes() {
    let mut town = Town::new();
    town.rests();
    town.opens(1);
    assert!(town.asks(Fate::Answered));
    let mark = format!("nestling={SERVER} environment=shop-pr-1 target={TARGET}");
    let marked = ("_nestling.pr-1--shop.preview", mark.as_str());
    assert_eq!(town.truth.of_kind("TXT"), [marked]);
    assert_eq!(town.truth.of_kind("CNAME"), []);
    assert!(town.asks(Fate::Answered));
    assert_eq!(
        town.truth.of_kind("CNAME"),
        [("pr-1--shop.preview", TARGET)]
    );
    assert!(!town.asks(Fate::Answered), "that is all");

    // Nobody wants it, but no record says that it is over: a table may not be complete yet.
    town.wanted.clear();
    assert!(!town.asks(Fate::Answered));
    assert_eq!(
        town.names().doubtful(&town.zone),
        BTreeSet::from([environment(1)])
    );
    town.closes(1);
    assert!(town.asks(Fate::Answered));
    assert_eq!(town.truth.of_kind("CNAME"), []);
    assert_eq!(town.truth.of_kind("TXT"), [marked]);
    assert!(town.asks(Fate::Answered), "whether it is gone");
    assert!(town.asks(Fate::Answered));
    assert_eq!(town.truth.records.len(), 0);
}

#[test]
fn what_is_refused_is_told_and_tried_again_after_the_next_look_at_everything() {
    let mut town = Town::new();
    town.rests();
    town.opens(1);
    let ask = next(&town.zone, &town.names()).unwrap();
    town.zone
        .learn(&ask, Came::Refused("the plan has no room".to_owned()));
    assert!(
        town.asks(Fate::Answered),
        "whether it is there all the same"
    );
    assert!(!town.asks(Fate::Answered), "nothing is asked twice in vain");
    let told = troubles(&town.zone, &town.names());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].environment, Some(environment(1)));
    assert_eq!(
        told[0].why,
        "its TXT record cannot be made: the plan has no room"
    );
    town.rests();
    assert_eq!(
        town.truth.of_kind("CNAME"),
        [("pr-1--shop.preview", TARGET)]
    );
    assert_eq!(troubles(&town.zone, &town.names()), []);
}
