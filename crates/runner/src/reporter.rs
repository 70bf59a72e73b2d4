//! Reports and heartbeats: said in order, until answered.
//!
//! Reports go through one queue, so that a server that is away delays neither the work nor the app: most
//! reports are only queued ([`Reporter::tell`]); those whose answer decides are waited for
//! ([`Reporter::ask`]).

use std::time::Duration;

use nestling_protocol::path;
use nestling_protocol::report::{Answer, Heartbeat, Next, Phase, Report};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::machine::Machine;
use crate::server::{Attempt, Server, Stale};
use crate::stop::Stop;

/// How often the runner says that it lives; the server counts 60 s of silence as lost.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// How long the runner waits before it asks again whether it may go on.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A report and who waits for its answer.
type Queued = (Phase, oneshot::Sender<Result<(), Stale>>);

/// Says one report after the other.
pub(crate) struct Reporter {
    queue: mpsc::UnboundedSender<Queued>,
}

/// Who speaks, and to whom.
struct Speaker {
    server: Server,
    stop: Stop,
    generation: u32,
    boot: String,
    seq: u64,
}

impl Reporter {
    /// Begins to report as this boot of this generation. The queue holds the dozen reports of a run,
    /// and few more: of restarts, and of a change of ports.
    pub(crate) fn new(server: Server, stop: Stop, generation: u32, boot: String) -> Self {
        let (queue, mut queued) = mpsc::unbounded_channel::<Queued>();
        let mut speaker = Speaker {
            server,
            stop,
            generation,
            boot,
            seq: 0,
        };
        tokio::spawn(async move {
            while let Some((phase, answer)) = queued.recv().await {
                let _ = answer.send(speaker.say(phase).await);
            }
        });
        Reporter { queue }
    }

    /// Queues what happened; being stale reaches the runner through its stop.
    pub(crate) fn tell(&self, phase: Phase) {
        let (answer, _) = oneshot::channel();
        // Fails only when the runtime ends, and then nobody is left to tell.
        let _ = self.queue.send((phase, answer));
    }

    /// Queues what people should know, of what this machine found since.
    pub(crate) fn tell_notes(&self, machine: &Machine) {
        for text in machine.take_notes() {
            self.tell(Phase::Noted { text });
        }
    }

    /// Says what happened and waits until the server says *go*.
    pub(crate) async fn ask(&self, phase: Phase) -> Result<(), Stale> {
        let (answer, answered) = oneshot::channel();
        self.queue.send((phase, answer)).map_err(|_| Stale)?;
        answered.await.unwrap_or(Err(Stale))
    }
}

impl Speaker {
    /// Says it until it is answered `go`. A `wait` is asked again, with the same number.
    async fn say(&mut self, phase: Phase) -> Result<(), Stale> {
        self.seq += 1;
        let report = Report {
            generation: self.generation,
            boot: self.boot.clone(),
            seq: self.seq,
            phase,
        };
        loop {
            let answer: Answer = self.server.insist_post(path::REPORT, &report).await?;
            match heed(answer, &self.server, &self.stop)? {
                Next::Wait => sleep(ASK_AGAIN).await,
                Next::Go | Next::Stop => return Ok(()),
            }
        }
    }
}

/// Says that the runner lives, every ten seconds, until told to stop.
pub(crate) fn keep_alive(server: Server, stop: Stop, generation: u32, boot: String) {
    let heartbeat = Heartbeat { generation, boot };
    tokio::spawn(async move {
        let mut ticks = interval(HEARTBEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The report that came before said as much as the first tick would.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match server.post_once(path::HEARTBEAT, &heartbeat).await {
                Ok(answer) => drop(heed(answer, &server, &stop)),
                Err(Attempt::Stale) => stop.now(),
                // The next heartbeat is the retry.
                Err(Attempt::Away(_) | Attempt::Refused(..) | Attempt::Disk(_)) => {}
            }
        }
    });
}

fn heed(answer: Answer, server: &Server, stop: &Stop) -> Result<Next, Stale> {
    if let Some(token) = answer.token {
        server.renew(token);
    }
    if answer.next == Next::Stop {
        stop.now();
        return Err(Stale);
    }
    Ok(answer.next)
}
