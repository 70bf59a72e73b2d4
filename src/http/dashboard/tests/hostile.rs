//! What somebody writes into titles, branches, messages, log lines and tests stays text, on every page.

use super::{
    dom::{Element, elements},
    gallery::{fragments, pages},
    sample::Words,
};

/// After the lists that testers use, one of each kind.
const VECTORS: [&str; 42] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext></p><style><img src onerror=alert(1)></style></math>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "' onfocus='alert(1)' autofocus='",
    "` onclick=`alert(1)`",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=http://evil/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=http://evil/x.css>",
    "<style>@import 'http://evil/x.css';</style>",
    "<form action=http://evil/><input name=csrf>",
    "</form><form action=http://evil/>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<details open ontoggle=alert(1)>",
    "</details></summary></td></tr></table></main><h1>evil</h1>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<!--<script>alert(1)</script>-->",
    "--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62;",
    "[x](javascript:alert(1)) ![x](http://evil/x.png) <http://evil/>",
    "| a | b |\n|---|---|\n# heading\n\n<details>\n<summary><b onclick=alert(1)>x</b></summary>",
    "\u{1b}[31\"><script>alert(1)</script>m red \u{1b}[0m",
    "\u{1b}]8;;javascript:alert(1)\u{7}link\u{1b}]8;;\u{7}",
    "\u{1b}[38;2;<img src=x onerror=alert(1)>m",
    "\u{0}<\u{0}script>alert(1)</script>\u{202e}gnp.exe",
];

#[test]
fn no_text_from_outside_becomes_an_element_or_an_attribute_on_any_page() {
    let plain: Vec<(String, Vec<String>)> = pages(&Words::all("plain"))
        .into_iter()
        .map(|(name, page)| (name, shape(&elements(&page))))
        .collect();
    for vector in VECTORS {
        for ((name, page), (_, plain)) in pages(&Words::all(vector)).iter().zip(&plain) {
            let all = elements(page);
            for element in &all {
                inert(element, &format!("{name} with {vector:?}"));
            }
            let shape = shape(&all);
            let differs = shape
                .iter()
                .zip(plain)
                .find(|(hostile, plain)| hostile != plain);
            assert!(
                shape.len() == plain.len() && differs.is_none(),
                "{name} with {vector:?} has other elements: {differs:?}"
            );
        }
    }
}

#[test]
fn no_text_from_outside_becomes_an_element_in_a_fragment() {
    for vector in VECTORS {
        for (name, _, fragment) in fragments(&Words::all(vector)) {
            for element in &elements(&fragment) {
                inert(element, &format!("fragment {name} with {vector:?}"));
            }
        }
    }
}

#[test]
fn what_was_written_is_still_readable() {
    let text = "<b>bold</b> & \"quoted\" 'it' ünïcode $(x) && y";
    for (name, page) in pages(&Words::all(text)) {
        let shown = elements(&page)
            .iter()
            .any(|element| element.name == "h1" && element.text.contains(text));
        assert!(
            shown
                || !name.starts_with("environment-")
                || name.starts_with("environment-production"),
            "{name}"
        );
    }
}

/// Nothing in a page does anything by itself but our one script, and every address is http, a path or an anchor.
fn inert(element: &Element, place: &str) {
    let ours = |value: &str| value.starts_with("/assets/");
    match element.name.as_str() {
        "script" => assert!(
            element.get("src").is_some_and(ours) && element.text.is_empty(),
            "{place}: {element:?}"
        ),
        "link" => assert!(
            element.get("href").is_some_and(ours),
            "{place}: {element:?}"
        ),
        "iframe" | "object" | "embed" | "base" | "style" | "img" | "video" | "audio" | "math"
        | "template" | "foreignObject" | "animate" | "use" | "set" => {
            panic!("{place}: {element:?}")
        }
        "meta" => assert!(element.get("http-equiv").is_none(), "{place}: {element:?}"),
        "form" => assert!(
            element
                .get("action")
                .is_some_and(|to| to.starts_with('/') && !to.starts_with("//")),
            "{place}: {element:?}"
        ),
        _ => {}
    }
    for (name, value) in &element.attributes {
        assert!(!name.starts_with("on"), "{place}: {element:?}");
        assert!(
            !matches!(
                name.as_str(),
                "style" | "srcdoc" | "formaction" | "ping" | "background"
            ),
            "{place}: {element:?}"
        );
        if matches!(name.as_str(), "href" | "src" | "action" | "xlink:href") {
            let path = value.starts_with('/') && !value.starts_with("//");
            let web = value.starts_with("http://") || value.starts_with("https://");
            let fine = path || value.starts_with('#') || web;
            assert!(
                fine && !value.contains(['<', '"', '\'', ' ']),
                "{place}: {name}={value:?}"
            );
        }
    }
}

/// The elements of a page with the names of their attributes, without what depends on what a text says:
/// runs of colour, paragraphs of the announcement.
fn shape(all: &[Element]) -> Vec<String> {
    all.iter()
        .filter(|element| {
            !element
                .get("class")
                .is_some_and(|class| class.starts_with("ink-") || class.starts_with("sgr-"))
        })
        .map(|element| {
            let names: Vec<&str> = element
                .attributes
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            format!("{} {}", element.name, names.join(" "))
        })
        .collect()
}
