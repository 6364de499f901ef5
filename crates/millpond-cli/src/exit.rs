//! The exit codes: one table, which `docs/cli.md` repeats and a test compares.
//!
//! Codes are part of the interface: they may be added, never changed.

use millpond::ErrorKind;

/// Every exit code, with the `kind` that `--json` prints beside it (empty for success) and what it
/// means.
pub const EXIT_CODES: &[(u8, &str, &str)] = &[
    (0, "", "done"),
    (1, "unexpected", "an error that has no code of its own"),
    (2, "invalid_argument", "the arguments are wrong: an unknown command, a malformed label, size or value"),
    (3, "not_found", "there is no such pool, container, dictionary, key, attribute or property"),
    (4, "already_exists", "a thing of that name exists already"),
    (5, "busy", "others have it open, or it isn't empty"),
    (6, "no_space", "the pool's quota or the disk is full"),
    (7, "corrupt", "stored bytes fail their checksum, or are missing"),
    (8, "incompatible", "a file of a newer or unknown format, or a foreign file"),
    (9, "permission_denied", "the operating system denies access"),
    (10, "read_only", "the container was opened for reading only"),
    (11, "closed", "the container was closed or destroyed meanwhile"),
    (12, "conflict", "others changed the same data, too often to go on"),
    (13, "timeout", "another process held a lock for too long"),
    (14, "key_too_long", "a key is longer than the store takes"),
    (15, "value_too_long", "a value is longer than the store takes"),
    (16, "not_supported", "this backend, or the command line, can't do that"),
    (17, "io", "the operating system failed to read or write"),
    (18, "poisoned", "a sync failed earlier: recent changes may not be durable"),
    (19, "epoch_gone", "the state that was asked for is no longer kept"),
    (20, "forked", "a handle was carried across a fork"),
    (21, "lagged", "a watch has fallen behind what is kept for it"),
    (22, "data_loss", "the value is lost, and a repair has noted that"),
    (23, "comparator_mismatch", "an ordered map has its keys in another order than the one asked for"),
];

/// The code of success.
pub(crate) const OK: u8 = 0;
/// The code of arguments that can't be understood.
pub(crate) const USAGE: u8 = 2;

/// The code of a command that was interrupted, as shells have it for SIGINT. It is no error.
pub(crate) const INTERRUPTED: u8 = 130;

/// The `kind` that stands for `kind` in JSON.
pub(crate) fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "invalid_argument",
        ErrorKind::ComparatorMismatch => "comparator_mismatch",
        ErrorKind::NotFound => "not_found",
        ErrorKind::AlreadyExists => "already_exists",
        ErrorKind::Busy => "busy",
        ErrorKind::NoSpace => "no_space",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::DataLoss => "data_loss",
        ErrorKind::Incompatible => "incompatible",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::ReadOnly => "read_only",
        ErrorKind::Closed => "closed",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Timeout => "timeout",
        ErrorKind::KeyTooLong => "key_too_long",
        ErrorKind::ValueTooLong => "value_too_long",
        ErrorKind::NotSupported => "not_supported",
        ErrorKind::Io => "io",
        ErrorKind::Poisoned => "poisoned",
        ErrorKind::EpochGone => "epoch_gone",
        ErrorKind::Forked => "forked",
        ErrorKind::Lagged => "lagged",
        _ => "unexpected",
    }
}

/// The exit code of an error of `kind`.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    let name = kind_name(kind);
    EXIT_CODES.iter().find(|(_, of, _)| *of == name).map_or(1, |(code, _, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_up_without_gaps_and_names_are_unique() {
        for (place, (code, name, meaning)) in EXIT_CODES.iter().enumerate() {
            assert_eq!(usize::from(*code), place, "{name}");
            assert!(!meaning.is_empty());
            assert_eq!(EXIT_CODES.iter().filter(|(_, other, _)| other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn each_kind_has_a_code_of_its_own() {
        assert_eq!(code(ErrorKind::InvalidArgument), USAGE);
        assert_eq!(code(ErrorKind::NotFound), 3);
        assert_eq!(code(ErrorKind::Corrupt), 7);
        assert_eq!(code(ErrorKind::Forked), 20);
    }
}
