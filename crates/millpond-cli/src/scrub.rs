//! `millpond container scrub` and `millpond pool scrub`.

use std::io;

use clap::Args;
use millpond::{Damage, Error, ErrorKind, ScrubOptions, ScrubReport, format_size};

use crate::{
    failure::Outcome,
    names,
    output::{Output, Page, Table, plural},
};

/// How fast.
#[derive(Args)]
pub(crate) struct Rate {
    /// Read so many bytes a second at most, such as 100MiB, and leave the rest of the device to others.
    #[arg(long, value_name = "SIZE", value_parser = names::size)]
    rate: Option<u64>,
}

/// Scrubs by `scrub`, which `name` tells of; shows one report, or all of several.
pub(crate) fn run(
    name: &str,
    rate: &Rate,
    output: &mut Output<'_, '_>,
    scrub: impl FnOnce(ScrubOptions<'_>) -> millpond::Result<Vec<ScrubReport>>,
    is_one: bool,
) -> Outcome {
    let reports = {
        let bar = output.progress("scrubbing", Some(0));
        let mut progress = |done, total| {
            bar.show(done, total);
            Ok(())
        };
        scrub(ScrubOptions { bytes_per_second: rate.rate, progress: Some(&mut progress) })?
    };
    let damages: usize = reports.iter().map(|report| report.damages.len()).sum();
    let show = |page: &mut Page<'_>| reports.iter().try_for_each(|report| show(report, is_one, page));
    let failed = (damages > 0).then(|| {
        let damages = plural(damages as u64, "damage");
        let message = format!(
            "{name} has {damages}: what lies there can't be read; restore it from a copy, or see what \
             `millpond container check --repair` can do"
        );
        Error::new(ErrorKind::Corrupt, message)
    });
    match (failed, reports.first().filter(|_| is_one)) {
        (None, Some(report)) => output.respond(report, show),
        (None, None) => output.respond(&reports, show),
        (Some(error), Some(report)) => output.respond_failed(report, &error, show),
        (Some(error), None) => output.respond_failed(&reports, &error, show),
    }
}

fn show(report: &ScrubReport, is_one: bool, page: &mut Page<'_>) -> io::Result<()> {
    let bytes = format_size(report.bytes);
    let place = if is_one { String::new() } else { format!("{}: ", report.container) };
    if report.damages.is_empty() {
        return page.good(&format!("{place}{bytes} read and verified in {:.1} s", report.seconds));
    }
    page.bad(&format!("{place}{bytes} read, {}", plural(report.damages.len() as u64, "damage")))?;
    page.table(&places(&report.damages))
}

/// Damages as rows.
pub(crate) fn places(damages: &[Damage]) -> Table {
    let mut table = Table::new(["PLACE", "OFFSET", "WHOSE", "WHAT"]);
    for damage in damages {
        let whose = damage.whose().unwrap_or_else(|| "-".to_owned());
        table.row([&damage.place, &damage.offset.to_string(), &whose, &damage.what]);
    }
    table
}
