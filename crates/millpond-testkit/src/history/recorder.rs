//! Writes a history down as it happens, so that it survives the death of whoever makes it.
//!
//! A line for each begin and each end, of one write each; times are of the clock that all
//! processes of the machine share.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use super::{Action, Answer, Call, End};

/// Records the calls of one client.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    client: u32,
    next: u64,
}

impl Recorder {
    /// Records what `client` does, in a file of its own in `dir`.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn new(dir: &Path, client: u32) -> io::Result<Self> {
        Ok(Self { file: File::create_new(dir.join(format!("history-{client}")))?, client, next: 0 })
    }

    /// Records that a call begins; answers its number.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn begin(&mut self, key: u32, action: Action) -> io::Result<u64> {
        let (number, client) = (self.next, self.client);
        self.next += 1;
        let began = now();
        self.write(&format!("begin {number} {client} {key} {began} {action}\n"))?;
        Ok(number)
    }

    /// Records how a call ended. One that failed has no end: nothing is known of it.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn end(&mut self, number: u64, answer: Answer, epoch: Option<u64>) -> io::Result<()> {
        let ended = now();
        let epoch = epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
        self.write(&format!("end {number} {ended} {epoch} {answer}\n"))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())
    }
}

/// Nanoseconds on the clock that all processes of this machine share, and that never goes back.
pub(super) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Loads every history in `dir`. What a killed process left of a line is left out.
///
/// # Errors
/// When a file can't be read, or holds what isn't a history.
pub fn load(dir: &Path) -> io::Result<Vec<Call>> {
    let mut calls = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("history-") {
            let text = fs::read_to_string(entry.path())?;
            parse(&text, &mut calls)
                .map_err(|line| io::Error::other(format!("{} holds {line:?}", entry.path().display())))?;
        }
    }
    Ok(calls)
}

fn parse(text: &str, calls: &mut Vec<Call>) -> Result<(), String> {
    let mut places = HashMap::new();
    for line in text.split_inclusive('\n') {
        let Some(whole) = line.strip_suffix('\n') else { return Ok(()) };
        let parsed = match whole.split(' ').collect::<Vec<_>>()[..] {
            ["begin", number, client, key, began, action] => (|| {
                places.insert(number.to_owned(), calls.len());
                calls.push(Call {
                    client: client.parse().ok()?,
                    key: key.parse().ok()?,
                    began: began.parse().ok()?,
                    action: action.parse().ok()?,
                    end: None,
                });
                Some(())
            })(),
            ["end", number, at, epoch, answer] => (|| {
                let end = End {
                    at: at.parse().ok()?,
                    epoch: if epoch == "none" { None } else { Some(epoch.parse().ok()?) },
                    answer: answer.parse::<Answer>().ok()?,
                };
                calls[*places.get(number)?].end = Some(end);
                Some(())
            })(),
            _ => None,
        };
        parsed.ok_or_else(|| whole.to_owned())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_as_it_was_written_up_to_half_a_line() {
        let text = "begin 0 3 7 100 put:5\nend 0 120 44 existed:false\nbegin 1 3 7 130 get\nend 1 14";
        let mut calls = Vec::new();
        parse(text, &mut calls).expect("a history");
        let end = End { at: 120, answer: Answer::Existed(false), epoch: Some(44) };
        let put = Call { client: 3, key: 7, began: 100, action: Action::Put(5), end: Some(end) };
        let get = Call { began: 130, action: Action::Get, end: None, ..put };
        assert_eq!(calls, [put, get]);
        assert_eq!(parse("begin 0 3\n", &mut calls), Err("begin 0 3".into()));
    }
}
