//! Serving a folder of files: content types, an index, a fallback for single-page apps, and never a file
//! outside of the folder, but for what links in it lead to in the rest of the checkout.

mod file;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixListener;

use crate::endpoints::next_visitor;

/// A client that sends no whole request in this time is let go.
const HEADER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
/// What a folder answers with.
const INDEX: &str = "index.html";
/// What a site shows for a page that it does not have.
const NOT_FOUND: &str = "404.html";

type Body = BoxBody<Bytes, std::io::Error>;

/// Serves `folder`, which lies in `checkout`, on `listener`, for as long as the runner lives.
pub(crate) fn serve(listener: UnixListener, folder: PathBuf, checkout: PathBuf) {
    let site = Arc::new(Site { folder, checkout });
    tokio::spawn(async move {
        loop {
            let (stream, place) = next_visitor(&listener).await;
            let site = Arc::clone(&site);
            tokio::spawn(async move {
                let _place = place;
                let service = service_fn(|request| {
                    let site = Arc::clone(&site);
                    async move { Ok::<_, Infallible>(site.answer(&request).await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// The type of a file whose name tells none.
const UNKNOWN: &str = "application/octet-stream";

struct Site {
    folder: PathBuf,
    /// Where links may lead, too.
    checkout: PathBuf,
}

/// What an address leads to.
enum Found {
    File(PathBuf, StatusCode),
    /// A folder asked for without its closing slash: its relative links would break.
    Folder,
    Nothing,
}

impl Site {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are served here\n",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let wants_page = request
            .headers()
            .get("accept")
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        match self.find(request.uri().path(), wants_page) {
            Found::File(path, status) => file::answer(request, &path, status)
                .await
                .unwrap_or_else(|_| gone()),
            Found::Folder => {
                let mut response = plain(StatusCode::MOVED_PERMANENTLY, "");
                // Two slashes in front would name another host.
                let path = request.uri().path().trim_matches('/');
                let query = request.uri().query().map(|query| format!("?{query}"));
                let place = format!("/{path}/{}", query.unwrap_or_default());
                if let Ok(place) = HeaderValue::from_str(&place) {
                    response.headers_mut().insert(LOCATION, place);
                }
                response
            }
            Found::Nothing => gone(),
        }
    }

    /// The file for an address. A page that is not there falls back to the site's index, so that a
    /// single-page app answers under every address; a missing image stays missing.
    fn find(&self, path: &str, wants_page: bool) -> Found {
        let Some(relative) = relative(path) else {
            return Found::Nothing;
        };
        if let Some(found) = self.inside(&relative) {
            if found.is_file() {
                return Found::File(found, StatusCode::OK);
            }
            if let Some(index) = self
                .inside(&relative.join(INDEX))
                .filter(|index| index.is_file())
            {
                return if path.ends_with('/') {
                    Found::File(index, StatusCode::OK)
                } else {
                    Found::Folder
                };
            }
        }
        if let Some(page) = self
            .inside(&relative.with_extension("html"))
            .filter(|page| page.is_file() && relative.extension().is_none())
        {
            return Found::File(page, StatusCode::OK);
        }
        if let Some(page) = self
            .inside(Path::new(NOT_FOUND))
            .filter(|page| page.is_file())
        {
            return Found::File(page, StatusCode::NOT_FOUND);
        }
        // `/user/john.doe` is a page, `/missing.png` is none, whoever asks.
        let fallback = wants_page && content_type(&relative) == UNKNOWN;
        self.inside(Path::new(INDEX))
            .filter(|index| fallback && index.is_file())
            .map_or(Found::Nothing, |index| Found::File(index, StatusCode::OK))
    }

    /// What lies there, links followed, if it is still inside the folder or else the checkout; nothing of git's own.
    fn inside(&self, relative: &Path) -> Option<PathBuf> {
        let root = self.folder.canonicalize().ok()?;
        let full = root.join(relative).canonicalize().ok()?;
        let checkout = self.checkout.canonicalize().ok()?;
        let below = full.strip_prefix(root).or(full.strip_prefix(checkout));
        let mut parts = below.ok()?.components();
        let is_git = parts.any(|part| part.as_os_str() == ".git");
        (!is_git).then_some(full)
    }
}

/// The path of an address below the folder; nothing for one that climbs or names hidden files.
fn relative(path: &str) -> Option<PathBuf> {
    let decoded = decode(path)?;
    let mut relative = PathBuf::new();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".well-known" => relative.push(part),
            part if part.starts_with('.')
                || part.contains(['\\', '\0'])
                || part == "node_modules" =>
            {
                return None;
            }
            part => relative.push(part),
        }
    }
    Some(relative)
}

fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn gone() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "there is no such file here\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(
        Full::new(Bytes::from_static(text.as_bytes()))
            .map_err(|never| match never {})
            .boxed(),
    );
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn empty() -> Body {
    Full::new(Bytes::new())
        .map_err(|never| match never {})
        .boxed()
}

fn content_type(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_climbs_out_or_names_hidden_files() {
        for bad in [
            "/../etc/passwd",
            "/%2e%2e/x",
            "/a/../../b",
            "/.env",
            "/.git/config",
            "/a%00b",
            "/a\\..\\b",
            "/%2",
            "/%ff",
        ] {
            assert_eq!(relative(bad), None, "{bad}");
        }
        assert_eq!(relative("/a//b/./c%20d"), Some("a/b/c d".into()));
    }

    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("p")).unwrap();
        std::fs::write(folder.path().join("index.html"), "hi").unwrap();
        let site = Site {
            folder: folder.path().into(),
            checkout: folder.path().into(),
        };
        assert!(matches!(site.find("/p", false), Found::Nothing));
        assert!(
            matches!(site.find("/any/page", true), Found::File(_, StatusCode::OK)),
            "single-page fallback"
        );
        assert!(matches!(site.find("/missing.png", true), Found::Nothing));
    }

    #[test]
    fn a_link_leads_to_files_of_the_checkout_and_no_further() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        let checkout = outside.path().join("app");
        let folder = checkout.join("web");
        for made in [&folder, &checkout.join(".git"), &checkout.join("shared")] {
            std::fs::create_dir_all(made).unwrap();
        }
        for file in ["secret", "app/.git/config", "app/shared/home.html"] {
            std::fs::write(outside.path().join(file), file).unwrap();
        }
        symlink("../shared/home.html", folder.join("index.html")).unwrap();
        symlink("../shared", folder.join("shared")).unwrap();
        symlink("../.git/config", folder.join("config")).unwrap();
        symlink("../../secret", folder.join("secret")).unwrap();
        let site = Site { folder, checkout };
        let home = outside.path().canonicalize().unwrap();
        let home = home.join("app/shared/home.html");
        assert!(matches!(site.find("/", true), Found::File(file, _) if file == home));
        assert!(
            matches!(site.find("/shared/home.html", true), Found::File(file, _) if file == home)
        );
        for none in ["/config", "/secret"] {
            assert!(matches!(site.find(none, false), Found::Nothing), "{none}");
        }
    }
}
