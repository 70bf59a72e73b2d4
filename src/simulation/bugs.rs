//! Bugs that are planted at the seams, each of which must be found.

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A late report of an old deployment counts for the one on its way: no fence by generation.
    StaleReport,
    /// A machine that could not be made counts as made.
    UnknownIsDone,
    /// A comment whose creation was not answered is made again without a look.
    CommentedAgain,
    /// A pull request that is closed while a deployment is on its way counts as open.
    CloseLoses,
    /// A stopped environment forgets its machines before they are gone.
    ForgottenFirst,
    /// A delivery is settled before its environments have saved.
    SettledFirst,
    /// An empty listing closes.
    EmptyListingCloses,
    /// An error of the forge closes.
    ErrorCloses,
    /// A suspended App counts as one that was taken away.
    SuspensionCloses,
    /// What the App was taken away from runs on.
    TakenRunsOn,
    /// The head is not asked for: what was known last is deployed.
    HeadNotAsked,
    /// An approval of another commit counts.
    AnyApprovalCounts,
    /// What comes from a fork is trusted as a member's.
    ForkIsTrusted,
    /// Machines count as removed that were not.
    DestroyedWithoutDoing,
    /// Nobody is told that a machine has ended.
    LostUnreported,
    /// Each preview that asks for a place is given one.
    PlaceForAll,
    /// A number of a deployment is used twice.
    GenerationReused,
    /// What somebody else saved meanwhile is overwritten.
    ConflictIgnored,
    /// An input that comes again is applied again.
    AppliedTwice,
    /// A save counts as durable that was never written.
    AcknowledgedUnwritten,
}
