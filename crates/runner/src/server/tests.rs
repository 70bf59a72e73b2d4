//! Stories of uploads, at a server that gives addresses past itself.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use nestling_protocol::log::{Upload, UploadAddress};
use nestling_protocol::path;
use tokio::net::TcpListener;

use super::{Origin, Server, Way};
use crate::stop::Stop;

const NAME: &str = "logs/runtime/000001";

/// A server and a store of blobs on two ports of this box.
#[derive(Default)]
struct Outside {
    /// What the store has.
    stored: BTreeMap<String, Bytes>,
    /// What went through the server.
    through: BTreeMap<String, Bytes>,
    /// How many puts the store refuses.
    refuses: u32,
    /// Headers that the store was told and that are none of its business.
    told: Vec<String>,
    /// Whether the server gives addresses of the store at all.
    gives: bool,
}

#[derive(Clone)]
struct Story(Arc<Mutex<Outside>>);

impl Story {
    /// Both listen; answers how a runner reaches the server.
    async fn begin(gives: bool) -> (Self, Server) {
        let story = Story(Arc::default());
        story.0.lock().unwrap().gives = gives;
        let store = story.listen(String::new()).await;
        let server = story.listen(store).await;
        let way = Way::Network(Origin::read(&server).unwrap());
        (story, Server::new(way, "token".to_owned(), Stop::new()))
    }

    /// Listens as the store, or as the server of this store.
    async fn listen(&self, store: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let story = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (story, store) = (story.clone(), store.clone());
                let service = service_fn(move |request| {
                    let (story, store) = (story.clone(), store.clone());
                    async move { Ok::<_, Infallible>(story.answer(&store, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        base
    }

    async fn answer(&self, store: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut outside = self.0.lock().unwrap();
        match (&head.method, head.uri.path()) {
            (&Method::POST, path::UPLOAD) => {
                let asked: Upload = serde_json::from_slice(&body).unwrap();
                let url = if asked.direct && outside.gives {
                    format!("{store}/{}?signature=s3cret", asked.name)
                } else {
                    format!("/{}", asked.name)
                };
                Response::new(serde_json::to_vec(&UploadAddress { url }).unwrap().into())
            }
            (&Method::PUT, key) if store.is_empty() => {
                assert_eq!(head.uri.query(), Some("signature=s3cret"));
                let names = head.headers.keys().map(ToString::to_string);
                outside.told.extend(names);
                if outside.refuses > 0 {
                    outside.refuses -= 1;
                    return status(StatusCode::FORBIDDEN);
                }
                outside.stored.insert(key[1..].to_owned(), body);
                status(StatusCode::OK)
            }
            (&Method::PUT, key) => {
                outside.through.insert(key[1..].to_owned(), body);
                status(StatusCode::NO_CONTENT)
            }
            _ => status(StatusCode::NOT_FOUND),
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[tokio::test]
async fn what_is_uploaded_goes_past_the_server_and_tells_nobody_else_the_token() {
    let (story, server) = Story::begin(true).await;
    for text in ["", "one", "one and two"] {
        let content = Bytes::from(text);
        server
            .upload(7, NAME, content.clone(), false)
            .await
            .unwrap();
        let outside = story.0.lock().unwrap();
        assert_eq!(outside.stored[NAME], content);
        assert!(outside.through.is_empty());
        assert!(outside.told.iter().all(|name| name != "authorization"));
        assert!(outside.told.iter().any(|name| name == "content-length"));
    }
}

#[tokio::test]
async fn what_the_store_refuses_goes_through_the_server_and_so_does_what_comes_then() {
    let (story, server) = Story::begin(true).await;
    story.0.lock().unwrap().refuses = 1;
    for text in ["one", "one and two"] {
        let content = Bytes::from(text);
        server.upload(7, NAME, content.clone(), true).await.unwrap();
        let outside = story.0.lock().unwrap();
        assert_eq!(outside.through[NAME], content);
        assert!(outside.stored.is_empty());
    }
}

#[tokio::test]
async fn a_server_without_such_addresses_takes_what_is_uploaded_itself() {
    let (story, server) = Story::begin(false).await;
    let content = Bytes::from("one");
    server.upload(7, NAME, content.clone(), true).await.unwrap();
    assert_eq!(story.0.lock().unwrap().through[NAME], content);
}
