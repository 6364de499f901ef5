//! The rule by which automatic snapshots are kept.
//!
//! `hourly:24,daily:7,last:3` keeps the three newest ones; of each of the last 24 hours in which there
//! is one the newest, and likewise of the last 7 days. Hours, days, weeks (from Monday on), months and
//! years are those of UTC. A snapshot stays while any part of the rule keeps it.

use std::{collections::BTreeSet, fmt};

use millpond_core::{Error, ErrorKind, Result};

/// How many snapshots a part of a rule keeps at most.
const COUNT_MAX: u32 = 10_000;

const MILLIS_OF_DAY: u64 = 24 * 60 * 60 * 1000;

/// See the module. In text, what stands in the property `snapshot-keep`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRule {
    /// Each period once.
    parts: Vec<(Period, u32)>,
}

/// What snapshots are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Period {
    Last,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

const PERIODS: [(Period, &str); 6] = [
    (Period::Last, "last"),
    (Period::Hourly, "hourly"),
    (Period::Daily, "daily"),
    (Period::Weekly, "weekly"),
    (Period::Monthly, "monthly"),
    (Period::Yearly, "yearly"),
];

impl SnapshotRule {
    /// Reads a rule; `none` or nothing is no rule.
    ///
    /// # Errors
    /// `InvalidArgument`, with an example.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let invalid = |what: String| {
            let message = format!(
                "{text:?} is no rule for snapshots: {what}; write it as hourly:24,daily:7,last:3, with last, hourly, \
                 daily, weekly, monthly and yearly, or none"
            );
            Err(Error::new(ErrorKind::InvalidArgument, message))
        };
        if matches!(text.trim(), "" | "none") {
            return Ok(None);
        }
        let mut parts: Vec<(Period, u32)> = Vec::new();
        for part in text.split(',') {
            let Some((name, count)) = part.trim().split_once(':') else {
                return invalid(format!("{part:?} says no number"));
            };
            let Some((period, _)) = PERIODS.iter().find(|(_, known)| *known == name.trim()) else {
                return invalid(format!("{name:?} is no period"));
            };
            match count.trim().parse() {
                Ok(count) if (1..=COUNT_MAX).contains(&count) => {
                    if parts.iter().any(|(other, _)| other == period) {
                        return invalid(format!("{name} stands there twice"));
                    }
                    parts.push((*period, count));
                }
                _ => return invalid(format!("{count:?} is no number from 1 to {COUNT_MAX}")),
            }
        }
        parts.sort_unstable();
        Ok(Some(Self { parts }))
    }

    /// Which of the snapshots that were made at these moments (in milliseconds since 1970) stay.
    pub(super) fn kept(&self, made: &[u64]) -> BTreeSet<usize> {
        let mut newest_first: Vec<usize> = (0..made.len()).collect();
        newest_first.sort_by_key(|place| std::cmp::Reverse((made[*place], *place)));
        let mut kept = BTreeSet::new();
        for (period, count) in &self.parts {
            let mut last = None;
            let mut left = *count;
            for place in &newest_first {
                let number = period.number(made[*place], *place);
                if left == 0 {
                    break;
                }
                if last != Some(number) {
                    last = Some(number);
                    left -= 1;
                    kept.insert(*place);
                }
            }
        }
        kept
    }
}

impl fmt::Display for SnapshotRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (period, count)) in self.parts.iter().enumerate() {
            let name = PERIODS.iter().find(|(known, _)| known == period).map_or("", |(_, name)| name);
            write!(f, "{}{name}:{count}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Period {
    /// The period that a moment lies in, as a number that differs from that of its neighbours.
    fn number(self, millis: u64, place: usize) -> u64 {
        let days = millis / MILLIS_OF_DAY;
        match self {
            Self::Last => place as u64,
            Self::Hourly => millis / (MILLIS_OF_DAY / 24),
            Self::Daily => days,
            // The first of January 1970 was a Thursday.
            Self::Weekly => (days + 3) / 7,
            Self::Monthly => {
                let (year, month, _) = civil(days);
                year * 12 + month
            }
            Self::Yearly => civil(days).0,
        }
    }
}

/// The name of an automatic snapshot: `auto-20261122T100106.123Z`.
pub(super) fn name_of(millis: u64) -> String {
    let (year, month, day) = civil(millis / MILLIS_OF_DAY);
    let rest = millis % MILLIS_OF_DAY;
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("auto-{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{milli:03}Z")
}

/// Year, month and day, `days` after 1970-01-01: counted in eras of 400 years that begin in March, so
/// that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn rule(text: &str) -> SnapshotRule {
        SnapshotRule::parse(text).expect("a rule").expect("some")
    }

    fn kept(text: &str, made: &[u64]) -> Vec<u64> {
        rule(text).kept(made).into_iter().map(|place| made[place]).collect()
    }

    #[test]
    fn rules_are_read_and_written() {
        assert_eq!(rule("daily:7, hourly:24,last:3").to_string(), "last:3,hourly:24,daily:7");
        for nothing in ["", "none", " "] {
            assert_eq!(SnapshotRule::parse(nothing).expect("read"), None);
        }
        for wrong in
            ["daily", "daily:0", "daily:x", "minutely:3", "daily:1,daily:2", "daily:10001", "daily:1,"]
        {
            let error = SnapshotRule::parse(wrong).expect_err(wrong);
            assert!(error.to_string().contains("hourly:24,daily:7"), "{error}");
        }
    }

    #[test]
    fn the_newest_of_each_period_stays() {
        let start = 20_000 * MILLIS_OF_DAY;
        let made: Vec<u64> = (0..24 * 10).map(|half| start + half * HOUR / 2).collect();
        assert_eq!(kept("last:2", &made), made[238..]);
        assert_eq!(kept("hourly:3", &made), [made[235], made[237], made[239]]);
        assert_eq!(kept("daily:2", &made), [made[4 * 48 - 1], made[239]]);
        assert_eq!(kept("daily:1,last:1", &made), [made[239]]);
        assert_eq!(kept("yearly:5", &made), [made[239]]);
        assert_eq!(kept("last:1000", &made), made);
        assert_eq!(kept("daily:3", &[]), [0u64; 0]);
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        let at = |days: u64| days * MILLIS_OF_DAY;
        // 2024-02-29, 2024-03-01, 2024-12-31, 2025-01-01.
        let days = [19_782, 19_783, 20_088, 20_089];
        assert_eq!(civil(days[0]), (2024, 2, 29));
        assert_eq!(civil(days[1]), (2024, 3, 1));
        assert_eq!(civil(days[3]), (2025, 1, 1));
        let made = days.map(at);
        assert_eq!(kept("yearly:2", &made), [made[2], made[3]]);
        assert_eq!(kept("monthly:9", &made), made);
        // A Sunday, the Monday after it, and the Sunday after that.
        let week = [at(19_783 + 2), at(19_783 + 3), at(19_783 + 9)];
        assert_eq!(kept("weekly:9", &week), [week[0], week[2]]);
        assert_eq!(name_of(at(19_782) + 5 * HOUR + 61_007), "auto-20240229T050101.007Z");
    }
}
