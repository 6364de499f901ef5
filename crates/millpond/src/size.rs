//! Sizes as people write them.

use millpond_core::{Error, ErrorKind, Result};

/// Units and their bytes. The first of each size in powers of 1024 is what [`format_size`] writes.
const UNITS: [(&str, u64); 12] = [
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("EB", 1_000_000_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

/// Reads a size: `1GiB`, `512 KiB`, `10MB`, `1.5TiB`, `4096`. Units of 1024 have an `i`, those of
/// 1000 don't; the case of the letters doesn't matter.
///
/// # Errors
/// `InvalidArgument`, saying how a size is written.
pub fn parse_size(text: &str) -> Result<u64> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidArgument, why));
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let unit = unit.trim();
    let scale = if unit.is_empty() || unit.eq_ignore_ascii_case("B") {
        1
    } else if let Some((_, scale)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        *scale
    } else {
        let letter = unit.to_ascii_uppercase();
        return if ["K", "M", "G", "T", "P", "E"].contains(&letter.as_str()) {
            refuse(format!("{text:?} is ambiguous: write {number}{letter}iB or {number}{letter}B"))
        } else {
            refuse(format!(
                "{text:?} is no size: write bytes, or a number with KiB, MiB, GiB, TiB, KB, MB, …"
            ))
        };
    };
    match in_bytes(number, scale) {
        Some(bytes) => Ok(bytes),
        None => refuse(format!("{text:?} is no size: write it as 4096, 512KiB or 1.5GiB, below 16 EiB")),
    }
}

fn in_bytes(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits_only(fraction) || fraction.len() > 9 {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let mut bytes = u128::from(whole) * u128::from(scale);
    if !fraction.is_empty() {
        bytes +=
            u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale) / 10u128.pow(fraction.len() as u32);
    }
    u64::try_from(bytes).ok()
}

/// Writes a size for people: `512 B`, `1.0 GiB`.
pub fn format_size(bytes: u64) -> String {
    let mut unit = "B";
    let mut scaled = bytes as f64;
    for (name, _) in UNITS[..6].iter().rev() {
        // What rounds to 1024.0 of a unit is 1.0 of the next one.
        if scaled < if unit == "B" { 1024.0 } else { 1023.95 } {
            break;
        }
        scaled /= 1024.0;
        unit = name;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{scaled:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("4096", 4096),
            ("1GiB", 1 << 30),
            ("512 KiB", 512 << 10),
            (" 10MB ", 10_000_000),
            ("1.5gib", 3 << 29),
            (".5KiB", 512),
            ("0", 0),
            ("7 B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text).expect(text), bytes, "{text}");
        }
        for text in ["", "GiB", "1G", "1 XB", "-1", "1.2.3KiB", "16EiB", "1e3", "."] {
            assert_eq!(parse_size(text).expect_err(text).kind(), ErrorKind::InvalidArgument);
        }
        assert!(parse_size("2g").expect_err("ambiguous").to_string().contains("2GiB or 2GB"));
    }

    #[test]
    fn sizes_are_written_in_the_unit_that_reads_best() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(format_size(bytes), text);
        }
    }
}
