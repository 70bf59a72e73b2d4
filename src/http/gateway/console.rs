//! Who may see a console. A console can read and change everything in its app, and has no login of its
//! own, so it always asks for ours, and only its own pages may speak to it.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap},
    },
    web::Query,
};
use nestling_domain::ids::Timestamp;

use super::{
    cookies,
    grants::CONSOLE_SESSION_LIFE,
    heads::Upgrade,
    hooks::Hooks,
    pages::{self, wants_page},
};

/// A request to a console, as its guard sees it.
pub(super) struct Caller<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) upgrade: Upgrade,
    /// `http` or `https`.
    pub(super) scheme: &'a str,
    /// Host as the client wrote it, with its port.
    pub(super) host: &'a str,
    /// The dashboard's address, without a trailing slash.
    pub(super) dashboard: &'a str,
}

impl Caller<'_> {
    /// `None` when the console may be asked; else what is answered instead.
    pub(super) fn refusal(&self, hooks: &dyn Hooks, now: Timestamp) -> Option<HttpResponse> {
        if !self.comes_from_its_own_pages() {
            let text =
                "this console answers its own pages only; the request came from another site\n";
            return Some(pages::text(StatusCode::FORBIDDEN, text));
        }
        if self.is_logged_in(hooks, now) {
            return None;
        }
        Some(
            if self.upgrade == Upgrade::No && self.method == Method::GET && wants_page(self.headers)
            {
                self.to_login()
            } else {
                let login = format!("Nestling login=\"{}\"", self.login_address());
                let mut answer = pages::answer(StatusCode::UNAUTHORIZED);
                answer.insert_header((header::WWW_AUTHENTICATE, login));
                answer.body("this console asks for the dashboard's login; open it in a browser\n")
            },
        )
    }

    /// The one door into a console: `/.nestling/login?grant=…`, where the dashboard sends the browser.
    pub(super) fn login(&self, query: &str, hooks: &dyn Hooks, now: Timestamp) -> HttpResponse {
        let fields = Query::<Vec<(String, String)>>::from_query(query)
            .map(Query::into_inner)
            .unwrap_or_default();
        let field = |name: &str| {
            fields
                .iter()
                .find(|(found, _)| found == name)
                .map(|(_, value)| value.as_str())
        };
        let session =
            field("grant").and_then(|grant| hooks.redeem_console(grant, &self.name(), now));
        let Some(session) = session else {
            // A grant that is too old or used twice: ask again rather than show an error.
            return self.to_login();
        };
        let secure = if self.scheme == "https" {
            "; Secure"
        } else {
            ""
        };
        // Lax, not Strict: the visit arrives by a redirect from the dashboard, which is another site.
        let cookie = format!(
            "{}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
            cookies::CONSOLE,
            CONSOLE_SESSION_LIFE.as_secs()
        );
        let to = field("to").filter(|to| is_local(to)).unwrap_or("/");
        see_other(to)
            .insert_header((header::SET_COOKIE, cookie))
            .finish()
    }

    fn is_logged_in(&self, hooks: &dyn Hooks, now: Timestamp) -> bool {
        let mut found = self.headers.get_all(header::COOKIE);
        // Two Cookie fields: one of them was not written by a browser.
        let (Some(cookie), None) = (found.next(), found.next()) else {
            return false;
        };
        let session = cookies::value(cookie.as_bytes(), cookies::CONSOLE);
        session.is_some_and(|session| hooks.console_admits(session, &self.name(), now))
    }

    /// Whether nothing says that another site's page sent this. Cookies alone would not tell: other previews
    /// may count as the same site.
    fn comes_from_its_own_pages(&self) -> bool {
        let text = |name: &str| {
            self.headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        let own = format!("{}://{}", self.scheme, self.host);
        let origin_fits = text("origin").map(|origin| origin.eq_ignore_ascii_case(&own));
        if self.upgrade == Upgrade::WebSocket {
            return origin_fits == Some(true);
        }
        let visit = self.method == Method::GET
            && text("sec-fetch-mode") == Some("navigate")
            && text("sec-fetch-dest") == Some("document");
        let site_fits = matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"));
        origin_fits != Some(false) && (site_fits || visit)
    }

    fn to_login(&self) -> HttpResponse {
        see_other(&self.login_address()).finish()
    }

    fn login_address(&self) -> String {
        let to = format!("{}://{}{}", self.scheme, self.host, self.path);
        format!("{}/console-login?to={}", self.dashboard, escape(&to))
    }

    /// The host's name: lower case, without port.
    fn name(&self) -> String {
        self.host
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    }
}

fn see_other(to: &str) -> HttpResponseBuilder {
    let mut answer = pages::answer(StatusCode::SEE_OTHER);
    answer.insert_header((header::LOCATION, to));
    answer
}

/// Whether an address is a path on the same host: `//evil` and `/\evil` are not.
fn is_local(to: &str) -> bool {
    let rest = to.strip_prefix('/');
    rest.is_some_and(|rest| !rest.starts_with(['/', '\\']))
        && to.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Percent-encodes everything that could end a query value.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(|digit| {
                char::from_digit(u32::from(digit), 16)
                    .unwrap_or('0')
                    .to_ascii_uppercase()
            }));
        }
        escaped
    })
}
