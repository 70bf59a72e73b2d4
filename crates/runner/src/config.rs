//! `nestling.toml`: what an app says about itself. Every key is optional; an unknown one is an error.

mod run;

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use run::Run;

/// The name of the file, in the app's folder.
pub(crate) const FILE: &str = "nestling.toml";
/// A larger file is a mistake.
const SIZE_LIMIT: u64 = 64 * 1024;

/// What the app is called; told by the server, which names it.
const NAME: &str = "name";
/// What may run; read by the server, from the default branch.
const POLICY: &str = "policy";
/// The keys of each section.
const SECTIONS: [(&str, &[&str]); 4] = [
    ("setup", &["run"]),
    ("test", &["run", "report"]),
    ("start", &["run", "health", "alone"]),
    ("endpoint", &["name", "port"]),
];

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// `[setup] run`.
    pub(crate) setup: Option<Run>,
    /// `[test] run`.
    pub(crate) test: Option<Run>,
    /// `[test] report`: where the tests leave JUnit XML or TAP.
    pub(crate) report: Option<String>,
    /// `[start] run`.
    pub(crate) start: Option<Run>,
    /// `[start] alone`: whether two instances may not run at once; `None` leaves that to what is found.
    pub(crate) alone: Option<bool>,
    /// `[[endpoint]]`, in order.
    pub(crate) endpoints: Vec<Declared>,
}

/// An endpoint at a port of the app's choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Wrong {
    #[error("unknown key `{key}`{hint}")]
    Unknown {
        line: usize,
        key: String,
        hint: String,
    },
    #[error("`{key}` must be {wanted}")]
    Value {
        line: usize,
        key: String,
        wanted: &'static str,
    },
    #[error("{0}")]
    Unreadable(String),
}

impl Wrong {
    /// The same with its place; `file` is how people know the file.
    pub(crate) fn at(&self, file: &str) -> String {
        match self {
            Wrong::Unknown { line, .. } | Wrong::Value { line, .. } => {
                format!("{file} line {line}: {self}")
            }
            Wrong::Unreadable(_) => format!("{file}: {self}"),
        }
    }
}

/// Reads the file in this folder of the checkout; all defaults where there is none. It may be a link to a file of the
/// checkout.
pub(crate) fn read(folder: &Path, checkout: &Path) -> Result<Config, Wrong> {
    let path = folder.join(FILE);
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(Config::default());
    }
    let within = |path: &Path| {
        let path = path.canonicalize().ok()?;
        let checkout = checkout.canonicalize().ok()?;
        let data = path.metadata().ok()?;
        let fits = path.starts_with(checkout) && data.is_file() && data.len() <= SIZE_LIMIT;
        fits.then_some(path)
    };
    let Some(path) = within(&path) else {
        return Err(Wrong::Unreadable(format!(
            "must be a plain file of at most {} KiB, or a link to one of the repository",
            SIZE_LIMIT / 1024
        )));
    };
    let text =
        std::fs::read_to_string(&path).map_err(|error| Wrong::Unreadable(error.to_string()))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Config, Wrong> {
    // Some editors begin a text with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(text)
        .map_err(|error| Wrong::Unreadable(error.to_string().trim().to_owned()))?;
    let mut reader = Reader {
        text,
        config: Config::default(),
    };
    for (key, value) in table.get_ref() {
        reader.section(key, value)?;
    }
    Ok(reader.config)
}

struct Reader<'t> {
    text: &'t str,
    config: Config,
}

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;

