//! Submodules of a local repository: which names are sound, and which addresses a machine can fetch from.
//!
//! Both stand in `.gitmodules`, a file that anybody can write who can push a branch.

/// How deep submodules may lie within each other: more is a mistake, or somebody who wants us busy.
pub const MOST_DEEP: usize = 8;
/// The most submodules of one commit, with those within them.
pub const MOST: usize = 200;
/// The most bytes that the files of all of them may have: each deployment copies them.
pub const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// Whether git takes this name for a submodule, whose repository then lies in a folder of this name.
pub fn is_sound_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('/')
        && name.split(['/', '\\']).all(|part| part != "..")
        && !name.contains(char::is_control)
}

/// Why no machine can fetch from this address; `None` when it can be tried.
pub fn why_out_of_reach(address: &str) -> Option<&'static str> {
    if address.starts_with("https://") || address.starts_with("http://") {
        return None;
    }
    Some(if address.is_empty() {
        "it has no address"
    } else if address.starts_with("./") || address.starts_with("../") {
        "from a machine a relative address leads nowhere"
    } else if address.starts_with('/') || address.starts_with("file:") {
        "a machine sees nothing of this computer's folders"
    } else {
        "machines fetch by http and https only"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_other_folder() {
        for name in ["lib", "vendor/lib", "a b", "..lib", "lib..", "ä.b", "."] {
            assert!(is_sound_name(name), "{name}");
        }
        for name in [
            "", "..", "../x", "a/../b", "a/..", "a\\..\\b", "/etc", "a\nb",
        ] {
            assert!(!is_sound_name(name), "{name}");
        }
    }

    #[test]
    fn a_machine_fetches_from_the_web_and_from_nowhere_else() {
        for address in ["https://example.com/lib.git", "http://example.com/lib"] {
            assert_eq!(why_out_of_reach(address), None);
        }
        for address in [
            "",
            "../lib",
            "./lib",
            "/srv/lib",
            "file:///srv/lib",
            "lib",
            "ssh://git@example.com/lib",
            "git@example.com:acme/lib.git",
            "git://example.com/lib",
            "ext::sh -c id",
            "-u./x",
            "HTTPS://example.com/lib",
        ] {
            assert!(why_out_of_reach(address).is_some(), "{address}");
        }
    }
}
