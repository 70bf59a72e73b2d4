//! Where the server ends: at every boundary between what is saved and what is done, in every state.

use std::{collections::BTreeMap, fmt};

use super::dice::Dice;

/// Where an environment stands, as the store has it.
pub(super) const STATES: [&str; 5] = ["none", "creating", "running", "restarting", "stopped"];
/// What a webhook tells: what was done to a pull request, else the event's own name.
pub(super) const EVENTS: [&str; 16] = [
    "opened",
    "reopened",
    "synchronize",
    "closed",
    "edited",
    "converted_to_draft",
    "ready_for_review",
    "labeled",
    "unlabeled",
    "push",
    "delete",
    "repository",
    "installation",
    "installation_repositories",
    "issue_comment",
    "check_run",
];
/// What else a save says. A hint is what a listing found, and that an app was added.
pub(super) const SAVES: [&str; 11] = [
    "hint", "report", "tick", "lost", "found", "admitted", "launched", "probed", "drained",
    "absent", "shown",
];
/// What is done outside.
pub(super) const EFFECTS: [&str; 7] = [
    "look", "launch", "destroy", "probe", "drain", "announce", "write",
];
/// How often the server may end in one run.
const MOST: u32 = 4;
/// How often of a thousand boundaries it ends although nobody aims at it.
const BY_CHANCE: u64 = 3;

/// On which side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// It is not done.
    Before,
    /// It is done, and nobody has heard of it.
    After,
}

/// A boundary at which the server may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    pub(super) when: When,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            When::Before => "before",
            When::After => "after",
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = self.when;
        let what = if EFFECTS.contains(&self.class) {
            "the effect"
        } else {
            "the save of"
        };
        write!(f, "{when} {what} `{}` while {}", self.class, self.state)
    }
}

/// Every kind of save and effect.
pub(super) fn rows() -> impl Iterator<Item = &'static &'static str> {
    EVENTS.iter().chain(&SAVES).chain(&EFFECTS)
}

/// Every boundary that can be reached.
pub(super) fn cells() -> Vec<Cell> {
    let classes = rows();
    let pairs = classes.flat_map(|class| STATES.map(|state| (state, *class)));
    let reached = pairs.filter(|(state, class)| impossible(state, class).is_none());
    let both = reached.flat_map(|(state, class)| {
        [When::Before, When::After].map(|when| Cell { state, class, when })
    });
    both.collect()
}

/// Why a boundary cannot be reached.
pub(super) fn impossible(state: &str, class: &str) -> Option<&'static str> {
    Some(match (state, class) {
        ("none", "hint" | "opened" | "synchronize") => return None,
        ("none", _) => "only what is new of a pull request, or was listed, records an environment",
        ("stopped", "report" | "lost" | "tick") => {
            "nothing is on its way: reports, losses and deadlines change nothing"
        }
        ("stopped", "admitted" | "launched" | "launch" | "probed" | "probe") => {
            "nothing is on its way"
        }
        ("stopped", "drained" | "drain") => "a stop ends requests at once",
        ("creating", "drained" | "drain") => "nothing has served that could have requests",
        ("running", "admitted" | "launched" | "launch") => "nothing is on its way",
        ("running", "tick") => "an app that is started again listens in time here",
        _ => return None,
    })
}

/// In place of how often an aim is still passed by: the server has ended there.
const PASSED: u64 = u64::MAX;
/// What takes several things to meet, such as a push while requests to what served before still last, or a webhook that comes after
/// a listing has told of the same. The rarest of them several times.
const RAREST: [(&str, &str); 34] = [
    ("restarting", "drain"),
    ("restarting", "drained"),
    ("running", "drain"),
    ("restarting", "drain"),
    ("restarting", "drained"),
    ("stopped", "hint"),
    ("restarting", "probe"),
    ("restarting", "tick"),
    ("restarting", "drained"),
    ("restarting", "tick"),
    ("creating", "tick"),
    ("creating", "tick"),
    ("running", "hint"),
    ("running", "hint"),
    ("creating", "hint"),
    ("restarting", "tick"),
    ("restarting", "hint"),
    ("stopped", "hint"),
    ("restarting", "probed"),
    ("restarting", "lost"),
    ("running", "opened"),
    ("running", "opened"),
    ("running", "opened"),
    ("restarting", "opened"),
    ("restarting", "opened"),
    ("restarting", "opened"),
    ("running", "reopened"),
    ("restarting", "delete"),
    ("creating", "check_run"),
    ("none", "announce"),
    ("none", "announce"),
    ("none", "announce"),
    ("none", "write"),
    ("restarting", "admitted"),
];

/// How often an aim is passed by before the server ends there: mostly it ends at once, because some boundaries are rare.
const PASSES: [u64; 8] = [0, 0, 1, 0, 3, 0, 8, 0];

