//! Where machines stand: regions, and physical hosts in them.

use std::collections::BTreeMap;

/// Hosts of each region.
const HOSTS: usize = 3;
/// Code, name, latitude, longitude and part of the world of some of Fly's regions.
const REGIONS: [(&str, &str, f64, f64, &str); 8] = [
    (
        "ams",
        "Amsterdam, Netherlands",
        52.374_35,
        4.895_5,
        "europe",
    ),
    ("cdg", "Paris, France", 48.860_9, 2.342_2, "europe"),
    ("fra", "Frankfurt, Germany", 50.116_7, 8.683_3, "europe"),
    (
        "iad",
        "Ashburn, Virginia (US)",
        39.026,
        -77.433,
        "north_america",
    ),
    (
        "lhr",
        "London, United Kingdom",
        51.516_47,
        -0.126_2,
        "europe",
    ),
    ("nrt", "Tokyo, Japan", 35.621_6, 139.739_3, "asia_pacific"),
    (
        "ord",
        "Chicago, Illinois (US)",
        41.891_5,
        -87.628_2,
        "north_america",
    ),
    ("syd", "Sydney, Australia", -33.866_03, 151.206_9, "oceania"),
];

/// A region.
#[derive(Clone, Debug)]
pub struct Region {
    /// Three letters.
    pub code: String,
    /// As people call it.
    pub name: String,
    /// In degrees.
    pub latitude: f64,
    /// In degrees.
    pub longitude: f64,
    /// Part of the world.
    pub part: String,
    /// Machines that still fit; `None` is as many as anybody wants.
    pub capacity: Option<u32>,
    /// Whether organisation-wide lists leave it out, and say so.
    pub silent: bool,
}

/// A physical host.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// Its name.
    pub name: String,
    /// Code of its region.
    pub region: String,
    /// Whether the API reaches it.
    pub reachable: bool,
    /// Whether it has power: one that nobody reaches may go on running its machines.
    pub powered: bool,
    /// Whether there is no room for a machine that grows, or that needs a volume of it.
    pub full: bool,
}

pub(crate) fn regions() -> BTreeMap<String, Region> {
    let made = REGIONS.map(|(code, name, latitude, longitude, part)| {
        let region = Region {
            code: code.to_owned(),
            name: name.to_owned(),
            latitude,
            longitude,
            part: part.to_owned(),
            capacity: None,
            silent: false,
        };
        (code.to_owned(), region)
    });
    made.into()
}

pub(crate) fn hardware(regions: &BTreeMap<String, Region>) -> BTreeMap<String, Hardware> {
    let of = |region: &Region, n: usize| {
        let name = format!("{}{n}", region.code);
        let hardware = Hardware {
            name: name.clone(),
            region: region.code.clone(),
            reachable: true,
            powered: true,
            full: false,
        };
        (name, hardware)
    };
    let all = regions.values();
    all.flat_map(|region| (1..=HOSTS).map(move |n| of(region, n)))
        .collect()
}
