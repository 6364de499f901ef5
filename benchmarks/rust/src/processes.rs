//! Several processes on one store: one leads, and all others do each workload at once.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::{
    Result,
    job::{Figure, Job, Report, Task},
    peers, workloads,
};

/// Starts the members, gives them one workload after the other, and adds up.
pub fn lead(job: &Job) -> Result<Report> {
    // Created by one of them, so that none meets a store that is half there.
    peers::open(job)?.close()?;
    let mut members: Vec<Member> = (0..job.processes)
        .map(|member| Member::start(&Job { task: Task::Member, member, ..job.clone() }))
        .collect::<Result<_>>()?;
    for member in &mut members {
        member.answer()?;
    }
    let mut report = Report::default();
    for workload in &job.workloads {
        for member in &mut members {
            member.ask(workload)?;
        }
        let mut figures = Vec::new();
        for member in &mut members {
            figures.push(serde_json::from_str::<Figure>(&member.answer()?)?);
        }
        report.figures.insert(workload.clone(), sum(&figures));
    }
    members.into_iter().try_for_each(Member::stop)?;
    Ok(report)
}

/// A member: does what it is asked, until nobody asks any more.
pub fn join(job: &Job) -> Result<()> {
    let store = peers::open(job)?;
    println!("ready");
    for workload in std::io::stdin().lines() {
        println!("{}", serde_json::to_string(&workloads::measure(job, &*store, &workload?)?)?);
    }
    store.close()
}

/// From the first one's beginning to the last one's end.
fn sum(figures: &[Figure]) -> Figure {
    let start_s = figures.iter().map(|figure| figure.start_s).fold(f64::INFINITY, f64::min);
    let end_s = figures.iter().map(|figure| figure.start_s + figure.wall_s).fold(0.0, f64::max);
    Figure {
        operations: figures.iter().map(|figure| figure.operations).sum(),
        wall_s: end_s - start_s,
        cpu_s: figures.iter().map(|figure| figure.cpu_s).sum(),
        start_s,
    }
}

struct Member {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Member {
    fn start(job: &Job) -> Result<Self> {
        let mut child = job.spawn()?;
        let input = child.stdin.take().ok_or("a member without an input")?;
        let output = BufReader::new(child.stdout.take().ok_or("a member without an output")?).lines();
        Ok(Self { child, input, output })
    }

    fn ask(&mut self, workload: &str) -> Result<()> {
        Ok(writeln!(self.input, "{workload}")?)
    }

    fn answer(&mut self) -> Result<String> {
        Ok(self.output.next().ok_or("a member ended before its time")??)
    }

    fn stop(self) -> Result<()> {
        let Self { mut child, input, output: _ } = self;
        drop(input);
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a member failed: {status}").into()) }
    }
}
