//! `millpond health check`: whether this machine and what is stored on it are as they should be.

use std::{fs, io, path::Path};

use clap::Subcommand;
use millpond::{Container, ContainerOptions, Error, ErrorKind, Pool, PoolOptions, format_size};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    failure::Outcome,
    output::{Output, Page, Table},
};

#[derive(Subcommand)]
pub(crate) enum HealthCommand {
    /// Test the store where pools are kept, and show what is there.
    ///
    /// Creates a temporary pool under MILLPOND_HOME, writes, reads, reopens, verifies and destroys
    /// it; then looks at every pool. Exits with 0 if all is well, else with the code of the first
    /// thing that isn't.
    #[command(after_help = "Examples:\n  millpond health check\n  millpond health check --json")]
    Check,
}

/// What was found.
#[derive(Serialize)]
struct Health {
    version: &'static str,
    home: String,
    file_system: Option<String>,
    bytes_free: Option<u64>,
    self_test: State,
    pools: Vec<PoolState>,
}

#[derive(Serialize)]
struct PoolState {
    label: String,
    url: String,
    used: u64,
    size: Option<u64>,
    containers: u64,
    #[serde(flatten)]
    state: State,
}

/// Whether a thing is well, and what is wrong with it.
#[derive(Serialize)]
struct State {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Bytes of the self test's long value: one that goes to a segment.
const LONG_VALUE_BYTES: usize = 1 << 20;

impl HealthCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let HealthCommand::Check = self;
        let home = millpond::home()?;
        let tested = {
            let _spinner = output.progress("testing", None);
            self_test(&home).map_err(|error| error.context("the self test failed"))
        };
        let mut first_error = None;
        let self_test = State::of(tested, &mut first_error);
        let mut pools = Vec::new();
        match Pool::list() {
            Ok(found) => {
                for pool in found {
                    let state = State::of(look_at(&pool.url), &mut first_error);
                    pools.push(PoolState {
                        label: pool.label,
                        url: pool.url,
                        used: pool.used,
                        size: pool.size,
                        containers: pool.containers,
                        state,
                    });
                }
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
        let health = Health {
            version: millpond::version(),
            file_system: file_system(&home),
            bytes_free: bytes_free(&home).ok(),
            home: home.display().to_string(),
            self_test,
            pools,
        };
        match first_error {
            None => output.respond(&health, |page| show(&health, page)),
            Some(error) => output.respond_failed(&health, &error, |page| show(&health, page)),
        }
    }
}

impl State {
    fn of(result: Result<(), Error>, first_error: &mut Option<Error>) -> Self {
        let problem = result.as_ref().err().map(ToString::to_string);
        if let (Err(error), None) = (result, &first_error) {
            *first_error = Some(error);
        }
        Self { ok: problem.is_none(), problem }
    }
}

/// Writes, reads, reopens and verifies in a pool of its own.
fn self_test(home: &Path) -> Result<(), Error> {
    fs::create_dir_all(home).map_err(|error| Error::io(format!("creating {}", home.display()), error))?;
    let label = format!("health-check-{}", Uuid::new_v4().simple());
    let pool = Pool::create(&label, PoolOptions::default())?;
    let tested = write_and_read(&pool);
    drop(pool);
    tested.and(Pool::destroy(&label, true))
}

fn write_and_read(pool: &Pool) -> Result<(), Error> {
    let long = vec![0xa5; LONG_VALUE_BYTES];
    let entries: [(&[u8], &[u8]); 3] = [(b"short", b"value"), (b"", b""), (b"long\0", &long)];
    let container = pool.create_container(Some("self-test"), ContainerOptions::default())?;
    let dict = container.create_dict("self-test")?;
    dict.put_many(entries)?;
    container.close()?;
    drop((container, dict));

    let container: Container = pool.container("self-test")?;
    let dict = container.dict("self-test")?;
    for (key, value) in entries {
        if dict.get(key)?.as_deref() != Some(value) {
            return Err(Error::new(ErrorKind::Corrupt, "a value read isn't the value written"));
        }
    }
    let report = container.check(false)?;
    if let Some(damage) = report.damages.first() {
        let message = format!("{} at {}: {}", damage.place, damage.offset, damage.what);
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    container.close()
}

/// Whether the pool opens and tells of itself.
fn look_at(url: &str) -> Result<(), Error> {
    Pool::open(url)?.query().map(|_| ())
}

fn show(health: &Health, page: &mut Page<'_>) -> io::Result<()> {
    let file_system = health.file_system.as_deref().unwrap_or("unknown");
    page.heading(&format!("Millpond {}", health.version))?;
    page.fields([
        ("Home", health.home.clone()),
        ("File system", file_system.to_owned()),
        ("Free", health.bytes_free.map_or_else(|| "unknown".to_owned(), format_size)),
    ])?;
    match &health.self_test.problem {
        None => page.good("self test: written, read, reopened, verified")?,
        Some(problem) => page.bad(problem)?,
    }
    let mut table = Table::new(["POOL", "STATE", "USED", "SIZE", "CONTAINERS"]);
    for pool in &health.pools {
        table.row([
            pool.label.clone(),
            pool.state.problem.clone().unwrap_or_else(|| "ok".to_owned()),
            format_size(pool.used),
            pool.size.map_or_else(|| "-".to_owned(), format_size),
            pool.containers.to_string(),
        ]);
    }
    if health.pools.is_empty() { page.line("no pools") } else { page.table(&table) }
}

/// Bytes that an unprivileged process can still write under `path`.
fn bytes_free(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The type of the file system that holds `path`: that of the longest mount point above it.
fn file_system(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // … mount point, options, any number of optional fields, a dash, type: see proc(5). Later lines
    // cover earlier ones.
    let mounts = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        Some((point, after.split(' ').next()?))
    });
    mounts
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| Path::new(point).components().count())
        .map(|(_, kind)| kind.to_owned())
}
