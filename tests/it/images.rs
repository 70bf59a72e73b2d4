//! Who builds the images gets what the Dockerfile promises. Whatever can be seen without building them is seen here;
//! `make test-images` builds and runs them.
#![allow(
    clippy::single_match_else,
    clippy::wildcard_enum_match_arm,
    reason = "of the instructions of a Dockerfile a few matter to each look"
)]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use nestling_protocol::machine;
use parse_dockerfile::{Command as Words, Dockerfile, Instruction, Source, Stage};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILE: &str = "deploy/images/Dockerfile";
/// The stages that become images.
const IMAGES: [&str; 2] = ["server", "runner"];

fn with_stages<R>(look: impl FnOnce(&Dockerfile<'_>) -> R) -> R {
    let text = read(FILE);
    let file = parse_dockerfile::parse(&text).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    look(&file)
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn name<'a>(stage: &'a Stage<'_, '_>) -> &'a str {
    stage.from.as_.as_ref().map_or("", |(_, name)| &name.value)
}

/// What the shell of a stage runs.
fn shell<'a>(stage: &'a Stage<'_, '_>) -> impl Iterator<Item = &'a str> {
    stage.instructions.iter().filter_map(|line| match line {
        Instruction::Run(run) => match &run.arguments {
            Words::Shell(words) => Some(words.value),
            _ => None,
        },
        _ => None,
    })
}

/// Paths that a stage copies: from another stage, or from the sources, and where to.
fn copies(stage: &Stage<'_, '_>) -> Vec<(Option<String>, Vec<String>, String)> {
    let copy = |line: &Instruction<'_>| match line {
        Instruction::Copy(copy) => {
            let from = copy.options.iter().find(|flag| flag.name.value == "from");
            let from = from.and_then(|flag| Some(flag.value.as_ref()?.value.to_string()));
            let path = |source: &Source<'_>| match source {
                Source::Path(path) => path.value.to_string(),
                _ => panic!("a file that stands in the Dockerfile itself"),
            };
            let paths = copy.src.iter().map(path).collect();
            Some((from, paths, copy.dest.value.to_string()))
        }
        _ => None,
    };
    stage.instructions.iter().filter_map(copy).collect()
}

fn exec(words: &Words<'_>) -> Vec<String> {
    match words {
        Words::Exec(words) => words.value.iter().map(|w| w.value.to_string()).collect(),
        _ => panic!("a shell would take the signals that the server is to get: use [\"…\"]"),
    }
}

/// The lines of `.dockerignore` that let something through; the first keeps everything out.
fn let_through() -> Vec<String> {
    let text = read(".dockerignore");
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "nothing gets in that is not named");
    let path = |line: &str| line.strip_prefix("!/").map(str::to_owned);
    lines.map(|line| path(line).expect(line)).collect()
}

fn is_let_through(path: &str, places: &[String]) -> bool {
    places
        .iter()
        .any(|place| path == place || path.starts_with(&format!("{place}/")))
}

#[test]
fn bases_are_named_by_registry_and_version_and_can_be_given_by_digest() {
    with_stages(|file| {
        let bases: Vec<_> = file
            .global_args()
            .map(|arg| arg.arguments.value.to_string())
            .collect();
        for base in &bases {
            let (_, image) = base.split_once('=').expect("a base has a default");
            assert!(image.starts_with("docker.io/library/"), "{image}");
            let (_, tag) = image.rsplit_once(':').expect("a base has a tag");
            assert!(tag.starts_with(char::is_alphanumeric) && tag != "latest");
        }
        for stage in file.stages() {
            let image = &stage.from.image.value;
            let given = image.strip_prefix("${").and_then(|i| i.strip_suffix('}'));
            let given = given.expect("each base is an argument");
            let is_it = |base: &String| base.split('=').next() == Some(given);
            assert!(bases.iter().any(is_it), "{given} is declared");
        }
    });
}

#[test]
fn what_runs_is_nobody_special_and_gets_the_signals_itself() {
    with_stages(|file| {
        for wanted in IMAGES {
            let stage = file.stage(wanted).expect(wanted);
            let mut user = None;
            let (mut program, mut arguments) = (Vec::new(), Vec::new());
            for line in stage.instructions {
                match line {
                    Instruction::User(line) => user = Some(line.arguments.value.to_string()),
                    Instruction::Entrypoint(line) => program = exec(&line.arguments),
                    Instruction::Cmd(line) => arguments = exec(&line.arguments),
                    _ => {}
                }
            }
            assert_eq!(user.as_deref(), Some("10001:10001"), "{wanted}");
            let [program] = program.as_slice() else {
                panic!("{wanted} starts one program")
            };
            let comes = copies(&stage).into_iter().any(|(_, _, to)| to == *program);
            assert!(comes, "{wanted} has {program}");
            let help = Command::new(env!("CARGO_BIN_EXE_nestling"))
                .args(&arguments)
                .arg("--help")
                .output()
                .unwrap();
            assert!(help.status.success(), "nestling {arguments:?} exists");
        }
    });
}

