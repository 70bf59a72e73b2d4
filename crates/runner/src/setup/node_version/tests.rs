use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A repository with these files.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let checkout = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = checkout.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    checkout
}

fn wishes_of(checkout: &TempDir) -> Wishes {
    let app = checkout.path().join("apps/web");
    fs::create_dir_all(&app).unwrap();
    wishes(&app, checkout.path())
}

/// The nearest wish for the app in `apps/web`, and where it stands.
fn decides(files: &[(&str, &str)]) -> String {
    let wishes = wishes_of(&repository(files));
    assert_eq!(wishes.odd, Vec::<String>::new(), "{files:?}");
    wishes
        .count
        .into_iter()
        .next()
        .map_or("nothing".into(), |wish| {
            let must = if wish.must { "" } else { ", at best" };
            format!("{} of {}{must}", wish.text, wish.place)
        })
}

#[test]
fn the_nearest_folder_decides_and_in_it_the_files_that_are_there_for_nothing_else() {
    let mut files = vec![
        ("apps/web/.nvmrc", "# ours\n\nv22.11.0 # jod\n"),
        ("apps/web/.node-version", "21\n"),
        (
            "apps/web/.tool-versions",
            "# asdf\npython 3.12\nnodejs 20.1.0 system\n",
        ),
        (
            "apps/web/package.json",
            r#"{"volta":{"node":"19.0.0"},"devEngines":{"runtime":{"name":"node","version":"^18"}},"engines":{"node":">=17"}}"#,
        ),
        ("apps/.nvmrc", "16"),
        ("package.json", r#"{"engines":{"node":"15"}}"#),
    ];
    let mut seen = Vec::new();
    while !files.is_empty() {
        seen.push(decides(&files));
        files.remove(0);
        if let Some((_, package)) = files
            .first_mut()
            .filter(|(path, _)| path.starts_with("apps/web/package"))
        {
            // The fields of one file, one after the other.
            for rest in [
                r#"{"devEngines":{"runtime":{"name":"node","version":"^18"}},"engines":{"node":">=17"}}"#,
                r#"{"engines":{"node":">=17"}}"#,
            ] {
                let before = std::mem::replace(package, rest);
                seen.push(decides(&[("apps/web/package.json", before)]));
            }
        }
    }
    assert_eq!(
        seen,
        [
            "v22.11.0 of apps/web/.nvmrc",
            "21 of apps/web/.node-version",
            "20.1.0 || system of apps/web/.tool-versions",
            "19.0.0 of volta.node in apps/web/package.json",
            "^18 of devEngines.runtime in apps/web/package.json",
            ">=17 of engines.node in apps/web/package.json",
            "16 of apps/.nvmrc",
            "15 of engines.node in package.json",
        ]
    );
}

#[test]
fn a_folder_that_wishes_nothing_leaves_it_to_the_next() {
    let nothing = [
        (
            "apps/web/package.json",
            r#"{"name":"web","engines":{"npm":">=9"}}"#,
        ),
        ("apps/web/.tool-versions", "python 3.12\n"),
        ("apps/web/.nvmrc", "\n# not yet\n"),
        (".tool-versions", "node lts/jod\n"),
    ];
    assert_eq!(decides(&nothing), "lts/jod of .tool-versions");
    assert_eq!(decides(&nothing[..3]), "nothing");
}

#[test]
fn dev_engines_say_themselves_what_happens_where_no_node_fits() {
    let said = |runtime: &str| {
        let package = format!(r#"{{"devEngines":{{"runtime":{runtime}}}}}"#);
        decides(&[("apps/web/package.json", &package)])
    };
    let place = "of devEngines.runtime in apps/web/package.json";
    let on_fail = |word: &str| {
        said(&format!(
            r#"{{"name":"node","version":"22","onFail":"{word}"}}"#
        ))
    };
    assert_eq!(on_fail("error"), format!("22 {place}"));
    assert_eq!(on_fail("download"), format!("22 {place}"));
    assert_eq!(on_fail("warn"), format!("22 {place}, at best"));
    assert_eq!(on_fail("ignore"), "nothing");
    assert_eq!(said(r#"{"name":"node"}"#), format!("* {place}"));
    assert_eq!(said("[]"), "nothing");
    let several = r#"[{"name":"bun"},{"name":"node","version":"20"},{"name":"node","version":"22","onFail":"warn"}]"#;
    assert_eq!(said(several), format!("20 || 22 {place}, at best"));
}

#[test]
fn what_cannot_be_understood_is_told_and_the_next_wish_is_asked() {
    let wishes = wishes_of(&repository(&[
        ("apps/web/.nvmrc", "twenty\u{7}two\n"),
        (
            "apps/web/package.json",
            r#"{"volta":{"node":22},"devEngines":{"runtime":{"name":"bun"}},"engines":{"node":">=20, <23"}}"#,
        ),
        (".node-version", "22"),
    ]));
    let remedy = "which names no version of Node, so it is passed over: write a version (22.11.0), a range (>=20 <23) or a long-term line (lts/jod)";
    assert_eq!(
        wishes.odd,
        [
            format!("apps/web/.nvmrc says `twenty\u{fffd}two`, {remedy}"),
            format!("volta.node in apps/web/package.json says `22`, {remedy}"),
            format!(
                "devEngines.runtime in apps/web/package.json says `{{\"name\":\"bun\"}}`, {remedy}"
            ),
            format!("engines.node in apps/web/package.json says `>=20, <23`, {remedy}"),
        ]
    );
    assert_eq!(wishes.count[0].place, ".node-version");
}

#[test]
fn a_wish_without_end_is_shown_in_part() {
    let wishes = wishes_of(&repository(&[("apps/web/.nvmrc", &"9".repeat(100_000))]));
    let shown = format!("says `{}…`,", "9".repeat(LONGEST_SHOWN));
    assert!(wishes.odd[0].contains(&shown), "{}", wishes.odd[0]);
}

#[test]
fn a_link_out_of_the_checkout_is_not_read_and_one_within_it_is() {
    let checkout = repository(&[("apps/web/main.js", ""), ("version", "22\n")]);
    let app = checkout.path().join("apps/web");
    let outside = repository(&[("package.json", r#"{"engines":{"node":"1"}}"#)]);
    symlink("/dev/zero", app.join(".nvmrc")).unwrap();
    symlink("/etc/passwd", app.join(".node-version")).unwrap();
    symlink("/etc/passwd", app.join(".tool-versions")).unwrap();
    let package = outside.path().join("package.json");
    symlink(package, app.join("package.json")).unwrap();
    assert_eq!(wishes_of(&checkout), Wishes::default());
    fs::remove_file(app.join(".nvmrc")).unwrap();
    symlink("../../version", app.join(".nvmrc")).unwrap();
    assert_eq!(wishes_of(&checkout).count[0].text, "22");
}

#[test]
fn each_folder_on_the_way_has_its_wish() {
    let checkout = repository(&[
        ("package.json", r#"{"engines":{"node":">=99"}}"#),
        ("apps/web/package.json", r#"{"engines":{"node":">=16"}}"#),
    ]);
    let wishes = wishes_of(&checkout);
    let told: Vec<&str> = wishes.count.iter().map(|wish| &*wish.text).collect();
    assert_eq!(told, [">=16", ">=99"]);
}
