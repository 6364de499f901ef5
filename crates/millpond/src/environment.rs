//! The one door through which the time, randomness and environment variables come in.

use std::{
    env, fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

/// Seconds since 1970; 0 on a machine whose clock is set before.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970; 0 on a machine whose clock is set before.
pub(crate) fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1000 + u64::from(since.subsec_millis())
}

/// 16 random bytes that nobody had before.
pub(crate) fn unique() -> Uuid {
    Uuid::new_v4()
}

/// A random number.
pub(crate) fn random() -> u32 {
    unique().as_u128() as u32
}

/// The most bytes of memory that this process has had, mapped files included; 0 where the system doesn't tell.
pub(crate) fn memory_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

/// A directory that an environment variable names, if it is set and not empty.
pub(crate) fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The user's home directory.
pub(crate) fn user_home() -> Option<PathBuf> {
    env::home_dir().filter(|home| !home.as_os_str().is_empty())
}
