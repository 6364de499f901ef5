//! Running a transaction again until it meets no other one.

use std::{thread, time::Duration};

use millpond_core::{Error, ErrorKind, Result};

use super::{Transaction, TransactionOptions};
use crate::{container::Container, environment};

/// How often a transaction is tried again, where nothing else is said.
const RETRIES: u32 = 100;

/// The pause after the first conflict, on average. It doubles with each one.
const PAUSE: Duration = Duration::from_micros(50);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Runs `body` in a transaction and commits it, again after a conflict.
pub(crate) fn run<T>(
    container: &Container,
    options: &TransactionOptions,
    mut body: impl FnMut(&Transaction) -> Result<T>,
) -> Result<T> {
    let retries = options.retries.unwrap_or(RETRIES);
    let mut attempt = 0;
    loop {
        let transaction = Transaction::begin(container, options)?;
        let error = match body(&transaction) {
            Ok(answer) => match transaction.commit() {
                Ok(_) => return Ok(answer),
                Err(error) => error,
            },
            Err(error) => error,
        };
        // A backend that couldn't keep the state any longer: a newer one will do.
        let is_transient = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::EpochGone);
        if !is_transient || options.at.is_some() {
            return Err(error);
        }
        if attempt == retries {
            let kind = error.kind();
            let message = format!("gave up after {} tries: {error}", attempt + 1);
            return Err(Error::new(kind, message));
        }
        thread::sleep(pause(attempt));
        attempt += 1;
    }
}

/// A random pause, so that two that met don't meet again.
fn pause(attempt: u32) -> Duration {
    let longest = PAUSE.saturating_mul(1 << attempt.min(16)).min(PAUSE_MAX);
    longest.mul_f64(f64::from(environment::random()) / f64::from(u32::MAX) * 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in [0, 1, 5, 30, u32::MAX] {
            let longest = PAUSE.saturating_mul(1 << attempt.min(16)).min(PAUSE_MAX);
            assert!((0..100).all(|_| pause(attempt) <= longest * 2));
        }
    }
}
