//! Bytes and moments as text.

use std::{borrow::Cow, fmt::Write};

/// `text` with every control character written as `\xNN`, so that what is stored can't command
/// the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if char.is_control() {
            push_escaped(&mut safe, char.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            safe.push(char);
        }
    }
    Cow::Owned(safe)
}

/// `bytes` as text, with what isn't printable UTF-8 written as `\xNN`. Not reversible: a
/// backslash stands for itself.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        safe.push_str(&printable(chunk.valid()));
        push_escaped(&mut safe, chunk.invalid());
    }
    safe
}

/// `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes that hexadecimal digits stand for, or what is wrong with them.
pub(crate) fn parse_hex(digits: &[u8]) -> Result<Vec<u8>, String> {
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
            .ok_or_else(|| format!("{} is not a hexadecimal digit", printable_bytes(&[b'"', digit, b'"'])))
    };
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{} hexadecimal digits are no whole number of bytes", digits.len()));
    }
    digits.chunks_exact(2).map(|pair| Ok(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

/// Seconds since 1970 as a date and a time of UTC.
pub(crate) fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// `1 thing`, `2 things`.
pub(crate) fn plural(count: u64, thing: &str) -> String {
    match (count, thing.strip_suffix('y')) {
        (1, _) => format!("1 {thing}"),
        (_, None) if thing.ends_with('s') => format!("{count} {thing}es"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {thing}s"),
    }
}

fn push_escaped(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string can't fail.
        let _always_ok = write!(text, "\\x{byte:02x}");
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01: counted in eras of 400
/// years that begin in March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(1_635_510_901), "2021-10-29 12:35:01 UTC");
        assert_eq!(moment(4_107_542_399), "2100-02-28 23:59:59 UTC");
        assert_eq!(moment(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn hexadecimal_goes_there_and_back() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(parse_hex(hex(&every).as_bytes()), Ok(every));
        assert_eq!(parse_hex(b"00FFaB"), Ok(vec![0, 255, 0xab]));
        assert!(parse_hex(b"0").unwrap_err().contains("whole number"));
        assert!(parse_hex(b"0g").unwrap_err().contains("\"g\""));
    }

    #[test]
    fn what_is_stored_cannot_command_the_terminal() {
        assert_eq!(printable("plain ü"), "plain ü");
        assert_eq!(printable("a\u{1b}[2Jb\n\u{9b}"), "a\\x1b[2Jb\\x0a\\xc2\\x9b");
        assert_eq!(printable_bytes(b"a\xff\0z\xc3\xbc"), "a\\xff\\x00zü");
    }

    #[test]
    fn plurals() {
        assert_eq!(plural(1, "entry"), "1 entry");
        assert_eq!(plural(0, "entry"), "0 entries");
        assert_eq!(plural(2, "key"), "2 keys");
        assert_eq!(plural(2, "process"), "2 processes");
    }
}
