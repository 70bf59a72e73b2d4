//! Machines that run something real: here a small server of this process, which stands for a program.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use nestling_world::fly::{Boot, Check, Ended, Health, Host, Phase, Times};
use serde_json::json;

use crate::support::{World, machine};

/// The network that the app is on.
const HOME: (&str, &str) = ("acme", "shop");

/// A server on loopback that says which machine it is, with a status that a story sets.
#[derive(Debug)]
struct Program {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    fn start(words: String, status: Arc<AtomicU16>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.and_then(|stream| answer(stream, &words, &status));
            }
        });
        Ok(Program {
            address,
            stop,
            thread: Some(thread),
        })
    }
}

fn answer(mut stream: TcpStream, words: &str, status: &AtomicU16) -> std::io::Result<()> {
    let mut taken = [0; 1_024];
    let _ = stream.read(&mut taken)?;
    let (status, length) = (status.load(Ordering::SeqCst), words.len());
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{words}"
    )
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Loopback(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    programs: Mutex<BTreeMap<String, Program>>,
    status: Arc<AtomicU16>,
    signals: Mutex<Vec<String>>,
    ended: Mutex<Vec<Ended>>,
}

impl Default for Inner {
    fn default() -> Self {
        Inner {
            programs: Mutex::default(),
            status: Arc::new(AtomicU16::new(200)),
            signals: Mutex::default(),
            ended: Mutex::default(),
        }
    }
}

impl Host for Loopback {
    fn start(&mut self, boot: &Boot) -> Result<(), String> {
        let greeting = boot.env.get("GREETING").cloned().unwrap_or_default();
        let words = format!("{greeting} from {}", boot.name);
        let program = Program::start(words, self.0.status.clone());
        let program = program.map_err(|error| error.to_string())?;
        self.0
            .programs
            .lock()
            .unwrap()
            .insert(boot.machine.clone(), program);
        Ok(())
    }
    fn signal(&mut self, machine: &str, signal: &str) {
        self.0
            .signals
            .lock()
            .unwrap()
            .push(format!("{machine} {signal}"));
    }
    fn halt(&mut self, machine: &str) {
        self.0.programs.lock().unwrap().remove(machine);
    }
    fn suspend(&mut self, _: &str) {}
    fn resume(&mut self, machine: &str) -> Result<(), String> {
        let there = self.0.programs.lock().unwrap().contains_key(machine);
        there.then_some(()).ok_or_else(|| "it is gone".to_owned())
    }
    fn destroy(&mut self, machine: &str) {
        self.halt(machine);
    }
    fn destroy_volume(&mut self, _: &str) {}
    fn address(&self, machine: &str, port: u16) -> Option<SocketAddr> {
        let programs = self.0.programs.lock().unwrap();
        programs
            .get(machine)
            .filter(|_| port == 3000)
            .map(|program| program.address)
    }
    fn health(&self, machine: &str, check: &Check) -> Health {
        match self.address(machine, check.port) {
            Some(address) => Health::At(address),
            None => Health::Failing("connection refused".into()),
        }
    }
    fn ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut *self.0.ended.lock().unwrap())
    }
}

/// What a program says at an address.
fn visit(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    let (_, body) = said.split_once("\r\n\r\n").context("no answer")?;
    Ok(body.to_owned())
}

#[tokio::test]
async fn a_machine_runs_a_program_that_is_reached_and_checked() -> Result<()> {
    let world = World::with_app().await?;
    let host = Loopback::default();
    world.fly.act(|fly| fly.run_on(host.clone()));
    world
        .post(
            "/apps/shop/secrets",
            json!({ "values": { "GREETING": "hello" } }),
        )
        .await?
        .expect(200);
    let mut new = machine("one", json!({}));
    new["config"]["checks"]["up"]["interval"] = json!("20ms");
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    world
        .fly
        .until("its health", |fly| fly.is_healthy(id))
        .await?;
    let private = made["private_ip"].as_str().unwrap().parse()?;
    let address = world
        .fly
        .look(|fly| fly.reach(HOME, private, 3000))
        .context("no address")?;
    assert_eq!(visit(address)?, "hello from one");
    assert_eq!(world.fly.look(|fly| fly.reach(HOME, private, 80)), None);
    // The model asks the program itself.
    host.0.status.store(500, Ordering::SeqCst);
    world
        .fly
        .until("its illness", |fly| !fly.is_healthy(id))
        .await?;
    let one = format!("/apps/shop/machines/{id}");
    let shown = world.get(&one).await?.expect(200);
    assert_eq!(shown["checks"][0]["status"], "critical");
    assert!(
        shown["checks"][0]["output"]
            .as_str()
            .unwrap()
            .starts_with("500"),
        "{shown}"
    );
    host.0.status.store(200, Ordering::SeqCst);
    world
        .fly
        .until("its health", |fly| fly.is_healthy(id))
        .await?;

    world
        .post(&format!("{one}/stop"), json!({ "signal": "SIGTERM" }))
        .await?
        .expect(200);
    world.reaches(id, Phase::Stopped).await?;
    assert!(visit(address).is_err(), "it still runs");
    assert_eq!(*host.0.signals.lock().unwrap(), [format!("{id} SIGTERM")]);
    world.finish()
}

#[tokio::test]
async fn a_program_that_ends_by_itself_is_noticed() -> Result<()> {
    let world = World::with_app().await?;
    let host = Loopback::default();
    world.fly.act(|fly| fly.run_on(host.clone()));
    let mut new = machine("one", json!({}));
    new["config"]["restart"] = json!({ "policy": "no" });
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    world.reaches(id, Phase::Started).await?;
    host.0.ended.lock().unwrap().push(Ended {
        machine: id.to_owned(),
        exit_code: 137,
    });
    world.reaches(id, Phase::Stopped).await?;
    let one = format!("/apps/shop/machines/{id}");
    let shown = world.get(&one).await?.expect(200);
    assert_eq!(
        shown["events"][0]["request"]["exit_event"]["exit_code"],
        137
    );
    world.finish()
}

#[tokio::test]
async fn what_runs_ends_with_the_model_and_with_its_host() -> Result<()> {
    let world = World::with_app().await?;
    let host = Loopback::default();
    world.fly.act(|fly| {
        fly.run_on(host.clone());
        fly.faults
            .hold("shop", Phase::Destroying, 3_600_000, Times::Only(1));
    });
    for name in ["one", "two"] {
        let made = world
            .post("/apps/shop/machines", machine(name, json!({})))
            .await?
            .expect(200);
        world
            .reaches(made["id"].as_str().unwrap(), Phase::Started)
            .await?;
    }
    let running = || host.0.programs.lock().unwrap().len();
    assert_eq!(running(), 2);
    let first = world.fly.look(|fly| fly.machines_of("shop")[0].id.clone());
    let address = world
        .fly
        .look(|fly| fly.reach(HOME, fly.machines[&first].private_ip, 3000))
        .unwrap();
    // Nobody reaches the host, and what it runs goes on.
    world.fly.act(|fly| fly.lose_host(&first, true))?;
    assert_eq!(visit(address)?, " from one");
    // Now it has no power, either.
    world.fly.act(|fly| fly.lose_host(&first, false))?;
    assert!(visit(address).is_err());
    world.fly.act(|fly| fly.find_host(&first))?;
    world.reaches(&first, Phase::Started).await?;
    assert_eq!(running(), 2);
    drop(world);
    assert_eq!(running(), 0);
    Ok(())
}
