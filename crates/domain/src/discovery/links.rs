//! Symbolic links in a tree: where one leads, by what the tree holds alone.
//!
//! A file that makes an app may be a link to another file of the same tree, by any way of links and folders. What leads
//! outside makes none, also when it comes back: on a machine the tree lies elsewhere.

use std::collections::BTreeMap;

use super::folder;

/// Links followed from one file: more of them lead in a circle, or nobody means it.
const MOST_FOLLOWED: usize = 8;
/// Folders and names on one way: a way through a tree that people have made is a quarter of it.
const MOST_STEPS: usize = 64;

/// Whether a link of this path makes an app, or decides about one, where it leads to a file.
pub fn decides(path: &str) -> bool {
    folder::candidate(path).is_some_and(|(folder, _)| folder::rank(folder).is_ok())
}

/// The path that the link at `path` leads to, whether or not something is there. `links` are all links of the tree, each
/// with what it says. An error says why it leads nowhere, for people.
pub fn follow(path: &str, links: &BTreeMap<String, String>) -> Result<String, String> {
    let mut ahead: Vec<&str> = path.rsplit('/').collect();
    let mut reached = String::new();
    let (mut followed, mut steps) = (0, 0);
    while let Some(step) = ahead.pop() {
        steps += 1;
        if steps > MOST_STEPS {
            return Err("it is a link that leads a longer way than is followed".to_owned());
        }
        match step {
            "" | "." => continue,
            ".." if reached.is_empty() => return Err(OUTSIDE.to_owned()),
            ".." => {
                reached.truncate(reached.rfind('/').unwrap_or(0));
                continue;
            }
            name if reached.is_empty() => reached.push_str(name),
            name => {
                reached.push('/');
                reached.push_str(name);
            }
        }
        let Some(said) = links.get(&reached) else {
            continue;
        };
        followed += 1;
        if followed > MOST_FOLLOWED {
            return Err("it is a link that leads in a circle".to_owned());
        }
        if said.starts_with('/') {
            return Err(OUTSIDE.to_owned());
        }
        reached.truncate(reached.rfind('/').unwrap_or(0));
        ahead.extend(said.rsplit('/'));
    }
    Ok(reached)
}

/// Why nothing outside counts.
const OUTSIDE: &str = "it is a link that leads out of the repository";

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(path: &str, links: &[(&str, &str)]) -> Result<String, String> {
        let links = links
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        follow(path, &links.collect())
    }

    #[test]
    fn a_link_leads_through_folders_and_other_links_within_the_tree() {
        for (path, links, expected) in [
            (
                "index.html",
                &[("index.html", "site/home.html")][..],
                "site/home.html",
            ),
            (
                "a/index.html",
                &[("a/index.html", "../b/./c.html")],
                "b/c.html",
            ),
            (
                "a/index.html",
                &[("a/index.html", "../a//c.html")],
                "a/c.html",
            ),
            (
                "index.html",
                &[
                    ("index.html", "now/index.html"),
                    ("now", "v2"),
                    ("v2", "old/v2"),
                ],
                "old/v2/index.html",
            ),
            // The folder above is the one above where a link led.
            (
                "index.html",
                &[("index.html", "now/../x.html"), ("now", "a/b")],
                "a/x.html",
            ),
        ] {
            assert_eq!(leads(path, links).as_deref(), Ok(expected), "{links:?}");
        }
    }

    #[test]
    fn what_leads_outside_or_in_a_circle_leads_nowhere() {
        for (links, expected) in [
            (&[("index.html", "/etc/passwd")][..], OUTSIDE),
            (&[("index.html", "../x")], OUTSIDE),
            (&[("index.html", "a/../../shop/index.html")], OUTSIDE),
            (&[("index.html", "up/x"), ("up", "..")], OUTSIDE),
            (
                &[("index.html", "a"), ("a", "index.html")],
                "it is a link that leads in a circle",
            ),
            (
                &[("index.html", "index.html")],
                "it is a link that leads in a circle",
            ),
        ] {
            assert_eq!(
                leads("index.html", links).unwrap_err(),
                expected,
                "{links:?}"
            );
        }
        let around = "a/../".repeat(MOST_STEPS);
        assert_eq!(
            leads("index.html", &[("index.html", &around)]).unwrap_err(),
            "it is a link that leads a longer way than is followed"
        );
    }

    #[test]
    fn only_files_that_can_make_an_app_are_followed() {
        for path in [
            "index.html",
            "web/main.w",
            "a/package.json",
            "nestling.toml",
        ] {
            assert!(decides(path), "{path}");
        }
        for path in [
            "about.html",
            "node_modules/a/index.html",
            ".x/index.html",
            "1/2/3/4/5/index.html",
        ] {
            assert!(!decides(path), "{path}");
        }
    }
}