#[test]
fn what_is_copied_is_there_and_nothing_else_is_let_in() {
    let places = let_through();
    for place in &places {
        assert!(Path::new(ROOT).join(place).exists(), "{place} is gone");
    }
    with_stages(|file| {
        for stage in file.stages() {
            for (from, paths, _) in copies(&stage) {
                for path in paths.iter().filter(|path| *path != ".") {
                    match &from {
                        Some(other) => {
                            let made = file.stage(other).expect("an earlier stage");
                            let (folder, last) = path.rsplit_once('/').unwrap();
                            let makes = shell(&made).any(|run| run.contains(last))
                                || copies(&made).iter().any(|(_, _, to)| to == path);
                            assert!(makes, "{other} makes {last} in {folder}");
                        }
                        None => {
                            assert!(Path::new(ROOT).join(path).exists(), "{path}");
                            assert!(is_let_through(path, &places), "{path}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn all_that_cargo_reads_is_let_in() {
    let places = let_through();
    let told = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let targets = packages
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap());
    let files: BTreeSet<_> = targets
        .map(|target| target["src_path"].as_str().unwrap())
        .map(|path| path.strip_prefix(ROOT).unwrap().trim_start_matches('/'))
        .collect();
    assert!(files.contains("src/main.rs"));
    // Files that are compiled in, beside the sources.
    let beside = ["Cargo.lock", "config/default.toml", "examples/node-notes"];
    for file in files.into_iter().chain(beside) {
        assert!(is_let_through(file, &places), "{file} is kept out");
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_no_secret_is_built_in() {
    with_stages(|file| {
        for line in &file.instructions {
            match line {
                Instruction::Add(_) => panic!("ADD takes from anywhere: use COPY"),
                Instruction::Env(line) => {
                    let names = line.arguments.value.to_uppercase();
                    for secret in ["TOKEN", "SECRET", "PASSWORD", "PRIVATE"] {
                        assert!(!names.contains(secret), "{names}");
                    }
                }
                _ => {}
            }
        }
        for stage in file.stages() {
            for run in shell(&stage) {
                for stranger in ["curl", "wget", "http://", "https://", "sudo"] {
                    assert!(!run.contains(stranger), "{}: {run}", name(&stage));
                }
                if run.contains("apt-get install") {
                    assert!(run.contains("--no-install-recommends"), "{run}");
                    assert!(run.contains("rm -rf /var/lib/apt/lists/*"), "{run}");
                }
                if run.contains("npm install") {
                    assert!(run.contains("--ignore-scripts"), "{run}");
                }
            }
        }
    });
}

#[test]
fn the_runner_finds_its_folders_and_the_tools_that_it_takes_by_default() {
    with_stages(|file| {
        let runner = file.stage("runner").expect("runner");
        let made: String = shell(&runner).collect();
        for folder in [
            machine::RUN_DIR,
            machine::SERVER_DIR,
            machine::STATE_DIR,
            machine::WORK_DIR,
            machine::CACHE_DIR,
        ] {
            assert!(made.contains(&format!(" {folder}")), "{folder}");
        }
        let tools = machine::IMAGE_TOOLS_DIR;
        assert!(copies(&runner).iter().any(|(_, _, to)| to == tools));
    });
    // Each is in a folder `name-version`, of exactly this version, and locked to what it was when it was tried.
    for entry in fs::read_dir(Path::new(ROOT).join("deploy/images/tools")).unwrap() {
        let folder = entry.unwrap().path();
        let tool = folder.file_name().unwrap().to_str().unwrap();
        let (_, version) = tool.rsplit_once('-').expect("name-version");
        let json = |file: &str| -> serde_json::Value {
            let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|e| panic!("{e}"));
            serde_json::from_str(&text).unwrap()
        };
        let wanted = json("package.json")["dependencies"].clone();
        let wanted = wanted.as_object().unwrap();
        let (package, wish) = wanted.iter().next().unwrap();
        assert_eq!((wanted.len(), wish.as_str()), (1, Some(version)), "{tool}");
        let locked = &json("package-lock.json")["packages"];
        let locked = &locked[format!("node_modules/{package}")];
        assert_eq!(locked["version"].as_str(), Some(version), "{tool}");
        assert!(locked["integrity"].is_string(), "{tool}");
    }
}
