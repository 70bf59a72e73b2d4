//! Our own icons: strokes on a grid of 16, in the colour of the text around them.

use maud::{Markup, html};
use nestling_protocol::bundle;

/// An icon, by what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after what it shows")]
pub enum Icon {
    Clock,
    Gear,
    Check,
    Warning,
    Cross,
    Pause,
    Gone,
    Branch,
    PullRequest,
    Commit,
    Open,
    Copy,
    Console,
    Link,
    Globe,
    Lock,
    Search,
    Play,
    Stop,
    Again,
    Download,
    Skip,
    Dot,
    Wing,
    Node,
    Static,
    Any,
}

impl Icon {
    /// The icon of a kind of app.
    pub fn of(kind: bundle::Kind) -> Self {
        match kind {
            bundle::Kind::Wing => Icon::Wing,
            bundle::Kind::Node => Icon::Node,
            bundle::Kind::Static => Icon::Static,
            bundle::Kind::Any => Icon::Any,
        }
    }

    fn strokes(self) -> &'static str {
        match self {
            Icon::Clock => "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.200l2 1.3",
            Icon::Gear => "M13.5 8a5.5 5.5 0 1 1-2-4.240M13.5 2.5v3h-3",
            Icon::Check => "M3.5 8.5l3 3 6-7",
            Icon::Warning => "M8 2.5l6 10.5H2zM8 6.5v3M8 11.200v.1",
            Icon::Cross => "M4 4l8 8M12 4l-8 8",
            Icon::Pause => "M5.5 3.5v9M10.5 3.5v9",
            Icon::Gone => "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9h5.800l.6-9",
            Icon::Branch => {
                "M4.5 5.5v5M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6.5c0 3-7 1.5-7 4"
            }
            Icon::PullRequest => {
                "M4.5 5.5v5M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 10.5V6a2 2 0 0 0-2-2H7.5M9 2.5L7.5 4 9 5.5"
            }
            Icon::Commit => {
                "M1.5 8h3.800M10.7 8h3.800M8 5.300a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.400z"
            }
            Icon::Open => "M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3L7.5 8.5",
            Icon::Copy => "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
            Icon::Console => "M2 3h12v10H2zM4.5 6l2 2-2 2M8.5 10h3",
            Icon::Link => {
                "M6.5 9.5l3-3M7 5l1.5-1.5a2.5 2.5 0 0 1 4 3.5L11 8.5M9 11l-1.5 1.5a2.5 2.5 0 0 1-4-3.5L5 7.5"
            }
            Icon::Globe => {
                "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11M8 2.5c3 3 3 8 0 11-3-3-3-8 0-11z"
            }
            Icon::Lock => "M4 7.5h8v6H4zM5.5 7.5V5.5a2.5 2.5 0 0 1 5 0v2",
            Icon::Search => "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.300l3.2 3.2",
            Icon::Play => "M5 3l8 5-8 5z",
            Icon::Stop => "M4 4h8v8H4z",
            Icon::Again => "M2.5 8a5.5 5.5 0 1 1 1.6 3.900M2.5 13v-3h3",
            Icon::Download => "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
            Icon::Skip => "M3.5 4l5 4-5 4zM11.5 4v8",
            Icon::Dot => "M8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
            Icon::Wing => {
                "M2 12.5c7.5.5 11.5-3 12-10-5 .2-8.5 1.8-9.5 5M4.5 7.5c-1.5 1-2.3 3-2.5 5M6 9.5c2-.3 4-1 5.5-2.3"
            }
            Icon::Node => "M8 1.800l5.5 3.100v6.200L8 14.200l-5.5-3.100V4.900zM6 10V6l4 4V6",
            Icon::Static => {
                "M2 3h12v10H2zM2 6h12M4 4.5h.1M6 4.5h.1M5.5 8.5L4 10l1.5 1.5M10.5 8.5L12 10l-1.5 1.5"
            }
            Icon::Any => "M8 2l5.5 3v6L8 14l-5.5-3V5zM2.5 5L8 8l5.5-3M8 8v6",
        }
    }
}

/// Draws an icon. The word beside it says the same, so that it is hidden from who listens.
pub fn icon(icon: Icon) -> Markup {
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false" {
            path d=(icon.strokes()) {}
        }
    }
}

/// The nest.
pub fn logo() -> Markup {
    html! {
        svg.logo viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false" {
            ellipse.egg cx="11.8" cy="13.4" rx="4" ry="5.2" {}
            ellipse.egg cx="20.2" cy="13.4" rx="4" ry="5.2" {}
            ellipse.egg-front cx="16" cy="11.6" rx="4.2" ry="5.6" {}
            path.bowl d="M2.5 15.5c1 8.2 6.3 12.5 13.5 12.5s12.5-4.3 13.5-12.5c-3.5 2-8.2 3-13.5 3s-10-1-13.5-3z" {}
            path.twigs d="M5 20.5c6 3 16 3 22 0M8 24c5 2 11 2 16 0" {}
        }
    }
}
