//! `/etc` of machines: what of this box's programs need, gathered once when the server starts, and who one is.
//!
//! Each mount of a sandbox costs a machine's start more than the one before, because bubblewrap reads all of them
//! again, and each file made costs a tenth of a millisecond. So what programs need is copied into one folder that every
//! machine sees, who one is stands in a folder of the environment's, and a machine's `/etc` is nothing but links into
//! the two, made in memory. What changes on the box reaches machines with the next start of a server.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use nestling_protocol::machine::WORK_DIR;

use super::{layout::write_whole, numbers::Owner, usage};

/// Where a machine sees the gathered folder …
pub(super) const SHARED: &str = "/opt/nestling/etc";
/// … and who it is.
pub(super) const OWN: &str = "/opt/nestling/own";

/// Files and folders of `/etc` that programs need and that tell nothing about this box.
const NEEDED: [&str; 15] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki/tls/certs",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
];
/// What [`introduce`] writes.
const OWN_FILES: [&str; 3] = ["hosts", "passwd", "group"];
/// Folders within folders that are followed: certificates lie two deep.
const DEEPEST: u32 = 4;
/// Open to every machine's user, and its owner's to change.
const READABLE: u32 = 0o644;
const ENTERABLE: u32 = 0o755;
/// What a file, and a folder, must allow to everybody to be taken.
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o005;

/// Makes `shared` hold what machines need of `/etc`, file by file: machines that live go on seeing it. What may not be
/// read here is left out.
pub(super) fn gather(shared: &Path) -> io::Result<()> {
    gather_from(Path::new("/etc"), shared)
}

fn gather_from(etc: &Path, shared: &Path) -> io::Result<()> {
    folder(shared)?;
    let mut wanted = BTreeSet::new();
    for name in NEEDED {
        // The target of a link may lie elsewhere (systemd's resolv.conf): taken as what it is.
        let Ok(source) = etc.join(name).canonicalize() else {
            continue;
        };
        let place = shared.join(name);
        if let Some(parent) = place.parent() {
            for missing in parent.ancestors().filter(|path| path.starts_with(shared)) {
                folder(missing)?;
            }
        }
        copy(&source, &place, DEEPEST)?;
        wanted.extend(Path::new(name).iter().next().map(OsString::from));
    }
    keep_only(shared, &wanted)
}

/// Makes `place` what `source` is, as far as everybody on this box may read it: we may read more. A link stays one, so that
/// what it leads to is seen only where a machine sees that anyway.
fn copy(source: &Path, place: &Path, deepest: u32) -> io::Result<()> {
    let Ok(met) = fs::symlink_metadata(source) else {
        return Ok(());
    };
    if met.is_symlink() {
        return link(&fs::read_link(source)?, place);
    }
    let open = |bits: u32| met.permissions().mode() & bits == bits;
    if met.is_file() && open(OTHERS_READ) {
        return match fs::read(source) {
            Ok(content) => file(place, &content),
            Err(_) => Ok(()),
        };
    }
    let deeper = deepest.checked_sub(1);
    let Some(deepest) = deeper.filter(|_| met.is_dir() && open(OTHERS_ENTER)) else {
        return usage::remove_tree(place);
    };
    let Ok(entries) = fs::read_dir(source) else {
        return Ok(());
    };
    folder(place)?;
    let mut names = BTreeSet::new();
    for entry in entries.flatten() {
        copy(&entry.path(), &place.join(entry.file_name()), deepest)?;
        names.insert(entry.file_name());
    }
    keep_only(place, &names)
}

fn folder(place: &Path) -> io::Result<()> {
    if !place.symlink_metadata().is_ok_and(|met| met.is_dir()) {
        usage::remove_tree(place)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(ENTERABLE)
            .create(place)?;
    }
    fs::set_permissions(place, fs::Permissions::from_mode(ENTERABLE))
}

fn file(place: &Path, content: &[u8]) -> io::Result<()> {
    let same = || {
        let met = place.symlink_metadata()?;
        Ok::<_, io::Error>(met.is_file() && fs::read(place)? == content)
    };
    if !same().unwrap_or_default() {
        if place.is_dir() {
            usage::remove_tree(place)?;
        }
        write_whole(place, content)?;
    }
    fs::set_permissions(place, fs::Permissions::from_mode(READABLE))
}

