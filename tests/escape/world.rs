//! A box with a data folder, some machines, and things that no machine may reach.

use std::{
    fs,
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use nestling::{
    domain::ids::{EnvironmentId, Generation},
    drivers::sandbox::{Config, INIT_INSIDE, Isolation, Sandbox},
    messages::machines::{End, Size, Spec},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::probes::Facts;

/// Far beyond what anything here takes, so that a failure says so.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) data: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        World::in_folder(&std::env::temp_dir())
    }

    /// On the disk, also where folders of tests lie in memory: files that lie there count as memory of the machine that writes them.
    pub(crate) fn on_the_disk() -> Self {
        World::in_folder(Path::new("/var/tmp"))
    }

    fn in_folder(folder: &Path) -> Self {
        World {
            runtime: Runtime::new().unwrap(),
            data: tempfile::tempdir_in(folder).unwrap(),
        }
    }

    pub(crate) fn config(&self, program: &[&str]) -> Config {
        let this = std::env::current_exe().unwrap();
        let mut config = Config::new(
            self.data.path().join("data"),
            this,
            self.data.path().join("server.sock"),
        );
        config.program = program.iter().map(|word| (*word).to_owned()).collect();
        config
    }

    /// Machines in which this binary runs with these words.
    pub(crate) fn open(&self, words: &[&str]) -> Sandbox {
        self.open_as(self.config(&[&[INIT_INSIDE, "inside"], words].concat()))
    }

    pub(crate) fn open_as(&self, config: Config) -> Sandbox {
        let _runtime = self.runtime.enter();
        Sandbox::open(config).unwrap()
    }

    pub(crate) fn machine(&self, environment: &str, generation: u32) -> PathBuf {
        self.environment(environment).join(generation.to_string())
    }

    pub(crate) fn environment(&self, environment: &str) -> PathBuf {
        self.data
            .path()
            .join("data/machines/environments")
            .join(environment)
    }

    pub(crate) fn ensure(&self, sandbox: &Sandbox, environment: &str, generation: u32) {
        self.runtime
            .block_on(sandbox.ensure(&id(environment), Generation(generation), &spec()))
            .unwrap();
    }

    /// What the program inside reported.
    pub(crate) fn result(&self, environment: &str, generation: u32) -> String {
        let machine = self.machine(environment, generation);
        let file = machine.join("run/result");
        until(|| {
            fs::read_to_string(&file)
                .ok()
                .or_else(|| fs::read_to_string(machine.join("verdict")).ok())
        })
    }

    pub(crate) fn watch(&self, sandbox: &Sandbox, environment: &str, generation: u32) -> End {
        let environment = id(environment);
        let watching = sandbox.watch(&environment, Generation(generation));
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, watching).await })
            .expect("it did not end")
    }

    /// Asks a machine's program over its socket; how long the answer took.
    pub(crate) fn ask(&self, sandbox: &Sandbox, environment: &str, generation: u32) -> Duration {
        let begun = Instant::now();
        let answer = self.runtime.block_on(async {
            let mut stream = sandbox
                .dial(&id(environment), Generation(generation), "app.sock")
                .await
                .unwrap();
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text)
                .await
                .unwrap();
            text
        });
        assert_eq!(answer, "pong");
        begun.elapsed()
    }

    pub(crate) fn destroy(&self, sandbox: &Sandbox, environment: &str, erase: bool) {
        let upto = sandbox
            .list()
            .into_iter()
            .filter(|(found, _)| found.0 == environment)
            .map(|(_, generation)| generation)
            .max()
            .unwrap_or_default();
        self.runtime
            .block_on(sandbox.destroy(&id(environment), &[], upto, erase))
            .unwrap();
    }

    /// Processes of this world, wherever they hang: their environment names it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let data = self.data.path().to_string_lossy().into_owned();
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let own = i32::try_from(std::process::id()).unwrap();
        pids.filter(|pid| *pid != own)
            .filter(|pid| {
                let text = |name: &str| {
                    fs::read(format!("/proc/{pid}/{name}"))
                        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                        .unwrap_or_default()
                };
                text("environ").contains(&data) || text("cmdline").contains(&data)
            })
            .collect()
    }

    /// Everything ends, and nothing stays.
    pub(crate) fn finish(self, sandbox: &Sandbox) {
        for (environment, _) in sandbox.list() {
            self.destroy(sandbox, &environment.0, true);
        }
        assert_eq!(sandbox.list(), []);
        assert_eq!(self.processes(), Vec::<i32>::new(), "processes are left");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(
            !mounts.contains(self.data.path().to_str().unwrap()),
            "mounts are left"
        );
        sweep_cgroups();
    }
}

