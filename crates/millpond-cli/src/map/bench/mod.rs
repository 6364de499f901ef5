//! `millpond map bench`: pmemkv-bench's workloads on pmemkv's engines.

mod histogram;
mod machine;
mod place;
mod random;
mod report;
mod stats;
mod thread;
mod workload;

use std::time::{Instant, SystemTime};

use clap::{Args, ValueEnum, builder::PossibleValuesParser, value_parser};
use millpond::Durability;
use millpond_pmemkv::Traits;

use self::{
    machine::Machine,
    place::{Place, Wanted, engine_error},
    report::{Report, Surroundings},
    thread::{Run, Stop, Values},
    workload::Workload,
};
use crate::{
    entries::DurabilityOption,
    exit,
    failure::{Failure, Outcome},
    output::Output,
    signals::Signals,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond map bench --engine=cmap --db_size_in_gb=1 --num=100000
  millpond map bench --engine=vcmap --benchmarks=fillrandom,readrandom --threads=4 --histogram=1
  millpond map bench --engine=stree --db=/mnt/data/bench --benchmarks=fillseq --keep
  millpond map bench --engine=radix --benchmarks=txfillrandom,readseq --tx_size=100 > radix.csv

A row is a workload; the columns are those of pmemkv-bench. All workloads of a run share one engine,
in their order, so that what one has stored is there for the next. Afterwards everything is gone,
unless --keep is given. A directory at --db that no benchmark has made is left alone.";

/// Bytes in what --db_size_in_gb counts.
const GIB: u64 = 1 << 30;

#[derive(Args)]
pub(crate) struct BenchCommand {
    /// The engine.
    #[arg(long, default_value = "cmap", value_parser = PossibleValuesParser::new(Traits::all().iter().map(|engine| engine.name)))]
    engine: String,
    /// The directory of the pool that is made; an engine in memory writes nothing there.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm/pmemkv")]
    db: String,
    /// How large the engine may become, in GiB; 0 is large enough.
    #[arg(long = "db_size_in_gb", value_name = "GIB", default_value_t = 0, value_parser = value_parser!(u64).range(..=8 << 30))]
    db_size_in_gb: u64,
    /// The workloads, one after another; by default all that the engine can do.
    #[arg(long, value_name = "NAME,…", value_enum, value_delimiter = ',')]
    benchmarks: Vec<Workload>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    durability: DurabilityOption,
    /// Leave the pool where it is, for a later run or another program.
    #[arg(long)]
    keep: bool,
}

/// The numbers that workloads go by.
#[derive(Args)]
struct Settings {
    /// Print how the durations of operations are spread, too: 1 is yes.
    #[arg(long, value_name = "0|1", default_value_t = 0, value_parser = value_parser!(u8).range(..=1))]
    histogram: u8,
    /// How many entries there are to be.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    num: u64,
    /// How many reads a thread does; by default as many as there are entries.
    #[arg(long, value_name = "COUNT")]
    reads: Option<u64>,
    /// How many threads do it at once.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u64).range(1..=1024))]
    threads: u64,
    /// Bytes in a key.
    #[arg(long = "key_size", value_name = "BYTES", default_value_t = 16, value_parser = key_size)]
    key_size: usize,
    /// Bytes in a value.
    #[arg(long = "value_size", value_name = "BYTES", default_value_t = 100, value_parser = value_size)]
    value_size: usize,
    /// Of a hundred operations of readrandomwriterandom, how many are reads.
    #[arg(long, value_name = "PERCENT", default_value_t = 90, value_parser = value_parser!(u8).range(..=100))]
    readwritepercent: u8,
    /// Entries in a transaction of txfillrandom.
    #[arg(long = "tx_size", value_name = "COUNT", default_value_t = 10, value_parser = value_parser!(u64).range(1..))]
    tx_size: u64,
    /// Divide entries and operations among the threads: 1 is yes. Else each of them does all.
    #[arg(long, value_name = "0|1", default_value_t = 0, value_parser = value_parser!(u8).range(..=1))]
    disjoint: u8,
}

fn key_size(text: &str) -> Result<usize, String> {
    bounded(text, 1, millpond::limits::KEY_BYTES_MAX)
}

fn value_size(text: &str) -> Result<usize, String> {
    bounded(text, 0, GIB as usize)
}

fn bounded(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("it is a number from {min} to {max}"))
}

