//! The files that pages refer to, compiled in. Their names carry a digest of their content, so that a
//! browser may keep them for ever and never mixes two releases.

use std::sync::LazyLock;

use nestling_domain::announcement::digest;

/// What a browser may load and do on our pages: our own files, and nothing that stands in the page itself.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The same, of a page whose one form goes to another server: that origin and no other.
pub fn policy_towards(origin: &str) -> String {
    CONTENT_SECURITY_POLICY.replace("form-action 'self'", &format!("form-action {origin}"))
}

/// For answers under [`FOLDER`]: the name changes with the content.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
/// Where the files are.
pub const FOLDER: &str = "/assets/";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its name with the digest: `nestling.0123456789abcdef.css`.
    pub name: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, content: &'static str) -> Self {
        let name = format!("{stem}.{:016x}.{ending}", digest(content));
        Asset {
            name,
            content_type,
            content,
        }
    }

    /// Its path.
    pub fn path(&self) -> String {
        format!("{FOLDER}{}", self.name)
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "nestling",
        "css",
        "text/css; charset=utf-8",
        include_str!("assets/nestling.css"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "nestling",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("assets/nestling.js"),
    )
});
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "nest",
        "svg",
        "image/svg+xml",
        include_str!("assets/nest.svg"),
    )
});

/// How pages look.
pub fn style() -> &'static Asset {
    &STYLE
}

/// How pages live.
pub fn script() -> &'static Asset {
    &SCRIPT
}

/// The nest in a browser's tab.
pub fn icon() -> &'static Asset {
    &ICON
}

/// The file of this name, if it is one of ours in this release.
pub fn find(name: &str) -> Option<&'static Asset> {
    [style(), script(), icon()]
        .into_iter()
        .find(|asset| asset.name == name)
}
