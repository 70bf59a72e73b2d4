//! A model of the server: the protocol on a unix socket, with a memory and with moods.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use nestling_protocol::bundle::Bundle;
use nestling_protocol::log::{Line, Lines, Log, Upload, UploadAddress};
use nestling_protocol::report::{Answer, Failure, Next, Phase, Report};
use nestling_protocol::test::{ARTIFACT, Results};
use nestling_protocol::{Problem, path};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::PATIENCE;

pub const TOKEN: &str = "token-of-this-machine";

/// What the server knows and how it feels.
pub struct State {
    pub bundle: Bundle,
    pub source: Vec<u8>,
    pub reports: Vec<Report>,
    pub heartbeats: u32,
    pub live: Vec<(Log, Line)>,
    pub uploads: BTreeMap<String, (Vec<u8>, bool)>,
    /// How often each name was put.
    pub puts: BTreeMap<String, u32>,
    announced: Vec<Upload>,
    /// Answers everything with this status instead.
    pub mood: Option<StatusCode>,
    /// Answers so many requests with a conflict that is not about being stale.
    pub conflicts: u32,
    /// Answers that the source cannot be had, for this reason.
    pub no_source: Option<String>,
    /// Answers `stop`.
    pub stopping: bool,
    /// Answers `prepared` with `wait` so many times.
    pub waits: u32,
    /// What was done against the protocol.
    pub wrong: Vec<String>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Model {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
    serving: Arc<Mutex<Option<tokio::task::JoinHandle<()>>>>,
}

impl Model {
    pub fn new(socket: PathBuf, bundle: Bundle, source: Vec<u8>) -> Self {
        let state = State {
            bundle,
            source,
            reports: vec![],
            heartbeats: 0,
            live: vec![],
            uploads: BTreeMap::new(),
            puts: BTreeMap::new(),
            announced: vec![],
            mood: None,
            conflicts: 0,
            no_source: None,
            stopping: false,
            waits: 0,
            wrong: vec![],
        };
        Model {
            socket,
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(watch::Sender::new(0)),
            serving: Arc::default(),
        }
    }

    /// Starts to listen, as after a restart.
    pub fn start(&self) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        std::fs::set_permissions(
            &self.socket,
            std::os::unix::fs::PermissionsExt::from_mode(0o666),
        )
        .unwrap();
        let model = self.clone();
        let serving = tokio::spawn(async move {
            // Dropped with this task: a killed server leaves no connection behind.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let model = model.clone();
                let service = service_fn(move |request| {
                    let model = model.clone();
                    async move { Ok::<_, Infallible>(model.answer(request).await) }
                });
                connections.spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        *self.serving.lock().unwrap() = Some(serving);
    }

    /// Goes away, as by `kill -9`.
    pub fn kill(&self) {
        if let Some(serving) = self.serving.lock().unwrap().take() {
            serving.abort();
        }
        let _ = std::fs::remove_file(&self.socket);
    }

    pub fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.send_modify(|n| *n += 1);
    }

    /// Forgets what one deployment said.
    pub fn forget(&self) {
        self.change(|state| {
            state.reports.clear();
            state.live.clear();
            state.uploads.clear();
            state.puts.clear();
            state.stopping = false;
        });
    }

    /// Waits until the server knows something.
    pub async fn until(&self, what: &str, known: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        let whole = async {
            while !self.state(&known) {
                changes.changed().await.unwrap();
            }
        };
        let known = timeout(PATIENCE, whole).await.is_ok();
        assert!(
            known,
            "not {what} in time; the server knows:\n{}",
            self.state(State::all_text)
        );
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return status(StatusCode::BAD_REQUEST);
        };
        let body = body.to_bytes();
        let mut response = None;
        self.change(|state| {
            response = Some(state.answer(&head.method, head.uri.path(), &head.headers, &body));
        });
        response.unwrap()
    }
}