/// The parents of control groups that tests made are empty by now: data folders come and go here.
fn sweep_cgroups() {
    for controller in ["memory", "pids"] {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let Some(path) = own
            .lines()
            .find_map(|line| line.split_once(&format!(":{controller}:")))
            .map(|(_, path)| path.trim_start_matches('/').to_owned())
        else {
            continue;
        };
        for entry in fs::read_dir(Path::new("/sys/fs/cgroup").join(controller).join(path))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with("nestling-") {
                // Another test's, when it is not empty.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

pub(crate) fn id(environment: &str) -> EnvironmentId {
    EnvironmentId(environment.to_owned())
}

pub(crate) fn spec() -> Spec {
    Spec {
        token: "first-token".to_owned(),
        cache: "shop-trusted".to_owned(),
        size: Size {
            memory_mib: 512,
            processes: 200,
            files: 1024,
            disk_mib: 256,
        },
    }
}

/// Looks again and again, until there is an answer.
#[allow(
    clippy::disallowed_methods,
    reason = "a test without a runtime waits for a state, with a deadline"
)]
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs one probe in one position, with everything it could want near by.
pub(crate) fn probe(name: &str, position: &str) -> Result<(), Failed> {
    let world = World::new();
    let outside = Outside::new(&world);
    let facts = serde_json::to_string(&outside.facts).unwrap();
    let sandbox = world.open(&["probe", position, name, &facts]);
    world.ensure(&sandbox, "neighbour", 1);
    let neighbour = world.environment("neighbour").join("state/secret");
    fs::write(&neighbour, "the neighbour's data").unwrap();
    world.ensure(&sandbox, "hostile", 1);
    let result = world.result("hostile", 1);
    let harm = outside.harm();
    assert_eq!(
        fs::read_to_string(&neighbour).unwrap(),
        "the neighbour's data"
    );
    world.finish(&sandbox);
    if !result.starts_with("held: ") {
        return Err(result.into());
    }
    harm.map_or(Ok(()), |harm| Err(harm.into()))
}

/// What lies around on this box.
struct Outside {
    facts: Facts,
    victim: Child,
    _listeners: (TcpListener, UnixListener, UnixListener),
    /// What a careless shell leaves open in every program that it starts.
    _descriptors: [fs::File; 2],
    shared: PathBuf,
}

impl Outside {
    fn new(world: &World) -> Self {
        let folder = world.data.path();
        let victim = Command::new("sleep")
            .arg("600")
            .env("SECRET_OF_THE_BOX", "s3cr3t-of-the-box")
            .spawn()
            .unwrap();
        let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
        let name = format!("nestling-test-{}", std::process::id());
        let abstracts =
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let socket = folder.join("docker.sock");
        let unix = UnixListener::bind(&socket).unwrap();
        let secret = folder.join("secret");
        fs::write(&secret, "s3cr3t-of-the-box").unwrap();
        let descriptors = [&*secret, Path::new("/")].map(|path| {
            let file = fs::File::open(path).unwrap();
            rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
            file
        });
        let shared = PathBuf::from(format!("/dev/shm/{name}"));
        fs::write(&shared, "s3cr3t-of-the-box").unwrap();
        let own = fs::read_to_string("/proc/net/fib_trie").unwrap();
        let mut lan: Vec<String> = own
            .lines()
            .zip(own.lines().skip(1))
            .filter(|(_, next)| next.contains("/32 host LOCAL"))
            .filter_map(|(line, _)| Some(line.split("|-- ").nth(1)?.to_owned()))
            .collect();
        lan.dedup();
        let facts = Facts {
            victim: i32::try_from(victim.id()).unwrap(),
            port: tcp.local_addr().unwrap().port(),
            own_addresses: lan,
            abstract_name: name,
            socket: socket.to_string_lossy().into_owned(),
            secret: secret.to_string_lossy().into_owned(),
            shared: shared.to_string_lossy().into_owned(),
            data: folder.join("data").to_string_lossy().into_owned(),
            home: std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned()),
            as_root: rustix::process::geteuid().is_root(),
        };
        Outside {
            facts,
            victim,
            _listeners: (tcp, abstracts, unix),
            _descriptors: descriptors,
            shared,
        }
    }

    /// What was done to this box, if anything.
    fn harm(mut self) -> Option<String> {
        let mut harm = Vec::new();
        if self.victim.try_wait().unwrap().is_some() {
            harm.push("a process of the box was killed");
        }
        if fs::read_to_string(&self.facts.secret).is_ok_and(|text| text != "s3cr3t-of-the-box") {
            harm.push("a file of the box was changed");
        }
        if [
            "/usr/nestling-was-here",
            "/nestling-was-here",
            "/etc/nestling-was-here",
            "/tmp/nestling-was-here",
        ]
        .iter()
        .any(|path| Path::new(path).exists())
        {
            harm.push("a file was made on the box");
        }
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = fs::remove_file(&self.shared);
        (!harm.is_empty()).then(|| harm.join(", "))
    }
}

/// A config without isolation.
pub(crate) fn plain(mut config: Config) -> Config {
    config.isolation = Isolation::None;
    config
}
