//! Which generation may start: never one below the highest that was asked for, and none twice.

use std::path::Path;

use nestling_domain::ids::Generation;
use serde::{Deserialize, Serialize};

use super::layout::write_whole;

/// What is known of an environment's generations, kept in `fence.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Fence {
    /// The highest generation that was ever asked for.
    pub(super) highest: Generation,
    /// Every generation up to here was removed.
    pub(super) removed: Generation,
}

/// What asking for a generation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing newer was asked for: it may start, once the fence says so.
    Fresh(Fence),
    /// It was asked for before; whether it began is to be seen in its folder.
    Again,
    /// It must not start.
    Refused(String),
}

impl Fence {
    pub(super) fn load(path: &Path) -> std::io::Result<Self> {
        let content = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            content => content?,
        };
        // Left by a loss of power, as some file systems do: nothing lives that it would have to keep out, and the
        // environment's own record says which generation it may ask for.
        if content.iter().all(|byte| *byte == 0) {
            return Ok(Fence::default());
        }
        serde_json::from_slice(&content).map_err(|_| {
            let text = format!("{} is damaged: write the environment's newest generation into it as {{\"highest\":N,\"removed\":N}}", path.display());
            std::io::Error::other(text)
        })
    }

    pub(super) fn save(self, path: &Path) -> std::io::Result<()> {
        write_whole(
            path,
            &serde_json::to_vec(&self).map_err(std::io::Error::other)?,
        )
    }

    /// Decides about `generation`.
    pub(super) fn ask(self, generation: Generation) -> Asked {
        if generation > self.highest {
            return Asked::Fresh(Fence {
                highest: generation,
                ..self
            });
        }
        if generation < self.highest {
            return Asked::Refused(format!(
                "generation {generation} is stale: generation {} was asked for since",
                self.highest
            ));
        }
        if generation <= self.removed {
            return Asked::Refused(format!(
                "generation {generation} was removed and does not start again: deploy once more"
            ));
        }
        Asked::Again
    }

    /// The fence once every generation up to `upto` but those of `keep` is gone. One that is asked for only
    /// afterwards, late, does not start.
    pub(super) fn without(self, keep: &[Generation], upto: Generation) -> Fence {
        // What stays may not have been asked for yet: it must still be able to start.
        let spared = keep.iter().filter(|kept| **kept >= self.highest).min();
        let upto = spared.map_or(upto, |kept| upto.min(Generation(kept.0.saturating_sub(1))));
        Fence {
            highest: self.highest.max(upto),
            removed: self.removed.max(upto),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(highest: u32, removed: u32) -> Fence {
        Fence {
            highest: Generation(highest),
            removed: Generation(removed),
        }
    }

    #[test]
    fn a_fence_is_read_again_and_damage_is_told_but_for_what_a_loss_of_power_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fence.json");
        assert_eq!(Fence::load(&path).unwrap(), Fence::default());
        fence(4, 2).save(&path).unwrap();
        assert_eq!(Fence::load(&path).unwrap(), fence(4, 2));
        for empty in ["", "\0\0\0"] {
            std::fs::write(&path, empty).unwrap();
            assert_eq!(Fence::load(&path).unwrap(), Fence::default());
        }
        std::fs::write(&path, "{\"highest\":").unwrap();
        let told = Fence::load(&path).unwrap_err().to_string();
        assert!(told.contains("fence.json is damaged"), "{told}");
    }

    #[test]
    fn an_older_generation_is_refused_and_the_same_may_be_asked_again() {
        assert_eq!(fence(0, 0).ask(Generation(1)), Asked::Fresh(fence(1, 0)));
        assert_eq!(fence(4, 0).ask(Generation(4)), Asked::Again);
        assert!(matches!(fence(4, 0).ask(Generation(3)), Asked::Refused(_)));
    }

    #[test]
    fn a_removed_generation_never_starts_again() {
        let after = fence(4, 0).without(&[Generation(3)], Generation(4));
        assert!(matches!(after.ask(Generation(4)), Asked::Refused(_)));
        assert!(matches!(after.ask(Generation(5)), Asked::Fresh(_)));
        let kept = fence(4, 0).without(&[Generation(4)], Generation(9));
        assert_eq!(kept.ask(Generation(4)), Asked::Again);
    }

    #[test]
    fn a_removal_lets_what_stays_start_although_it_was_not_asked_for_yet() {
        let after = fence(5, 0).without(&[Generation(4), Generation(6)], Generation(6));
        assert!(matches!(after.ask(Generation(5)), Asked::Refused(_)));
        assert!(matches!(after.ask(Generation(6)), Asked::Fresh(_)));
    }

    #[test]
    fn a_removal_that_comes_late_concerns_no_newer_generation() {
        let after = fence(6, 0).without(&[], Generation(5));
        assert_eq!(after.ask(Generation(6)), Asked::Again);
        let early = fence(4, 0).without(&[], Generation(5));
        assert!(matches!(early.ask(Generation(5)), Asked::Refused(_)));
    }
}
