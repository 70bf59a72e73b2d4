//! What whoever keeps names of environments says.

use nestling_domain::ids::{EnvironmentId, Timestamp};

use super::said::Said;

/// Names that do not lead to their environments, or still do to what is closed.
pub type Unnamed = Said<Vec<NotLed>>;

/// That a name does not lead where it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLed {
    /// The whole name, or what all names are in.
    pub about: String,
    /// Whose, where one that lives wants it.
    pub environment: Option<EnvironmentId>,
    /// Why, and what to do.
    pub reason: String,
    /// Since when that is known.
    pub since: Timestamp,
}
