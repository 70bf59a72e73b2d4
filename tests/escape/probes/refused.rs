//! What it means to be held: refused, absent, closed.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    process::{Command, Stdio},
};

use rustix::process::{Resource, Rlimit};

use super::{Facts, Outcome};

pub(super) fn refused<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) -> Outcome {
    match outcome {
        Ok(_) => Err(format!("{what} was possible")),
        Err(error) => Ok(format!("{what}: {error}")),
    }
}

pub(super) fn nothing_read(paths: &[&str]) -> Outcome {
    for path in paths {
        refused(path, fs::read(path))?;
    }
    Ok("none could be read".into())
}

pub(super) fn nothing_there(paths: &[&str]) -> Outcome {
    match paths.iter().find(|path| fs::symlink_metadata(path).is_ok()) {
        Some(path) => Err(format!("{path} can be seen")),
        None => Ok("none can be seen".into()),
    }
}

pub(super) fn nothing_opened(paths: &[&str], write: bool) -> Outcome {
    for path in paths {
        let opened = OpenOptions::new()
            .read(!write)
            .append(write)
            .create(write)
            .open(path);
        if let Ok(mut file) = opened {
            // Some open for anyone and only then refuse.
            let mut byte = [0];
            if write || file.read(&mut byte).is_ok_and(|n| n > 0) {
                return Err(format!("{path} could be opened"));
            }
        }
    }
    Ok("none could be opened".into())
}

pub(super) fn nothing_written(path: &str, text: &str) -> Outcome {
    refused(path, fs::write(path, text))
}

pub(super) fn unreadable_folder(path: &str) -> Outcome {
    match fs::read_dir(path).into_iter().flatten().flatten().count() {
        0 => Ok(format!("{path} is closed")),
        _ => Err(format!("{path} can be read")),
    }
}

/// Perl makes the call: we may not, being safe.
pub(super) fn call(number: i64, arguments: &[&str]) -> Result<i64, i32> {
    let list: Vec<String> = arguments
        .iter()
        .map(|word| {
            if word.parse::<i64>().is_ok() {
                (*word).to_owned()
            } else {
                format!("my $s{} = '{word}'", word.len())
            }
        })
        .collect();
    let script = format!(
        "$r = syscall({number}{}{}); print $r, ' ', $!+0;",
        if list.is_empty() { "" } else { ", " },
        list.join(", ")
    );
    let out = Command::new("perl")
        .args(["-e", &script])
        .stdin(Stdio::null())
        .output()
        .expect("perl is part of every Debian");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (result, error) = text.split_once(' ').unwrap_or_else(|| {
        panic!(
            "perl said {text:?} {:?}",
            String::from_utf8_lossy(&out.stderr)
        )
    });
    match result.parse::<i64>().unwrap() {
        -1 => Err(error.parse().unwrap()),
        result => Ok(result),
    }
}

pub(super) fn call_refused(name: &str, number: i64, arguments: &[&str]) -> Outcome {
    match call(number, arguments) {
        // EPERM, ENOSYS, EAFNOSUPPORT, EACCES: told no, rather than told that the arguments were bad.
        Err(error @ (1 | 38 | 97 | 13)) => {
            Ok(format!("{name}: {}", io::Error::from_raw_os_error(error)))
        }
        Err(error) => Err(format!(
            "{name} was looked into: {}",
            io::Error::from_raw_os_error(error)
        )),
        Ok(_) => Err(format!("{name} was possible")),
    }
}

pub(super) fn calls_refused(calls: &[(&str, i64, &[&str])]) -> Outcome {
    calls
        .iter()
        .map(|(name, number, arguments)| call_refused(name, *number, arguments))
        .collect::<Result<Vec<_>, _>>()
        .map(|texts| texts.join("; "))
}

pub(super) fn raised_limits(_: &Facts) -> Outcome {
    for resource in [Resource::Nofile, Resource::Fsize, Resource::Core] {
        let more = rustix::process::getrlimit(resource)
            .maximum
            .map(|most| most + 1);
        refused(
            &format!("{resource:?}"),
            rustix::process::setrlimit(
                resource,
                Rlimit {
                    current: more,
                    maximum: more,
                },
            ),
        )?;
    }
    Ok("none could be raised".into())
}
