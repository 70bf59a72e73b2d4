//! What people may do, and how often each is done.

use nestling_domain::ids::Kind;

use super::{crashes::Lean, world::World};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Open,
    Push,
    Close,
    Reopen,
    Label,
    Draft,
    Fork,
    Comment,
    DeleteBranch,
    PushMain,
    Retarget,
    Retitle,
    Press,
    Rename,
    Merge,
    Silence,
    Suspend,
    Select,
    Install,
}

/// How often each is done, of all of them together.
const SHARES: [(Act, u64); 19] = [
    (Act::Open, 9),
    (Act::Push, 12),
    (Act::Close, 6),
    (Act::Reopen, 3),
    (Act::Label, 3),
    (Act::Draft, 3),
    (Act::Fork, 9),
    (Act::Comment, 18),
    (Act::DeleteBranch, 3),
    (Act::PushMain, 3),
    (Act::Retarget, 2),
    (Act::Retitle, 2),
    (Act::Press, 3),
    (Act::Rename, 1),
    (Act::Merge, 2),
    (Act::Silence, 3),
    (Act::Suspend, 1),
    (Act::Select, 1),
    (Act::Install, 1),
];

/// How often of a thousand times it is one thing that a run leans to, and how often a push besides, so that it meets builds.
const LEANING: u64 = 500;
const PUSHES_BESIDES: u64 = 250;

/// What is done next.
pub(super) fn chosen(world: &World) -> Act {
    let lean = world.crashes().lean;
    let mut dice = world.dice();
    match lean {
        Some(Lean::Pushes) if dice.happens(600) => return Act::Push,
        Some(Lean::Tells(event)) => {
            if dice.happens(LEANING) {
                return *dice.one_of(causes(event)).unwrap_or(&Act::Push);
            }
            if dice.happens(PUSHES_BESIDES) {
                return Act::Push;
            }
        }
        Some(Lean::Pushes | Lean::Hangs | Lean::Again | Lean::Ends) | None => {}
    }
    let mut left = dice.below(SHARES.iter().map(|(_, share)| share).sum());
    for (act, share) in SHARES {
        if left < share {
            return act;
        }
        left -= share;
    }
    Act::Open
}

/// What leads to such a webhook: the act itself, or what must come before it.
fn causes(event: &str) -> &'static [Act] {
    match event {
        "opened" => &[Act::Open, Act::Push, Act::Close],
        "reopened" => &[Act::Reopen, Act::Close],
        "closed" => &[Act::Close, Act::Open, Act::Reopen],
        "edited" => &[Act::Retitle],
        "converted_to_draft" | "ready_for_review" => &[Act::Draft],
        "labeled" | "unlabeled" => &[Act::Label],
        "delete" => &[
            Act::DeleteBranch,
            Act::Push,
            Act::Push,
            Act::Open,
            Act::Label,
        ],
        "repository" => &[Act::Rename, Act::PushMain],
        "installation" => &[Act::Install],
        "installation_repositories" => &[Act::Select],
        "issue_comment" => &[Act::Comment],
        "check_run" => &[Act::Press],
        _ => &[Act::Push],
    }
}

/// What is done that such a webhook tells of this environment.
pub(super) fn meant(event: &str, kind: Kind) -> Act {
    match (causes(event)[0], kind) {
        (Act::Push, Kind::Production) => Act::PushMain,
        (act, _) => act,
    }
}