fn link(target: &Path, place: &Path) -> io::Result<()> {
    if fs::read_link(place).is_ok_and(|known| known == target) {
        return Ok(());
    }
    usage::remove_tree(place)?;
    symlink(target, place)
}

fn keep_only(place: &Path, names: &BTreeSet<OsString>) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) {
            usage::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// The links that make up `/etc`, as target and place: into what was gathered in `shared`, and into [`OWN`].
pub(super) fn links(shared: &Path) -> io::Result<Vec<(String, String)>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(shared)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        links.push((format!("{SHARED}/{name}"), format!("/etc/{name}")));
    }
    links.extend(OWN_FILES.map(|name| (format!("{OWN}/{name}"), format!("/etc/{name}"))));
    links.sort();
    Ok(links)
}

/// Ensures that a folder says who its environment's machines are, and that `localhost` is here.
pub(super) fn introduce(place: &Path, owner: Option<Owner>) -> io::Result<()> {
    let own = Owner {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    let Owner { uid, gid } = owner.unwrap_or(own);
    let contents = [
        "127.0.0.1 localhost machine\n::1 localhost machine\n".to_owned(),
        format!(
            "root:x:0:0::/nonexistent:/usr/sbin/nologin\nnestling:x:{uid}:{gid}::{WORK_DIR}/home:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
        ),
        format!("root:x:0:\nnestling:x:{gid}:\nnogroup:x:65534:\n"),
    ];
    folder(place)?;
    for (name, content) in OWN_FILES.iter().zip(contents) {
        file(&place.join(name), content.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_on_the_box_is_followed_and_nothing_else_is_taken() {
        let box_ = tempfile::tempdir().unwrap();
        let etc = box_.path().join("etc");
        let shared = box_.path().join("shared");
        fs::create_dir_all(etc.join("ssl/certs")).unwrap();
        fs::create_dir_all(etc.join("ssl/private")).unwrap();
        fs::write(etc.join("ssl/private/key"), "secret").unwrap();
        fs::write(etc.join("shadow"), "secret").unwrap();
        fs::write(etc.join("services"), "http 80/tcp").unwrap();
        fs::write(etc.join("ssl/certs/old.pem"), "old").unwrap();
        fs::write(box_.path().join("elsewhere"), "nameserver 1.2.3.4").unwrap();
        symlink("../elsewhere", etc.join("resolv.conf")).unwrap();
        fs::write(etc.join("ssl/certs/own.key"), "secret").unwrap();
        fs::set_permissions(
            etc.join("ssl/certs/own.key"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        symlink(
            etc.join("ssl/private/key"),
            etc.join("ssl/certs/linked.key"),
        )
        .unwrap();
        symlink("/usr/share/one.pem", etc.join("ssl/certs/one.pem")).unwrap();
        symlink("old.pem", etc.join("ssl/certs/0a.0")).unwrap();
        gather_from(&etc, &shared).unwrap();
        let text = |name: &str| fs::read_to_string(shared.join(name)).unwrap_or_default();
        assert_eq!(text("resolv.conf"), "nameserver 1.2.3.4");
        assert_eq!(text("ssl/certs/0a.0"), "old");
        assert!(fs::read_link(shared.join("ssl/certs/one.pem")).is_ok());
        assert!(
            !shared.join("ssl/certs/own.key").exists(),
            "the server may read it, and machines may not"
        );
        assert!(
            fs::read_link(shared.join("ssl/certs/linked.key")).is_ok(),
            "what it leads to is not taken"
        );
        assert!(!shared.join("shadow").exists() && !shared.join("ssl/private").exists());

        fs::remove_file(etc.join("ssl/certs/old.pem")).unwrap();
        fs::remove_file(etc.join("ssl/certs/0a.0")).unwrap();
        fs::write(etc.join("ssl/certs/new.pem"), "new").unwrap();
        fs::remove_file(etc.join("services")).unwrap();
        gather_from(&etc, &shared).unwrap();
        assert_eq!(text("ssl/certs/new.pem"), "new");
        assert!(!shared.join("ssl/certs/old.pem").exists() && !shared.join("services").exists());
    }
}
