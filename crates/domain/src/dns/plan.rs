//! Which request comes next.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ask, Kind, New, Record, Zone, mark::Mark, mark::is_same_host};
use crate::{ids::EnvironmentId, label::Label};

/// Which names are to be in a zone.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The identity of this Nestling.
    pub server: &'a str,
    /// Below what they are, within the zone: `preview` where that is `example.com` and they are below `preview.example.com`; empty for the zone itself.
    pub below: &'a str,
    /// The host that they lead to.
    pub target: &'a str,
    /// Those that are wanted, with the environments that they are of.
    pub wanted: &'a BTreeMap<Label, EnvironmentId>,
    /// Environments of which it is known that they want no name any more.
    pub over: &'a BTreeSet<EnvironmentId>,
}

/// Why a name does not lead to its environment, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The name, below the zone.
    pub name: String,
    /// The environment, where it is one that wants it.
    pub environment: Option<EnvironmentId>,
    /// Why.
    pub why: String,
}

/// Marks of ours at a name: their records' numbers, with what they say.
type Marks = Vec<(u64, Mark)>;

/// What comes next so that every wanted name leads here, and none of ours that is over; `None` when it is so, or is not to be for now ([`troubles`]).
pub fn next(zone: &Zone, names: &Names<'_>) -> Option<Ask> {
    if !zone.listed {
        let page = zone.pages + 1;
        return Some(Ask::List { page });
    }
    if let Some(name) = zone.doubts.first() {
        return Some(Ask::See { name: name.clone() });
    }
    let leads = names.wanted.iter().filter_map(|(label, environment)| {
        let ask = lead(zone, names, &names.name(label), environment);
        ask.ok().flatten()
    });
    let ends = names.others(zone).filter_map(|name| names.end(zone, name));
    leads.chain(ends).find(|ask| {
        let changed = ask.changes();
        changed.is_none_or(|name| !zone.refused.contains_key(name))
    })
}

/// Why names do not lead here that should, or still do that should not, as far as only a person or time changes that.
pub fn troubles(zone: &Zone, names: &Names<'_>) -> Vec<Trouble> {
    if !zone.listed {
        return Vec::new();
    }
    let refused = |ask: &Ask| {
        let changed = ask.changes()?;
        zone.refused.get(changed).map(|said| {
            let kind = if changed.starts_with('_') {
                "TXT"
            } else {
                "CNAME"
            };
            let tried = if matches!(ask, Ask::Create(_)) {
                "cannot be made"
            } else {
                "cannot be removed"
            };
            format!("its {kind} record {tried}: {said}")
        })
    };
    let wanted = names.wanted.iter().filter_map(|(label, environment)| {
        let name = names.name(label);
        let why = match lead(zone, names, &name, environment) {
            Err(theirs) => format!(
                "there is a {} record of that name ({}) that this server has not made, so it is left alone: remove it for the name to lead here",
                theirs.kind, theirs.content
            ),
            Ok(ask) => refused(&ask?)?,
        };
        let environment = Some(environment.clone());
        Some(Trouble {
            name,
            environment,
            why,
        })
    });
    let over = names.others(zone).filter_map(|name| {
        let why = refused(&names.end(zone, name)?)?;
        Some(Trouble {
            name: name.to_owned(),
            environment: None,
            why,
        })
    });
    wanted.chain(over).collect()
}