/// What happens more often in a run, so that it comes to a boundary which few others come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lean {
    /// Runners never say anything.
    Hangs,
    /// Apps end, and are started again.
    Again,
    /// Machines end.
    Ends,
    /// People push again before all is done that the last push brought, and requests last.
    Pushes,
    /// People do what such a webhook tells, and push besides.
    Tells(&'static str),
}

/// What must happen more often for a boundary to be reached; `None` for one that many runs come to.
pub(super) fn needs(cell: &Cell) -> Option<Lean> {
    Some(match (cell.state, cell.class) {
        (_, "tick") => Lean::Hangs,
        ("running", "report" | "probe" | "probed") => Lean::Again,
        (_, "lost") => Lean::Ends,
        (_, class) if EVENTS.contains(&class) => Lean::Tells(cell.class),
        (_, "drain" | "drained") => Lean::Pushes,
        ("restarting", "hint" | "look" | "found" | "absent" | "destroy") => Lean::Pushes,
        ("running", "absent" | "destroy") => Lean::Pushes,
        _ => return None,
    })
}

/// Where this run's server ends.
pub(super) struct Crashes {
    /// With how often each is still passed by.
    aims: Vec<(Cell, u64)>,
    /// What happens more often than elsewhere.
    pub(super) lean: Option<Lean>,
    dice: Dice,
    ended: u32,
    pub(super) hits: BTreeMap<Cell, u32>,
    /// Whether boundaries are counted.
    counts: bool,
    /// At which of those that are counted the server ends.
    at: Option<usize>,
    /// Those that were counted, by name.
    pub(super) passed: Vec<String>,
}

impl Crashes {
    /// Each seed aims at two boundaries, one of which is rare. What that needs happens more often in every second round of them,
    /// and a webhook in every one.
    /// Every fourth round aims at one of the rarest besides.
    pub(super) fn new(seed: u64) -> Self {
        let cells = cells();
        let count = cells.len() as u64;
        let rare = cells.iter().filter(|cell| needs(cell).is_some());
        let rare: Vec<Cell> = rare.copied().collect();
        let all = cells.iter().copied();
        let of = |named| {
            all.clone()
                .filter(move |cell| (cell.state, cell.class) == named)
        };
        let rarest: Vec<Cell> = RAREST.into_iter().flat_map(of).collect();
        let round_of_rare = seed / rare.len() as u64;
        let at = |of: &[Cell]| of[usize::try_from(seed).unwrap_or_default() % of.len()];
        let round = usize::try_from(seed / count).unwrap_or_default();
        let passes = PASSES[round % PASSES.len()];
        // Where the server ended before something, that is done again: so it is met once more, after it.
        let both = |cell: Cell| [When::Before, When::After].map(|when| (Cell { when, ..cell }, 0));
        let mut aims = vec![(at(&cells), passes)];
        aims.extend(both(at(&rare)));
        let needed = needs(&at(&rare));
        let mut lean =
            needed.filter(|lean| round_of_rare.is_multiple_of(2) || matches!(lean, Lean::Tells(_)));
        if round_of_rare % 4 == 3 {
            aims.extend(both(at(&rarest)));
            lean = needs(&at(&rarest));
        }
        Crashes {
            aims,
            lean,
            dice: Dice::new(seed, 3),
            ended: 0,
            hits: BTreeMap::new(),
            counts: false,
            at: None,
            passed: Vec::new(),
        }
    }

    /// From now on boundaries are counted, and the server ends at the one with this number, if any.
    pub(super) fn count(&mut self, at: Option<usize>) {
        (self.counts, self.at) = (true, at);
    }

    /// Whether the server ends at this boundary, where they are counted. It ends once.
    pub(super) fn is_counted_out(&mut self, name: impl FnOnce() -> String) -> bool {
        if !self.counts {
            return false;
        }
        let strikes = self.at == Some(self.passed.len());
        self.passed.push(name());
        self.counts = !strikes;
        strikes
    }

    /// Which webhook is to find an environment in this state, where this run leans to that and has not come to it yet.
    pub(super) fn wants(&self, state: &str) -> Option<&'static str> {
        let Some(Lean::Tells(event)) = self.lean else {
            return None;
        };
        let open = |(aim, passes): &(Cell, u64)| {
            aim.state == state && aim.class == event && *passes != PASSED
        };
        self.aims.iter().any(open).then_some(event)
    }

    /// Whether the server ends here.
    pub(super) fn strikes(&mut self, cell: Cell) -> bool {
        if self.ended >= MOST {
            return false;
        }
        let mut strikes = self.dice.happens(BY_CHANCE);
        for (_, passes) in self.aims.iter_mut().filter(|(aim, _)| *aim == cell) {
            strikes |= *passes == 0;
            *passes = passes.checked_sub(1).unwrap_or(PASSED);
        }
        if strikes {
            self.ended += 1;
            *self.hits.entry(cell).or_default() += 1;
        }
        strikes
    }
}
