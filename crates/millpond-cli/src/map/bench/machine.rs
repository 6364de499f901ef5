//! What the rows say of the machine.

use std::fs;

/// The processors.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) processors: u64,
    pub(super) model: String,
    pub(super) cache: String,
}

impl Machine {
    /// This one; without what the system doesn't tell.
    pub(super) fn here() -> Self {
        Self::parse(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn parse(told: &str) -> Self {
        let mut machine = Self::default();
        for (name, value) in told.lines().filter_map(|line| line.split_once(':')) {
            match name.trim() {
                "model name" => {
                    machine.processors += 1;
                    machine.model = value.trim().to_owned();
                }
                "cache size" => machine.cache = value.trim().to_owned(),
                _ => {}
            }
        }
        machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted() {
        let one = "processor\t: 0\nmodel name\t: Fast: 3 GHz\ncache size\t: 32768 KB\nflags\t\t: fpu\n\n";
        let machine = Machine::parse(&one.repeat(2));
        assert_eq!((machine.processors, &*machine.model, &*machine.cache), (2, "Fast: 3 GHz", "32768 KB"));
        assert_eq!(Machine::parse("").processors, 0);
    }
}