impl Settings {
    fn reads(&self) -> u64 {
        self.reads.unwrap_or(self.num)
    }

    fn has_histogram(&self) -> bool {
        self.histogram != 0
    }

    /// How many operations a workload has.
    fn operations(&self, workload: Workload) -> u64 {
        let (of_all, is_shared) = match workload {
            Workload::FillSeq | Workload::FillRandom | Workload::DeleteSeq | Workload::DeleteRandom => {
                (self.num, true)
            }
            Workload::TxFillRandom => (self.num.div_ceil(self.tx_size), true),
            Workload::ReadRandomWriteRandom => (self.reads(), false),
            _ => (self.reads(), true),
        };
        if is_shared && self.disjoint != 0 { of_all } else { of_all.saturating_mul(self.threads) }
    }
}

impl BenchCommand {
    pub(super) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let Some(engine) = Traits::of(&self.engine) else {
            return Err(Failure::usage(format!("there is no engine {:?}", self.engine)));
        };
        let mut workloads = self.benchmarks.clone();
        if workloads.is_empty() {
            workloads = Workload::value_variants().to_vec();
            workloads.retain(|workload| engine.transactions || *workload != Workload::TxFillRandom);
        }
        let wanted = Wanted {
            engine,
            path: &self.db,
            size: self.db_size_in_gb.saturating_mul(GIB),
            durability: self.durability.given().map(|durability| match durability {
                Durability::Async => "async",
                _ => "sync",
            }),
            keep: self.keep,
        };
        // Whoever interrupts it sees what is done, and nothing stays.
        let signals = Signals::catch(output.may_catch_signals());
        let begun = Instant::now();
        let place = Place::open(&wanted, &self.settings)?;
        let opened = begun.elapsed().as_secs_f64() * 1e3;
        let surroundings = Surroundings {
            engine: engine.name,
            path: &self.db,
            settings: &self.settings,
            machine: Machine::here(),
        };
        let mut report = Report::default();
        let stopped = measure(&workloads, &place, opened, &surroundings, &signals, &mut report, output);
        let closed = place.close();
        drop(signals);
        tell(&report, stopped, output)?;
        closed
    }
}

/// Does the workloads, up to the first that fails.
fn measure(
    workloads: &[Workload],
    place: &Place,
    opened: f64,
    surroundings: &Surroundings<'_>,
    signals: &Signals,
    report: &mut Report,
    output: &Output<'_, '_>,
) -> Result<(), Stop> {
    let settings = surroundings.settings;
    let values = Values::new(settings.value_size);
    for (number, workload) in workloads.iter().enumerate() {
        let began = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let progress = output.progress(workload.name(), Some(settings.operations(*workload)));
        let run = Run::new(&place.engine, settings, &values, &progress, signals);
        let stats = run.all(*workload)?;
        let opened = (number == 0).then_some(opened);
        report.add(*workload, (began, opened), surroundings, &stats);
    }
    Ok(())
}

/// Prints the rows of what was done, and why it isn't more.
fn tell(report: &Report, stopped: Result<(), Stop>, output: &mut Output<'_, '_>) -> Outcome {
    let failed = match stopped {
        Err(Stop::Failed(error)) => Some(engine_error(error)),
        Err(Stop::Interrupted) => {
            rows(report, output)?;
            return Err(Failure::Told(exit::INTERRUPTED));
        }
        Ok(()) => None,
    };
    match failed {
        None => rows(report, output),
        Some(error) if output.is_json() => output.respond_failed(&report.json(), &error, |_| Ok(())),
        Some(error) => {
            rows(report, output)?;
            Err(error.into())
        }
    }
}

fn rows(report: &Report, output: &mut Output<'_, '_>) -> Outcome {
    if output.is_json() {
        return output.respond(&report.json(), |_| Ok(()));
    }
    let csv = report.csv();
    output.raw(|to| to.write_all(csv.as_bytes()))
}
