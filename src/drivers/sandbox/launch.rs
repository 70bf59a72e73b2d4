//! The stage between server and sandbox: `nestling machine-init ORDER`.
//!
//! It runs as the server's user, with the machine's lock as its standard input, the exit file as its standard
//! output and the output file as its standard error: descriptors that survive every `exec` to pid 1 without
//! anyone having to name them. It limits itself, gives up its rights, and becomes bubblewrap.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::{Command, ExitCode},
};

use rustix::{
    fs::{AtFlags, CWD, Mode},
    io::FdFlags,
    mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags},
    process::{Resource, Rlimit},
};

use super::{
    inside,
    order::{Bind, Isolation, Order},
};

/// When memory runs out, machines go before the server does.
const OOM_SCORE: &str = "500";
/// Files are open to the machine's group: that is its cache group, and nothing else.
const UMASK: Mode = Mode::from_raw_mode(0o002);
/// The first descriptor after the three that a machine is given on purpose.
const STANDARD: i32 = 3;
/// Where sources are gathered, in a mount namespace that only this machine's launcher sees.
const STAGE: &str = "/run";

/// The hidden subcommand `machine-init`, with the arguments after its name. It answers only when it failed.
pub fn machine_init(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match args.split_first() {
        Some((first, rest)) if first == inside::FLAG => inside::run(rest),
        Some((first, rest)) if first == inside::SELF_TEST => inside::self_test(rest),
        Some((order, [])) => match launch(Path::new(order)) {
            Ok(never) => match never {},
            Err(error) => complain(&format!("machine-init: {error}")),
        },
        _ => complain("machine-init is started by the server, never by hand"),
    }
}

fn complain(text: &str) -> ExitCode {
    use io::Write as _;
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(125)
}

fn launch(path: &Path) -> io::Result<std::convert::Infallible> {
    // Whatever else the server was started with, by a shell or a supervisor, is none of the machine's business: a
    // descriptor of a folder would be a way out of every sandbox.
    close_fds::set_fds_cloexec(STANDARD, &[]);
    let mut order: Order = serde_json::from_slice(&fs::read(path)?)?;
    // From here on the machine counts as begun: it holds its lock, and is not started a second time.
    File::create(order.machine.launched())?;
    // Not the leader of a session when started by hand or a test: then it has one already.
    let _ = rustix::process::setsid();
    limit(&order)?;
    match order.isolation {
        Isolation::None => Err(as_plain_process(&order)),
        Isolation::Sandbox => {
            if rustix::process::geteuid().is_root() && order.owner.is_none() {
                return Err(io::Error::other(
                    "a sandbox is never entered as root: the order names no owner",
                ));
            }
            if order.owner.is_some() {
                stage(&mut order.binds).map_err(|error| {
                    io::Error::other(format!(
                        "could not gather what the machine may see: {error}"
                    ))
                })?;
            }
            Err(as_sandbox(&order))
        }
    }
}

fn limit(order: &Order) -> io::Result<()> {
    for procs in &order.cgroups {
        fs::write(procs, "0").map_err(|error| {
            io::Error::other(format!("could not join {}: {error}", procs.display()))
        })?;
    }
    fs::write("/proc/self/oom_score_adj", OOM_SCORE)?;
    rustix::process::umask(UMASK);
    for (resource, most) in [
        (Resource::Nofile, order.files),
        (Resource::Core, 0),
        (Resource::Fsize, order.file_bytes),
        (Resource::Memlock, 8 << 20),
    ] {
        let hard = rustix::process::getrlimit(resource)
            .maximum
            .unwrap_or(u64::MAX)
            .min(most);
        rustix::process::setrlimit(
            resource,
            Rlimit {
                current: Some(hard),
                maximum: Some(hard),
            },
        )?;
    }
    Ok(())
}

/// Gathers every source under [`STAGE`] in a mount namespace of our own, so that the sandbox's user reaches
/// them although it may not walk through their parents (`/root`, a private data folder).
fn stage(binds: &mut [Bind]) -> io::Result<()> {
    #[allow(
        deprecated,
        reason = "this process has one thread and becomes another program: nothing shares what is split off"
    )]
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS)?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let mut trees: Vec<(OwnedFd, bool)> = Vec::new();
    for bind in &*binds {
        let named =
            |error: io::Error| io::Error::other(format!("{}: {error}", bind.source.display()));
        let tree = rustix::mount::open_tree(CWD, &bind.source, clone)
            .map_err(|error| named(error.into()))?;
        trees.push((tree, bind.source.is_dir()));
    }
    rustix::mount::mount(
        "tmpfs",
        STAGE,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755,size=1m",
    )?;
    for (index, (bind, (tree, folder))) in binds.iter_mut().zip(trees).enumerate() {
        let place = Path::new(STAGE).join(index.to_string());
        if folder {
            fs::create_dir(&place)?;
        } else {
            File::create(&place)?;
        }
        rustix::mount::move_mount(
            tree,
            "",
            CWD,
            &place,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )?;
        bind.source = place;
    }
    Ok(())
}

fn as_sandbox(order: &Order) -> io::Error {
    let opened = || -> io::Result<(File, Option<File>)> {
        let namespace = File::create(order.machine.namespace())?;
        let seccomp = order.seccomp.as_deref().map(File::open).transpose()?;
        for file in std::iter::once(&namespace).chain(seccomp.as_ref()) {
            rustix::io::fcntl_setfd(file.as_fd(), FdFlags::empty())?;
        }
        Ok((namespace, seccomp))
    };
    let (namespace, seccomp) = match opened() {
        Ok(files) => files,
        Err(error) => return error,
    };
    let mut bwrap = Command::new(&order.bwrap);
    bwrap
        .args(order.bwrap_arguments(
            namespace.as_raw_fd(),
            seccomp.as_ref().map(rustix::fd::AsRawFd::as_raw_fd),
        ))
        .env_clear()
        .current_dir("/");
    if let Some(owner) = order.owner {
        // Setting both as root also drops every supplementary group.
        bwrap.uid(owner.uid).gid(owner.gid);
    }
    bwrap.exec()
}

fn as_plain_process(order: &Order) -> io::Error {
    let own = format!("{{\"child-pid\":{}}}", std::process::id());
    if let Err(error) = fs::write(order.machine.namespace(), own) {
        return error;
    }
    let Some((program, arguments)) = order.init.split_first() else {
        return io::Error::other("the order names no program");
    };
    let mut init = Command::new(program);
    init.args(arguments)
        .env_clear()
        .current_dir(order.machine.work());
    init.envs(order.environment.iter().map(|(name, value)| (name, value)));
    init.exec()
}

/// Gives a folder and nothing in it to its owner.
pub(super) fn give(path: &Path, uid: u32, gid: u32, mode: u32) -> io::Result<()> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(uid),
        rustix::fs::Gid::from_raw(gid),
    );
    rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(rustix::fs::chmodat(
        CWD,
        path,
        Mode::from_raw_mode(mode),
        AtFlags::empty(),
    )?)
}
