//! What runs in a machine under test, in the place of the runner.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use nestling_runner::{
    Isolation,
    sandbox::{Sandbox, Step, bubblewrap},
};

use crate::probes::{self, Facts};

/// The sandbox that the runner gives to the steps of an app, within a machine.
pub(crate) fn inner(argv: &[&str]) -> Command {
    let temporary = PathBuf::from("/work/tmp");
    fs::create_dir_all(&temporary).unwrap();
    let sandbox = Sandbox {
        isolation: Isolation::Nested,
        bubblewrap: bubblewrap().unwrap(),
        writable: vec!["/work".into()],
        temporary,
        state: "/state".into(),
        readable: Vec::new(),
    };
    let mut environment: BTreeMap<String, String> = std::env::vars().collect();
    environment.insert("PATH".into(), plant(&environment["PATH"]));
    let step = Step {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        folder: "/work".into(),
        environment,
        state: true,
    };
    sandbox.command(&step).into_std()
}

/// The `PATH` of an app whose own `bwrap` comes first.
fn plant(path: &str) -> String {
    let folder = "/work/planted";
    fs::create_dir_all(folder).unwrap();
    let program = format!("{folder}/bwrap");
    let said = "#!/bin/sh\nprintf 'ESCAPED: the app made its own sandbox'\n";
    fs::write(&program, said).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{folder}:{path}")
}

pub(crate) fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.map(|word| word.into_string().unwrap()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["probe", "outer", name, facts] => {
            let (escaped, text) = try_out(name, facts);
            report(&format!(
                "{}{text}",
                if escaped { "ESCAPED: " } else { "held: " }
            ));
        }
        ["probe", "inner", name, facts] => report(&from_inner(name, facts)),
        ["within", name, facts] => {
            let (escaped, text) = try_out(name, facts);
            print!("{}{text}", if escaped { "ESCAPED: " } else { "held: " });
        }
        ["idle"] => idle(),
        ["end", code] => {
            eprintln!("cannot go on: the cupboard is bare");
            return ExitCode::from(code.parse::<u8>().unwrap());
        }
        ["bomb", kind] => crate::bombs::explode(kind),
        _ => return ExitCode::from(99),
    }
    ExitCode::SUCCESS
}

fn try_out(name: &str, facts: &str) -> (bool, String) {
    let facts: Facts = serde_json::from_str(facts).unwrap();
    let (_, _, probe) = probes::ALL
        .iter()
        .find(|(known, ..)| *known == name)
        .unwrap();
    match probe(&facts) {
        Ok(text) => (false, text),
        Err(text) => (true, text),
    }
}

fn from_inner(name: &str, facts: &str) -> String {
    let program = nestling::drivers::sandbox::INIT_INSIDE;
    let out = inner(&[program, "inside", "within", name, facts])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if text.is_empty() {
        format!("BROKEN: {}", String::from_utf8_lossy(&out.stderr))
    } else {
        text
    }
}

/// Whole or not at all: the test reads it as soon as it is there.
fn report(text: &str) {
    let folder = std::env::var("NESTLING_RUN_DIR").unwrap();
    fs::write(format!("{folder}/result.new"), text).unwrap();
    fs::rename(format!("{folder}/result.new"), format!("{folder}/result")).unwrap();
}

/// Serves "pong" on a socket in its run folder, with children that linger, until it is stopped.
fn idle() {
    let run = std::env::var("NESTLING_RUN_DIR").unwrap();
    let state = std::env::var("NESTLING_STATE_DIR").unwrap();
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(format!("{state}/starts"))
        .unwrap()
        .write_all(b"x")
        .unwrap();
    for detach in [false, true] {
        let mut sleep = Command::new(if detach { "setsid" } else { "sleep" });
        if detach {
            sleep.args(["--fork", "sleep"]);
        }
        sleep
            .arg("3600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    }
    let listener = UnixListener::bind(format!("{run}/app.sock")).unwrap();
    report("ready");
    while let Ok((mut stream, _)) = listener.accept() {
        let _ = stream.write_all(b"pong");
    }
}
