//! Visitors of an app, through the gateway: who asks again and again, who holds a WebSocket, who follows events.
//! Each goes on until it is told to end, and then says what it saw and what went wrong.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::server::pause;

/// Twenty requests a second.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Between two words on the WebSocket.
const SPEAK_EVERY: Duration = Duration::from_millis(100);
/// Longer than anything that the gateway promises may take: its drain is over after 10 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// A close frame with the code 1012, "service restart", and our answer to it.
const RESTART: [u8; 4] = [0x88, 2, 0x03, 0xf4];
const GOODBYE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4];

/// Where an app is visited.
#[derive(Clone)]
pub(crate) struct At {
    pub(crate) label: &'static str,
    pub(crate) port: u16,
}

/// What a visitor saw.
pub(crate) struct Saw {
    /// Answers, echoes or events.
    pub(crate) good: usize,
    pub(crate) wrong: Vec<String>,
}

/// A visitor, until it is told to end.
pub(crate) struct Visitor {
    over: Arc<AtomicBool>,
    ends: Arc<AtomicUsize>,
    thread: JoinHandle<Saw>,
}

impl Visitor {
    fn start(visit: impl FnOnce(&AtomicBool, &AtomicUsize) -> Saw + Send + 'static) -> Self {
        let (over, ends) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let (told, counts) = (over.clone(), ends.clone());
        Visitor {
            over,
            ends,
            thread: std::thread::spawn(move || visit(&told, &counts)),
        }
    }

    /// How often its stream came to an end as promised, until now.
    pub(crate) fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self) -> Saw {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }

    /// How the answer to one visit begins.
    pub(crate) fn answer(port: u16, label: &'static str) -> String {
        let head = "GET / HTTP/1.1\r\nConnection: close";
        let mut stream = At { label, port }.connect(head).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer);
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Asks for a megabyte twenty times a second, however long an answer takes.
    pub(crate) fn asking(at: At) -> Self {
        Self::start(move |over, _| {
            let mut asked = Vec::new();
            let began = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let at = at.clone();
                asked.push(std::thread::spawn(move || at.megabyte()));
                let due = ASK_EVERY * u32::try_from(asked.len()).unwrap();
                pause(due.saturating_sub(began.elapsed()));
            }
            let (good, wrong): (Vec<_>, Vec<_>) = asked
                .into_iter()
                .map(|one| one.join().unwrap())
                .partition(Result::is_ok);
            Saw {
                good: good.len(),
                wrong: wrong.into_iter().filter_map(Result::err).collect(),
            }
        })
    }

    /// Holds a WebSocket, says a word on it ten times a second and hears it back.
    pub(crate) fn speaking(at: At) -> Self {
        Self::start(move |over, ends| at.held(over, ends, At::speak))
    }

    /// Follows the event stream.
    pub(crate) fn following(at: At) -> Self {
        Self::start(move |over, ends| at.held(over, ends, At::follow))
    }
}

impl At {
    /// A connection on which this head, without its host, is sent.
    pub(crate) fn connect(&self, head: &str) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let host = format!("Host: {}.localhost:{}", self.label, self.port);
        stream.write_all(format!("{head}\r\n{host}\r\n\r\n").as_bytes())?;
        Ok(stream)
    }

    fn megabyte(&self) -> Result<(), String> {
        let ask = || {
            let mut stream = self.connect("GET /big HTTP/1.1\r\nConnection: close")?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok::<_, io::Error>(answer)
        };
        let answer = ask().map_err(|error| error.to_string())?;
        let head = String::from_utf8_lossy(&answer[..answer.len().min(200)]);
        if head.starts_with("HTTP/1.1 200") && answer.len() > 1_000_000 {
            return Ok(());
        }
        Err(format!("{} bytes: {head}", answer.len()))
    }

    /// Holds one stream after the other: each must begin at once, and end as promised.
    fn held(
        &self,
        over: &AtomicBool,
        ends: &AtomicUsize,
        hold: impl Fn(&Self, &AtomicBool, &mut usize) -> io::Result<()>,
    ) -> Saw {
        let mut saw = Saw {
            good: 0,
            wrong: Vec::new(),
        };
        while !over.load(Ordering::Relaxed) {
            match hold(self, over, &mut saw.good) {
                Ok(()) if over.load(Ordering::Relaxed) => {}
                Ok(()) => {
                    ends.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => saw.wrong.push(error.to_string()),
            }
        }
        saw
    }

    fn speak(&self, over: &AtomicBool, good: &mut usize) -> io::Result<()> {
        let head = "GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let mut stream = BufReader::new(self.connect(head)?);
        begins(&mut stream, "HTTP/1.1 101")?;
        while !over.load(Ordering::Relaxed) {
            // Masked with zeros: what is said reads as it is.
            stream.get_mut().write_all(b"\x81\x84\0\0\0\0word")?;
            let mut frame = [0; 4];
            stream.read_exact(&mut frame)?;
            if frame == RESTART {
                return stream.get_mut().write_all(&GOODBYE);
            }
            let mut rest = [0; 2];
            stream.read_exact(&mut rest)?;
            if (frame, rest) != (*b"\x81\x04wo", *b"rd") {
                return Err(io::Error::other(format!("heard {frame:?} {rest:?}")));
            }
            *good += 1;
            pause(SPEAK_EVERY);
        }
        Ok(())
    }

    fn follow(&self, over: &AtomicBool, good: &mut usize) -> io::Result<()> {
        let mut stream = BufReader::new(self.connect("GET /events HTTP/1.1")?);
        begins(&mut stream, "HTTP/1.1 200")?;
        let mut heard = String::new();
        while !over.load(Ordering::Relaxed) {
            let chunk = chunk(&mut stream)?;
            if chunk.is_empty() {
                let whole = heard.is_empty();
                return whole.then_some(()).ok_or_else(|| {
                    io::Error::other(format!("it was cut in a message: {heard:?}"))
                });
            }
            heard.push_str(&chunk);
            while let Some(end) = heard.find("\n\n") {
                if !heard.starts_with("data: {") {
                    return Err(io::Error::other(format!("it said {heard:?}")));
                }
                heard.drain(..end + 2);
                *good += 1;
            }
        }
        Ok(())
    }
}

/// Reads the head of an answer that must begin like this.
fn begins(stream: &mut BufReader<TcpStream>, with: &str) -> io::Result<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::Error::other(format!("it ended after {head:?}")));
        }
    }
    let good = head.starts_with(with);
    good.then_some(())
        .ok_or_else(|| io::Error::other(format!("instead of {with}: {head}")))
}

/// The next chunk of a body; empty at its end.
fn chunk(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut size = String::new();
    stream.read_line(&mut size)?;
    let size = usize::from_str_radix(size.trim(), 16)
        .map_err(|_| io::Error::other("the stream was cut without an end"))?;
    let mut bytes = vec![0; size + 2];
    stream.read_exact(&mut bytes)?;
    bytes.truncate(size);
    String::from_utf8(bytes).map_err(io::Error::other)
}
