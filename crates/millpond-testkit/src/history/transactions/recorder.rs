//! Writes a history of transactions down as it happens, so that it survives the death of whoever makes
//! it.
//!
//! A line when a transaction is about to take effect, with all that it will have done, and one when it
//! was answered; of one write each. What was never tried has changed nothing, and isn't written down.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use super::{Outcome, Step, Transaction};
use crate::history::recorder::now;

/// Records the transactions of one client.
#[derive(Debug)]
pub struct TransactionRecorder {
    file: File,
    client: u32,
    next: u64,
}

impl TransactionRecorder {
    /// Records what `client` does, in a file of its own in `dir`.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn new(dir: &Path, client: u32) -> io::Result<Self> {
        Ok(Self { file: File::create_new(dir.join(format!("transactions-{client}")))?, client, next: 0 })
    }

    /// The time at which a transaction that is about to begin begins.
    pub fn time(&self) -> u64 {
        now()
    }

    /// Records that a transaction is about to take effect, if it does; answers its number. Reads whose
    /// answer isn't known yet are left out.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn attempt(&mut self, began: u64, steps: &[Step]) -> io::Result<u64> {
        let (number, client) = (self.next, self.client);
        self.next += 1;
        self.write(&format!("try {number} {client} {began}"), steps)?;
        Ok(number)
    }

    /// Records how a transaction was answered, and all that it did. One of which nothing is known has
    /// no end.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn end(&mut self, number: u64, is_committed: bool, steps: &[Step]) -> io::Result<()> {
        let outcome = if is_committed { "committed" } else { "aborted" };
        self.write(&format!("end {number} {} {outcome}", now()), steps)
    }

    fn write(&mut self, start: &str, steps: &[Step]) -> io::Result<()> {
        let mut line = start.to_owned();
        for step in steps {
            line.push(' ');
            line.push_str(&step.to_string());
        }
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

/// Loads every history of transactions in `dir`. What a killed process left of a line is left out.
///
/// # Errors
/// When a file can't be read, or holds what isn't a history.
pub fn load_transactions(dir: &Path) -> io::Result<Vec<Transaction>> {
    let mut history = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("transactions-") {
            let text = fs::read_to_string(entry.path())?;
            parse(&text, &mut history)
                .map_err(|line| io::Error::other(format!("{} holds {line:?}", entry.path().display())))?;
        }
    }
    Ok(history)
}

fn parse(text: &str, history: &mut Vec<Transaction>) -> Result<(), String> {
    let mut places = HashMap::new();
    for line in text.split_inclusive('\n') {
        let Some(whole) = line.strip_suffix('\n') else { return Ok(()) };
        parse_line(whole, &mut places, history).ok_or_else(|| whole.to_owned())?;
    }
    Ok(())
}

fn parse_line(line: &str, places: &mut HashMap<String, usize>, history: &mut Vec<Transaction>) -> Option<()> {
    let mut words = line.split(' ');
    let (kind, number) = (words.next()?, words.next()?.to_owned());
    let (second, third) = (words.next()?, words.next()?);
    let steps = words.map(|word| word.parse().ok()).collect::<Option<Vec<Step>>>()?;
    match kind {
        "try" => {
            places.insert(number, history.len());
            history.push(Transaction {
                client: second.parse().ok()?,
                began: third.parse().ok()?,
                ended: None,
                outcome: Outcome::Unknown,
                steps,
            });
        }
        "end" => {
            let transaction = &mut history[*places.get(&number)?];
            transaction.ended = Some(second.parse().ok()?);
            transaction.outcome = match third {
                "committed" => Outcome::Committed,
                "aborted" => Outcome::Aborted,
                _ => return None,
            };
            transaction.steps = steps;
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_as_it_was_written_up_to_half_a_line() {
        let steps = [
            Step::Read { key: 1, found: vec![] },
            Step::Read { key: 2, found: vec![7, 8] },
            Step::Append { key: 1, element: 9 },
            Step::Remove { key: 3 },
            Step::Scan { range: 0..=10, found: vec![(1, vec![9]), (2, vec![7, 8])] },
            Step::Scan { range: 5..=6, found: vec![] },
        ];
        let words = steps.each_ref().map(Step::to_string).join(" ");
        let text =
            format!("try 0 3 100 append:1:9\nend 0 120 committed {words}\ntry 1 3 130 append:1:10\nend 1 14");
        let mut history = Vec::new();
        parse(&text, &mut history).expect("a history");
        let whole = Transaction {
            client: 3,
            began: 100,
            ended: Some(120),
            outcome: Outcome::Committed,
            steps: steps.to_vec(),
        };
        let cut = Transaction {
            began: 130,
            ended: None,
            outcome: Outcome::Unknown,
            steps: vec![Step::Append { key: 1, element: 10 }],
            ..whole.clone()
        };
        assert_eq!(history, [whole, cut]);
        for wrong in ["try 0\n", "end 7 1 committed\n", "try 1 1 1 read:1\n", "try 1 1 1 scan:1:2:3\n"] {
            assert!(parse(wrong, &mut history).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_recorded_is_loaded() {
        let dir = std::env::temp_dir().join(format!("millpond-history-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let mut recorder = TransactionRecorder::new(&dir, 4).expect("a recorder");
        let began = recorder.time();
        let steps = [Step::Append { key: 1, element: 2 }];
        let number = recorder.attempt(began, &steps).expect("recorded");
        recorder.end(number, false, &steps).expect("recorded");
        let history = load_transactions(&dir).expect("loaded");
        fs::remove_dir_all(&dir).expect("removed");
        assert_eq!(history.len(), 1);
        assert!(history[0].outcome == Outcome::Aborted && history[0].ended >= Some(began));
    }
}
