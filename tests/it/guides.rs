//! Whoever follows a guide finds each command tried: `make test-guides` runs it, or the guide names it as one for an account.
//! Which of both, is seen here without running any.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Whether each command of these guides is one or the other (of ours, if none is given), and what was said.
fn listed(guides: &[PathBuf]) -> (bool, String) {
    let output = Command::new("python3")
        .arg(Path::new(ROOT).join("scripts/guides/run.py"))
        .arg("--list")
        .args(guides)
        .env("NESTLING", env!("CARGO_BIN_EXE_nestling"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn each_command_of_the_guides_is_run_or_named_as_one_for_an_account() {
    let (is_so, said) = listed(&[]);
    assert!(is_so, "{said}");
    for known in [
        "fly: runs: fly deploy --config fly.toml --ha=false",
        "fly: on an account: docker push registry.fly.io/nestling-example:server",
        "aws: runs: nestling secret reseal",
        "github: runs: nestling app add acme/shop",
    ] {
        assert!(said.contains(known), "{known}: {said}");
    }
}

#[test]
fn commands_that_nobody_runs_and_names_without_a_command_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let guide = folder.path().join("moon.md");
    let text = "Say `nestling fly-to the moon`.\n\n```console\n$ terraform apply\n$ fly deploy --ha=true\n$ nestling check\n```\n\n## What only an account shows\n\n- `docker push`: it needs an engine.\n";
    std::fs::write(&guide, text).unwrap();
    let (is_so, said) = listed(&[guide]);
    assert!(!is_so, "{said}");
    for wrong in [
        "nobody runs `terraform apply` (terraform is not known here)",
        "nobody runs `fly deploy --ha=true` (the stand-in for fly does not know it)",
        "nobody runs `nestling fly-to the moon` (",
        "`docker push` is listed as one for an account, and stands nowhere else",
    ] {
        assert!(said.contains(wrong), "{wrong}: {said}");
    }
    assert!(!said.contains("nobody runs `nestling check`"), "{said}");
}
