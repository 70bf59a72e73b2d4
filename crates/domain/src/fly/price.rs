//! What machines at Fly cost while they run, as far as that is public.
//!
//! The prices are those of <https://fly.io/docs/about/pricing/> as its source had them on 2026-11-23 (`about/pricing.mdx` of `superfly/docs`, commit
//! 0137eed): US dollars for 30 days of a started machine in Fly's cheapest regions (iad and ewr). Machines elsewhere cost more, in the examples of
//! that page 15 % in fra and 27 % in sin; since no list of all regions was at hand, none is counted. Nor is what else is paid: traffic, addresses of an app's own,
//! and the file system of a machine that is stopped.

use std::{fmt, time::Duration};

use crate::{
    ids::Timestamp,
    lifecycle::{Leftover, Removal},
};

/// The time that a price is said for.
const MONTH: Duration = Duration::from_hours(30 * 24);
/// Millionths of a dollar in a cent.
const CENT: u64 = 10_000;
/// A shared processor, with [`SHARED_MIB`] of memory.
const SHARED: u64 = 219 * CENT;
/// What a shared processor comes with, in MiB.
const SHARED_MIB: u64 = 256;
/// A processor of one's own, with [`PERFORMANCE_MIB`] of memory.
const PERFORMANCE: u64 = 3_300 * CENT;
/// What a processor of one's own comes with, in MiB.
const PERFORMANCE_MIB: u64 = 2_048;
/// A GiB of memory beyond that.
const GIB: u64 = 600 * CENT;

/// What a machine of one size costs while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Millionths of a US dollar for 30 days.
    month: u64,
}

impl Price {
    /// The price of machines of this size, memory in MiB; `None` for processors of a kind whose price is not known.
    pub fn of(cpu_kind: &str, cpus: u32, memory_mib: u32) -> Option<Self> {
        let (cpu, comes_with) = match cpu_kind {
            "shared" => (SHARED, SHARED_MIB),
            "performance" => (PERFORMANCE, PERFORMANCE_MIB),
            _ => return None,
        };
        let cpus = u64::from(cpus);
        let beyond = u64::from(memory_mib).saturating_sub(cpus * comes_with);
        Some(Price {
            month: cpus * cpu + beyond * GIB / 1024,
        })
    }

    /// What so many machines cost in this time, if they run all of it.
    pub fn cost(self, machines: u64, lasts: Duration) -> Cost {
        let seconds = u128::from(machines) * u128::from(lasts.as_secs());
        let micros = u128::from(self.month).saturating_mul(seconds) / u128::from(MONTH.as_secs());
        Cost {
            micros: u64::try_from(micros).unwrap_or(u64::MAX),
        }
    }

    /// What the machines have cost that should be gone, since they should; `None` where none is left.
    pub fn of_removal(self, removal: &Removal<'_>, now: Timestamp) -> Option<Cost> {
        match &removal.left {
            Leftover::Outside { machines, .. } if !machines.is_empty() => {
                let machines = u64::try_from(machines.len()).unwrap_or(u64::MAX);
                Some(self.cost(machines, now.since(removal.since)))
            }
            Leftover::Outside { .. } | Leftover::Close => None,
        }
    }
}

/// Money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Millionths of a US dollar.
    pub micros: u64,
}

impl fmt::Display for Cost {
    /// In dollars and whole cents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.micros < CENT {
            return f.write_str("less than $0.01");
        }
        let cents = self.micros.saturating_add(CENT / 2) / CENT;
        write!(f, "${}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(cpu_kind: &str, cpus: u32, memory_mib: u32) -> String {
        let price = Price::of(cpu_kind, cpus, memory_mib).unwrap();
        price.cost(1, MONTH).to_string()
    }

    #[test]
    fn sizes_cost_what_fly_says() {
        // Fly's page rounds two of them to a cent more: 6.70 and 13.39.
        assert_eq!(month("shared", 1, 256), "$2.19");
        assert_eq!(month("shared", 1, 512), "$3.69");
        assert_eq!(month("shared", 1, 1024), "$6.69");
        assert_eq!(month("shared", 2, 2048), "$13.38");
        assert_eq!(month("performance", 1, 2048), "$33.00");
        assert_eq!(month("performance", 2, 4096), "$66.00");
        assert_eq!(Price::of("a100", 1, 2048), None);
    }

    #[test]
    fn machines_cost_by_the_second() {
        let price = Price::of("shared", 1, 1024).unwrap();
        assert_eq!(price.cost(1, Duration::ZERO).micros, 0);
        let hour = price.cost(1, Duration::from_hours(1));
        assert_eq!(
            (hour.micros, &*hour.to_string()),
            (9_291, "less than $0.01")
        );
        assert_eq!(price.cost(2, Duration::from_hours(1)).to_string(), "$0.02");
    }

    #[test]
    fn a_removal_costs_while_machines_are_left() {
        let price = Price::of("shared", 1, 256).unwrap();
        let (since, now) = (Timestamp(0), Timestamp(0).plus(MONTH));
        let removal = |left| Removal {
            since,
            left,
            reason: None,
        };
        let outside = |machines| {
            removal(Leftover::Outside {
                machines,
                folder: true,
            })
        };
        let machines = vec![crate::ids::Generation(1), crate::ids::Generation(2)];
        let cost = price.of_removal(&outside(machines), now).unwrap();
        assert_eq!(cost.to_string(), "$4.38");
        assert_eq!(price.of_removal(&outside(Vec::new()), now), None);
        assert_eq!(price.of_removal(&removal(Leftover::Close), now), None);
    }
}
