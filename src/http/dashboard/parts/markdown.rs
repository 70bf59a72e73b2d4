//! Our announcement's Markdown as HTML.
//!
//! The text is ours and what is from outside in it is escaped, but this does not rely on it: HTML in it is
//! shown as text, except for the two elements that the announcement writes itself ([`Fold`]), which are
//! written anew here; links lead to http addresses or nowhere; images are their description.

use super::icons::{Icon, icon};
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

/// The two elements that the announcement writes, as they stand on a line of their own.
enum Fold<'a> {
    Open,
    Summary(&'a str),
    Close,
}

/// Renders it. Every `<details>` that was opened is closed.
pub fn render(markdown: &str) -> Markup {
    let mut safe = Safe::default();
    let events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES)
        .flat_map(|event| safe.make(event))
        .collect();
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events.into_iter());
    out.push_str(&"</details>".repeat(safe.open));
    html! { div.prose { (PreEscaped(out)) } }
}

#[derive(Default)]
struct Safe {
    /// How many `<details>` are open.
    open: usize,
    /// For each link that is open, whether it leads somewhere.
    links: Vec<bool>,
}

impl Safe {
    fn make<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                html.lines().filter_map(|line| self.html(line)).collect()
            }
            Event::Start(Tag::Link { ref dest_url, .. }) => {
                let leads = ["http://", "https://"]
                    .iter()
                    .any(|scheme| dest_url.starts_with(scheme));
                self.links.push(leads);
                if leads { vec![event] } else { Vec::new() }
            }
            Event::End(TagEnd::Link) => {
                if self.links.pop() == Some(true) {
                    vec![event]
                } else {
                    Vec::new()
                }
            }
            Event::Text(text) => signs(&text),
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => Vec::new(),
            // Nothing of these is more than text and the elements of Markdown.
            Event::Start(_)
            | Event::End(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => vec![event],
        }
    }

    fn html<'a>(&mut self, line: &str) -> Option<Event<'a>> {
        let ours = match fold(line) {
            Some(Fold::Open) => {
                self.open += 1;
                "<details>".to_owned()
            }
            Some(Fold::Close) if self.open > 0 => {
                self.open -= 1;
                "</details>".to_owned()
            }
            Some(Fold::Summary(text)) if self.open > 0 => {
                html! { summary { (unescape(text)) } }.into_string()
            }
            Some(Fold::Close | Fold::Summary(_)) => return None,
            None if line.trim() == "<br>" => return Some(Event::HardBreak),
            // Our marker, and whatever else pretends to be one: nobody is to see it.
            None if line.trim().starts_with("<!--") && line.trim().ends_with("-->") => return None,
            None => return Some(Event::Text(CowStr::from(line.to_owned()))),
        };
        Some(Event::Html(CowStr::from(ours)))
    }
}

/// The announcement's signs as icons of ours, as not every machine has a font with such signs.
fn signs<'a>(text: &str) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let mut rest = text;
    while let Some((at, sign, shows, tone)) = SIGNS
        .iter()
        .filter_map(|(sign, shows, tone)| Some((rest.find(sign)?, sign, shows, tone)))
        .min_by_key(|(at, ..)| *at)
    {
        events.push(Event::Text(CowStr::from(rest[..at].to_owned())));
        let drawn = html! { span class=(tone) { (icon(*shows)) } };
        events.push(Event::InlineHtml(CowStr::from(drawn.into_string())));
        rest = rest[at + sign.len()..].trim_start_matches('\u{fe0f}');
    }
    events.push(Event::Text(CowStr::from(rest.to_owned())));
    events
}

/// Each sign with the icon and the tone that stand for it.
const SIGNS: [(&str, Icon, &str); 11] = [
    ("⏳", Icon::Clock, "waiting"),
    ("🔨", Icon::Gear, "working"),
    ("✅", Icon::Check, "good"),
    ("⚠", Icon::Warning, "troubled"),
    ("❌", Icon::Cross, "bad"),
    ("⏸", Icon::Pause, "resting"),
    ("🗑", Icon::Gone, "gone"),
    ("⏭", Icon::Skip, "resting"),
    ("🛠", Icon::Console, "gone"),
    ("🌐", Icon::Globe, "gone"),
    ("🔗", Icon::Link, "gone"),
];

fn fold(line: &str) -> Option<Fold<'_>> {
    match line.trim() {
        "<details>" => Some(Fold::Open),
        "</details>" => Some(Fold::Close),
        line => {
            let text = line.strip_prefix("<summary>")?.strip_suffix("</summary>")?;
            Some(Fold::Summary(text))
        }
    }
}

/// The text that was escaped for [`Fold::Summary`]; maud escapes it again, whatever it is.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_folds_and_http_links_become_elements() {
        let text = "<!-- nestling:7:12 -->\n**Nest** <b onclick=x>b</b> [ok](http://a/) [no](javascript:alert(1)) ![i](http://a/i.png)\n\n\
                    <details open onclick=x>\n<summary>no</summary>\n\n<details>\n<summary>a &lt;b&gt;</summary>\n\n<script>alert(1)</script>\n\n| a |\n|---|\n| b<br>c |\n";
        insta::assert_snapshot!(render(text).into_string(), @r#"
        <div class="prose"><p><strong>Nest</strong> &lt;b onclick=x&gt;b&lt;/b&gt; <a href="http://a/">ok</a> no i</p>
        &lt;details open onclick=x&gt;<details><summary>a &lt;b&gt;</summary>&lt;script&gt;alert(1)&lt;/script&gt;<table><thead><tr><th>a</th></tr></thead><tbody>
        <tr><td>b<br />
        c</td></tr>
        </tbody></table>
        </details></div>
        "#);
    }
}