impl State {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        headers: &hyper::HeaderMap,
        body: &Bytes,
    ) -> Response<Full<Bytes>> {
        if headers
            .get("authorization")
            .is_none_or(|given| *given != format!("Bearer {TOKEN}"))
        {
            self.wrong.push(format!("{path} without the token"));
            return status(StatusCode::UNAUTHORIZED);
        }
        if self.conflicts > 0 {
            self.conflicts -= 1;
            return problem(StatusCode::CONFLICT, "conflict", None);
        }
        if let Some(mood) = self.mood {
            let kind = if mood == StatusCode::CONFLICT {
                "stale"
            } else {
                "mood"
            };
            return problem(mood, kind, None);
        }
        match (method, path) {
            (&Method::GET, path::BUNDLE) => json(&self.bundle),
            (&Method::GET, path::SOURCE) if self.no_source.is_some() => problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unfit",
                self.no_source.as_deref(),
            ),
            (&Method::GET, path::SOURCE) => Response::new(self.source.clone().into()),
            (&Method::POST, path::REPORT) => self.report(serde_json::from_slice(body).unwrap()),
            (&Method::POST, path::HEARTBEAT) => {
                self.heartbeats += 1;
                json(&self.next(false))
            }
            (&Method::POST, path::LOGS) => {
                let lines: Lines = serde_json::from_slice(body).unwrap();
                if body.len() > 64 * 1024 {
                    self.wrong.push(format!("a batch of {} bytes", body.len()));
                }
                self.live
                    .extend(lines.lines.into_iter().map(|line| (lines.log, line)));
                status(StatusCode::NO_CONTENT)
            }
            (&Method::POST, path::UPLOAD) => {
                self.announced.push(serde_json::from_slice(body).unwrap());
                json(&UploadAddress {
                    url: format!("/runner/v1/blobs/{}", self.announced.len() - 1),
                })
            }
            (&Method::PUT, path) => self.put(path, body),
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    fn report(&mut self, report: Report) -> Response<Full<Bytes>> {
        let prepared = matches!(report.phase, Phase::Prepared { .. });
        let last = self.reports.last().map_or(0, |last| last.seq);
        if report.seq == last + 1 {
            self.reports.push(report);
        } else if report.seq != last {
            self.wrong
                .push(format!("report {} after {last}", report.seq));
        }
        json(&self.next(prepared))
    }

    fn next(&mut self, prepared: bool) -> Answer {
        let next = if self.stopping {
            Next::Stop
        } else if prepared && self.waits > 0 {
            self.waits -= 1;
            Next::Wait
        } else {
            Next::Go
        };
        Answer { next, token: None }
    }

    fn put(&mut self, path: &str, body: &Bytes) -> Response<Full<Bytes>> {
        let announced = path
            .rsplit('/')
            .next()
            .and_then(|n| n.parse::<usize>().ok())
            .and_then(|n| self.announced.get(n))
            .cloned();
        let Some(upload) = announced else {
            return status(StatusCode::NOT_FOUND);
        };
        if upload.length != body.len() as u64 {
            self.wrong.push(format!(
                "{} bytes announced for {}, {} put",
                upload.length,
                upload.name,
                body.len()
            ));
        }
        if let Some((before, true)) = self.uploads.get(&upload.name)
            && before != body.as_ref()
        {
            self.wrong
                .push(format!("{} was written after it was sealed", upload.name));
        }
        *self.puts.entry(upload.name.clone()).or_default() += 1;
        self.uploads
            .insert(upload.name, (body.to_vec(), upload.sealed));
        status(StatusCode::NO_CONTENT)
    }

    pub fn said(&self, what: impl Fn(&Phase) -> bool) -> bool {
        self.reports.iter().any(|report| what(&report.phase))
    }

    /// The phases that were reported, by name.
    pub fn phases(&self) -> Vec<String> {
        self.reports
            .iter()
            .map(|report| {
                serde_json::to_value(&report.phase).unwrap()["phase"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    pub fn failure(&self) -> Option<Failure> {
        let found = |phase: &Phase| {
            if let Phase::Failed(failure) = phase {
                Some(failure.clone())
            } else {
                None
            }
        };
        self.reports.iter().find_map(|report| found(&report.phase))
    }

    /// The lines of a log, from its segments; their numbers must have no gap.
    pub fn log(&self, log: Log) -> Vec<String> {
        let prefix = format!("logs/{}/", log.name());
        let segments = self
            .uploads
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix));
        let text: String = segments
            .map(|(_, (bytes, _))| String::from_utf8(unpacked(bytes)).unwrap())
            .collect();
        let lines: Vec<Line> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for (n, line) in lines.iter().enumerate() {
            assert_eq!(line.n, n as u64, "a gap in log {}", log.name());
        }
        lines.into_iter().map(|line| line.text).collect()
    }

    pub fn results(&self) -> Results {
        serde_json::from_slice(&self.uploads[ARTIFACT].0).unwrap()
    }

    /// Everything that the server ever got, for a person.
    pub fn all_text(&self) -> String {
        let live: Vec<&str> = self
            .live
            .iter()
            .map(|(_, line)| line.text.as_str())
            .collect();
        let uploads: Vec<_> = self
            .uploads
            .iter()
            .map(|(name, (bytes, _))| {
                let content = unpacked(bytes);
                format!("{name}: {}", String::from_utf8_lossy(&content))
            })
            .collect();
        format!(
            "{:#?}\n{}\n{}\n{:?}",
            self.reports,
            live.join("\n"),
            uploads.join("\n"),
            self.wrong
        )
    }
}

/// What an upload says: segments of logs are packed.
fn unpacked(upload: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    match flate2::read::GzDecoder::new(upload).read_to_end(&mut content) {
        Ok(_) => content,
        Err(_) => upload.to_vec(),
    }
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    Response::new(serde_json::to_vec(value).unwrap().into())
}

fn problem(status: StatusCode, kind: &str, detail: Option<&str>) -> Response<Full<Bytes>> {
    let mut response = json(&Problem {
        kind: format!("urn:nestling:{kind}"),
        detail: detail.unwrap_or_default().to_owned(),
    });
    *response.status_mut() = status;
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
