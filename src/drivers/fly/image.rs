//! Whether a registry has an image, asked as Fly will ask when it makes the first machine of it
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use reqwest::Url;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Fly, shapes};

/// The registry of the organisation's own images.
const OF_FLY: &str = "registry.fly.io";
/// Where images are that name no registry.
const DOCKER_HUB: &str = "registry-1.docker.io";
/// All that an image may be described by.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// What a registry says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// It has it.
    There,
    /// It has none of that name and tag.
    Missing,
    /// It does not say; for people, why. Fly may get the image all the same.
    Unseen(String),
}

/// Where an image is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// With its port, if it has one.
    registry: String,
    name: String,
    /// A tag or a digest.
    version: String,
}

impl Place {
    fn of(image: &str) -> Self {
        let (registry, path) = match image.split_once('/') {
            Some(("docker.io", path)) => (DOCKER_HUB, path),
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, path)
            }
            Some(_) | None => (DOCKER_HUB, image),
        };
        let (name, version) = match (path.split_once('@'), path.rsplit_once(':')) {
            // Beside a digest a tag says nothing.
            (Some((name, digest)), _) => (name.split(':').next().unwrap_or(name), digest),
            (None, Some((name, tag))) => (name, tag),
            (None, None) => (path, "latest"),
        };
        let is_official = registry == DOCKER_HUB && !name.contains('/');
        Place {
            registry: registry.to_owned(),
            name: if is_official {
                format!("library/{name}")
            } else {
                name.to_owned()
            },
            version: version.to_owned(),
        }
    }

    /// As Docker has it: what is on this very box needs no TLS.
    fn url(&self) -> String {
        let host = self.registry.split(':').next().unwrap_or_default();
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
        let scheme = if is_here { "http" } else { "https" };
        let Place {
            registry,
            name,
            version,
        } = self;
        format!("{scheme}://{registry}/v2/{name}/manifests/{version}")
    }
}

/// What a registry that gives out tokens of its own answers there.
#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
}

impl Fly {
    /// Looks whether the registry has an image. That of Fly is shown the organisation's token, and nobody else is.
    pub async fn image(&self, image: &str) -> Image {
        let place = Place::of(image);
        match self.manifest(&place).await {
            Ok(StatusCode::OK) => Image::There,
            Ok(StatusCode::NOT_FOUND) => Image::Missing,
            Ok(status) => Image::Unseen(format!("{} answers {status}", place.registry)),
            Err(why) => Image::Unseen(format!("{}: {why}", place.registry)),
        }
    }

    async fn manifest(&self, place: &Place) -> Result<StatusCode, String> {
        // The registry of a model is where its API is.
        let is_model = self
            .base
            .starts_with(&format!("http://{}/", place.registry));
        let own = (place.registry == OF_FLY || is_model).then(|| {
            // As `fly` prints it, with the name of its scheme in front, Docker would not show it.
            let token = self.token.as_str();
            let token = token.strip_prefix("FlyV1 ").unwrap_or(token);
            format!("Basic {}", STANDARD.encode(format!("x:{token}")))
        });
        let look = |shown: Option<String>| {
            let request = Request::builder().method(Method::HEAD).uri(place.url());
            let request = request.header(ACCEPT, MANIFESTS);
            self.fetch(request, shown)
        };
        let answer = look(own.clone()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer.status());
        }
        let challenge = answer.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok());
        let Some(desk) = challenge.and_then(|challenge| desk(challenge, place)) else {
            return Ok(answer.status());
        };
        let shown = own.filter(|_| is_of_fly(&desk));
        let given = self.fetch(Request::builder().uri(desk.as_str()), shown);
        let given: Given = shapes::read(given.await?.body())?;
        let token = given.token.or(given.access_token);
        let token = token.ok_or("it gives no token to look with")?;
        let answer = look(Some(format!("Bearer {token}"))).await?;
        Ok(answer.status())
    }

    async fn fetch(
        &self,
        request: hyper::http::request::Builder,
        shown: Option<String>,
    ) -> Result<Response<Vec<u8>>, String> {
        let mut request = request
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        if let Some(shown) = shown {
            let mut shown =
                HeaderValue::try_from(shown).map_err(|_| "its token is no text".to_owned())?;
            shown.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, shown);
        }
        let patience = self.pace.seeing;
        let answered = timeout(patience, self.way.carry(request)).await;
        answered.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
    }
}

/// Where a registry has whoever comes without a token get one: `Bearer realm="…",service="…",scope="…"`.
fn desk(challenge: &str, place: &Place) -> Option<Url> {
    let fields = challenge.strip_prefix("Bearer ")?;
    let field = |name: &str| {
        let rest = fields.split_once(&format!("{name}=\""))?.1;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let mut url = Url::parse(&field("realm")?).ok()?;
    if url.scheme() != "https" {
        return None;
    }
    let scope = format!("repository:{}:pull", place.name);
    url.query_pairs_mut()
        .append_pair("service", &field("service").unwrap_or_default())
        .append_pair("scope", &field("scope").unwrap_or(scope));
    Some(url)
}

fn is_of_fly(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host == "fly.io" || host.ends_with(".fly.io"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_looked_for_where_docker_would() {
        let at = |image: &str| Place::of(image).url();
        assert_eq!(
            at("registry.fly.io/nestling:runner"),
            "https://registry.fly.io/v2/nestling/manifests/runner"
        );
        assert_eq!(
            at("127.0.0.1:4090/nestling"),
            "http://127.0.0.1:4090/v2/nestling/manifests/latest"
        );
        let hub = "https://registry-1.docker.io/v2";
        assert_eq!(at("nginx"), format!("{hub}/library/nginx/manifests/latest"));
        assert_eq!(
            at("docker.io/acme/runner:v1@sha256:ab"),
            format!("{hub}/acme/runner/manifests/sha256:ab")
        );
    }

    #[test]
    fn a_token_is_asked_for_where_the_registry_says_and_of_nobody_in_plain_text() {
        let place = Place::of("acme/runner");
        let desk = |realm: &str| {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.docker.io\"");
            desk(&challenge, &place).map(String::from)
        };
        assert_eq!(
            desk("https://auth.docker.io/token").as_deref(),
            Some(
                "https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Aacme%2Frunner%3Apull"
            )
        );
        assert_eq!(desk("http://auth.docker.io/token"), None);
        let of_fly = |url: &str| is_of_fly(&Url::parse(url).unwrap());
        assert!(of_fly("https://api.fly.io/token"));
        assert!(!of_fly("https://fly.io.example.com/token"));
    }
}