impl Reader<'_> {
    fn section(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
        let name = key.get_ref().as_ref();
        if name == NAME {
            return self.string(key, NAME, value).map(drop);
        }
        if name == POLICY {
            return Ok(());
        }
        let sections = SECTIONS.iter().map(|(section, _)| *section);
        let Some((section, keys)) = SECTIONS.iter().find(|(section, _)| *section == name) else {
            return Err(self.unknown(key, name, sections.chain([NAME, POLICY])));
        };
        match (*section, value.get_ref()) {
            ("endpoint", DeValue::Array(tables)) => tables
                .iter()
                .try_for_each(|table| self.endpoint(key, table, keys)),
            ("endpoint", _) => Err(self.wrong(key, name, "a list of tables: write [[endpoint]]")),
            (section, DeValue::Table(table)) => table
                .iter()
                .try_for_each(|(key, value)| self.entry(section, keys, key, value)),
            _ => Err(self.wrong(key, name, "a table: write it in brackets")),
        }
    }

    fn entry(
        &mut self,
        section: &str,
        keys: &[&str],
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), Wrong> {
        let full = format!("{section}.{}", key.get_ref());
        match full.as_str() {
            "setup.run" => self.config.setup = Some(self.run(key, &full, value)?),
            "test.run" => self.config.test = Some(self.run(key, &full, value)?),
            "start.run" => self.config.start = Some(self.run(key, &full, value)?),
            "test.report" => self.config.report = Some(self.path_inside(key, &full, value)?),
            "start.alone" => {
                let wanted =
                    "true when two instances cannot share what the app keeps, false when they can";
                let alone = value.get_ref().as_bool();
                self.config.alone = Some(alone.ok_or_else(|| self.wrong(key, &full, wanted))?);
            }
            // The server asks there; the runner only knows the key.
            "start.health" => drop(self.string(key, &full, value)?),
            _ => return Err(self.unknown(key, &full, keys.iter().copied())),
        }
        Ok(())
    }

    fn endpoint(
        &mut self,
        place: &Key<'_>,
        table: &Spanned<DeValue<'_>>,
        keys: &[&str],
    ) -> Result<(), Wrong> {
        let DeValue::Table(entries) = table.get_ref() else {
            return Err(self.wrong(place, "endpoint", "a list of tables: write [[endpoint]]"));
        };
        let (mut name, mut port) = (None, None);
        for (key, value) in entries {
            match key.get_ref().as_ref() {
                "name" => {
                    let text = self.string(key, "endpoint.name", value)?;
                    let wanted = "lower-case letters, digits and single hyphens, at most 40, and not `pr-N`, `app` or `console`";
                    let taken = matches!(text.as_str(), "app" | "console");
                    name = Some(if is_endpoint_name(&text) && !taken {
                        text
                    } else {
                        return Err(self.wrong(key, "endpoint.name", wanted));
                    });
                }
                "port" => {
                    let number = value
                        .get_ref()
                        .as_integer()
                        .and_then(|number| number.as_str().parse::<u16>().ok())
                        .filter(|port| *port > 0);
                    port = Some(number.ok_or_else(|| {
                        self.wrong(key, "endpoint.port", "a number from 1 to 65535")
                    })?);
                }
                other => {
                    return Err(self.unknown(
                        key,
                        &format!("endpoint.{other}"),
                        keys.iter().copied(),
                    ));
                }
            }
        }
        let (Some(name), Some(port)) = (name, port) else {
            return Err(self.wrong(place, "endpoint", "given with both name and port"));
        };
        if self
            .config
            .endpoints
            .iter()
            .any(|known| known.name == name || known.port == port)
        {
            return Err(self.wrong(place, "endpoint", "given with a name and a port of its own"));
        }
        self.config.endpoints.push(Declared { name, port });
        Ok(())
    }

    fn run(&self, key: &Key<'_>, full: &str, value: &Spanned<DeValue<'_>>) -> Result<Run, Wrong> {
        let wanted = "a command: a string, or a list of strings";
        let value = value.get_ref();
        let line = value.as_str().and_then(Run::from_line);
        let run = line.or_else(|| {
            let parts = value.as_array()?.iter();
            Run::from_words(
                parts
                    .map(|part| part.get_ref().as_str().map(str::to_owned))
                    .collect::<Option<_>>()?,
            )
        });
        run.ok_or_else(|| self.wrong(key, full, wanted))
    }

    fn path_inside(
        &self,
        key: &Key<'_>,
        full: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<String, Wrong> {
        let path = self.string(key, full, value)?;
        let inside = Path::new(&path).components().all(|part| {
            matches!(
                part,
                std::path::Component::Normal(_) | std::path::Component::CurDir
            )
        });
        if inside {
            Ok(path)
        } else {
            Err(self.wrong(key, full, "a path inside the app's folder"))
        }
    }

    fn string(
        &self,
        key: &Key<'_>,
        full: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<String, Wrong> {
        value
            .get_ref()
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(key, full, "a string"))
    }

    fn unknown<'k>(
        &self,
        key: &Key<'_>,
        full: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> Wrong {
        let (prefix, last) = full
            .rsplit_once('.')
            .map_or((String::new(), full), |(section, last)| {
                (format!("{section}."), last)
            });
        let nearest = known
            .max_by(|a, b| strsim::jaro_winkler(last, a).total_cmp(&strsim::jaro_winkler(last, b)));
        let hint = nearest
            .map(|nearest| format!(", did you mean `{prefix}{nearest}`?"))
            .unwrap_or_default();
        Wrong::Unknown {
            line: self.line(key),
            key: full.to_owned(),
            hint,
        }
    }

    fn wrong(&self, key: &Key<'_>, full: &str, wanted: &'static str) -> Wrong {
        Wrong::Value {
            line: self.line(key),
            key: full.to_owned(),
            wanted,
        }
    }

    fn line(&self, key: &Key<'_>) -> usize {
        let before = self.text.get(..key.span().start).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

/// Whether a text may be the first part of an endpoint's address.
pub(crate) fn is_endpoint_name(text: &str) -> bool {
    let pull_request = text
        .strip_prefix("pr-")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
        && !pull_request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_read() {
        let text = "name = \"shop\"\n[setup]\nrun = \"make all\"\n[test]\nrun = [\"./t\", \"a b\"]\nreport = \"out/junit.xml\"\n[start]\nrun = \"A=1 ./serve && true\"\nhealth = \"/ok\"\nalone = false\n[[endpoint]]\nname = \"admin\"\nport = 9000\n";
        let config = parse(text).unwrap();
        assert_eq!(config.setup.unwrap().argv, ["make", "all"]);
        assert_eq!(config.test.unwrap().argv, ["./t", "a b"]);
        assert_eq!(
            config.start.unwrap().argv,
            ["sh", "-c", "A=1 ./serve && true"]
        );
        assert_eq!(config.alone, Some(false));
        assert_eq!(
            config.endpoints,
            [Declared {
                name: "admin".into(),
                port: 9000
            }]
        );
    }

    #[test]
    fn every_mistake_names_the_line_and_what_would_be_right() {
        let cases = [
            (
                "[start]\nalone = 'yes'",
                "nestling.toml line 2: `start.alone` must be true when two instances cannot share what the app keeps, false when they can",
            ),
            (
                "[setup]\nrunn = 1",
                "nestling.toml line 2: unknown key `setup.runn`, did you mean `setup.run`?",
            ),
            (
                "\n[strat]\nrun = 'x'",
                "nestling.toml line 2: unknown key `strat`, did you mean `start`?",
            ),
            (
                "[start]\nrun = 3",
                "nestling.toml line 2: `start.run` must be a command: a string, or a list of strings",
            ),
            (
                "[test]\nreport = '../x'",
                "nestling.toml line 2: `test.report` must be a path inside the app's folder",
            ),
            (
                "[[endpoint]]\nname = 'a'\nport = 70000",
                "nestling.toml line 3: `endpoint.port` must be a number from 1 to 65535",
            ),
            (
                "[[endpoint]]\nname = 'a'",
                "nestling.toml line 1: `endpoint` must be given with both name and port",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap_err().at(FILE), expected);
        }
        assert!(
            parse("[start\n")
                .unwrap_err()
                .at(FILE)
                .starts_with("nestling.toml: ")
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_mistake() {
        let text = "\u{feff}[setup]\nrunn = 1";
        let wrong = "nestling.toml line 2: unknown key `setup.runn`, did you mean `setup.run`?";
        assert_eq!(parse(text).unwrap_err().at(FILE), wrong);
        assert!(parse("\u{feff}[setup]\nrun = 'x'").is_ok());
    }

    #[test]
    fn a_link_is_read_where_it_leads_to_a_file_of_the_checkout() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        let checkout = outside.path().join("app");
        let folder = checkout.join("web");
        std::fs::create_dir_all(&folder).unwrap();
        let (shared, secret) = (checkout.join("shared.toml"), outside.path().join("secret"));
        std::fs::write(shared, "[start]\nrun = \"./serve\"").unwrap();
        std::fs::write(secret, "[start]\nrun = \"./steal\"").unwrap();
        let linked = |to: &str| {
            let _ = std::fs::remove_file(folder.join(FILE));
            symlink(to, folder.join(FILE)).unwrap();
            read(&folder, &checkout)
        };
        assert!(linked("../shared.toml").unwrap().start.is_some());
        for elsewhere in ["../../secret", "/dev/zero", "nowhere"] {
            let wrong = linked(elsewhere).err().unwrap();
            assert_eq!(
                wrong.at(FILE),
                "nestling.toml: must be a plain file of at most 64 KiB, or a link to one of the repository"
            );
        }
    }

    #[test]
    fn endpoint_names_are_address_parts() {
        for good in ["a", "cloud-api", "pr-x", "x1"] {
            assert!(is_endpoint_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "pr-1", "é"] {
            assert!(!is_endpoint_name(bad), "{bad}");
        }
    }
}
