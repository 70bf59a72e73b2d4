//! Which records of a DNS zone lead to environments, and which one request comes next so that it is so.
//!
//! Where no wildcard record leads to the server, each environment has a name of its own: a CNAME that leads to the server. Records of a zone have no room for whose
//! they are, so a TXT record beside it, its [`Mark`], says that: it is made before the CNAME and goes after it, and what no mark of ours names is never touched.
//!
//! Everything here is decided, nothing is done. Of the zone we hold a [`Zone`], built from answers alone; [`next`] says which request comes next, and [`Zone::learn`]
//! takes in what came of it. Whoever starts anew with an empty one arrives at the same world.

mod mark;
mod plan;
mod zone;

pub use mark::{LONGEST_TARGET, Mark};
pub use plan::{Names, Trouble, next, troubles};
pub use zone::{Came, Zone};

/// A record of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// By which number the zone knows it.
    pub id: u64,
    /// Its name below the zone; empty for the zone's own.
    pub name: String,
    /// `CNAME`, `TXT`, `A` and so on.
    pub kind: String,
    /// What it says: of a CNAME the host that it leads to.
    pub content: String,
}

/// A record that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Its name below the zone.
    pub name: String,
    /// Which kind.
    pub kind: Kind,
    /// What it says.
    pub content: String,
}

/// The kinds of records that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Says whose a name is.
    Txt,
    /// Leads to a host.
    Cname,
}

impl Kind {
    /// As records name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Txt => "TXT",
            Kind::Cname => "CNAME",
        }
    }
}

/// One request about a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Which records does it have? A page of them, counted from 1.
    List {
        /// Which page.
        page: u32,
    },
    /// Which records does it have at exactly this name?
    See {
        /// The name, below the zone.
        name: String,
    },
    /// Make a record.
    Create(New),
    /// Remove a record.
    Delete {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
    },
}

impl Ask {
    /// The name that it changes; none where it only looks.
    pub fn changes(&self) -> Option<&str> {
        match self {
            Ask::List { .. } | Ask::See { .. } => None,
            Ask::Create(new) => Some(&new.name),
            Ask::Delete { name, .. } => Some(name),
        }
    }
}