impl Names<'_> {
    fn name(&self, label: &Label) -> String {
        if self.below.is_empty() {
            label.to_string()
        } else {
            format!("{label}.{}", self.below)
        }
    }

    /// The label that a name has below the domain of environments; none where it is elsewhere.
    fn label(&self, name: &str) -> Option<Label> {
        if self.below.is_empty() {
            return Label::parse(name);
        }
        let label = name.strip_suffix(self.below)?.strip_suffix('.')?;
        Label::parse(label)
    }

    fn marks(&self, zone: &Zone, name: &str) -> Marks {
        let at = Mark::name(name);
        let read = |one: &Record| Some((one.id, Mark::read(&one.content)?));
        let all = zone.at(&at).filter(|one| one.kind == "TXT");
        let all = all.filter_map(read);
        all.filter(|(_, mark)| mark.server == self.server).collect()
    }

    /// Names with marks of ours that nobody wants.
    fn others<'z>(&self, zone: &'z Zone) -> impl Iterator<Item = &'z str> {
        let marked = zone.records.keys().filter_map(|name| Mark::marked(name));
        let names = *self;
        let is_wanted = move |name| {
            let label = names.label(name);
            label.is_some_and(|label| names.wanted.contains_key(&label))
        };
        marked.filter(move |name| !is_wanted(name))
    }

    /// The environments that unwanted names of ours are of: whether they are over is for the records to say.
    pub fn doubtful(&self, zone: &Zone) -> BTreeSet<EnvironmentId> {
        let of = |name| self.marks(zone, name).into_iter();
        let marks = self.others(zone).flat_map(of);
        marks.map(|(_, mark)| mark.environment).collect()
    }

    /// What comes next so that an unwanted name of ours is gone.
    fn end(&self, zone: &Zone, name: &str) -> Option<Ask> {
        let marks = self.marks(zone, name);
        let is_over = |(_, mark): &(u64, Mark)| self.over.contains(&mark.environment);
        // One of another domain than that of now is nobody's any more, whoever lives.
        let is_moved = self.label(name).is_none();
        if marks.is_empty() || !(is_moved || marks.iter().all(is_over)) {
            return None;
        }
        if let Some(ours) = zone.at(name).find(|one| is_ours(one, &marks)) {
            return Some(delete(ours.id, name));
        }
        // A listing may lack what the mark is of, and nothing would say then whose that is.
        if !zone.seen.contains(name) {
            let name = name.to_owned();
            return Some(Ask::See { name });
        }
        let (id, _) = marks.first()?;
        Some(delete(*id, &Mark::name(name)))
    }
}

/// What comes next so that a name leads here; the record of somebody else that stands in the way is an error.
fn lead(
    zone: &Zone,
    names: &Names<'_>,
    name: &str,
    environment: &EnvironmentId,
) -> Result<Option<Ask>, Record> {
    let marks = names.marks(zone, name);
    let right = Mark {
        server: names.server.to_owned(),
        environment: environment.clone(),
        target: names.target.to_owned(),
    };
    let marking = Mark::name(name);
    if let Some(theirs) = zone.at(name).find(|one| !is_ours(one, &marks)) {
        // A listing may lack the mark: it is looked for by itself before somebody is told.
        if !zone.seen.contains(&marking) {
            return Ok(Some(Ask::See { name: marking }));
        }
        return Err(theirs.clone());
    }
    let mut rights = marks.iter().filter(|(_, mark)| *mark == right);
    let Some((first, _)) = rights.next() else {
        return Ok(Some(Ask::Create(New {
            name: marking,
            kind: Kind::Txt,
            content: right.to_string(),
        })));
    };
    let leads = |one: &&Record| is_same_host(&one.content, names.target);
    if let Some(elsewhere) = zone.at(name).find(|one| !leads(one)) {
        return Ok(Some(delete(elsewhere.id, name)));
    }
    if zone.at(name).next().is_none() {
        return Ok(Some(Ask::Create(New {
            name: name.to_owned(),
            kind: Kind::Cname,
            content: names.target.to_owned(),
        })));
    }
    // Of another environment or host, or a second one: an answer was lost.
    let mut others = marks.iter().filter(|(id, _)| id != first);
    Ok(others.next().map(|(id, _)| delete(*id, &marking)))
}

fn is_ours(record: &Record, marks: &Marks) -> bool {
    record.kind == "CNAME" && marks.iter().any(|(_, mark)| mark.leads(&record.content))
}

fn delete(id: u64, name: &str) -> Ask {
    let name = name.to_owned();
    Ask::Delete { id, name }
}
