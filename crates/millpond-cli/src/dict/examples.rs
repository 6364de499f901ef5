//! What the help of the commands shows that maps have, too.

pub(super) const GET: &str = "\
Examples:
  millpond dict get lab/results runs run-1
  millpond dict get lab/results images loom --output loom.png
  millpond dict get lab/results runs --hex 00ff
  millpond dict get lab/results runs run-1 --at before-cleanup
  millpond dict get lab/results runs -- -dashed-key";

pub(super) const PUT: &str = "\
Examples:
  millpond dict put lab/results runs run-1 'it works'
  millpond dict put lab/results images loom @loom.png
  zcat log.gz | millpond dict put lab/results logs today -
  millpond dict put lab/results runs --hex 00ff cafe
  millpond dict put lab/results runs handle @ada --literal";

pub(super) const DELETE: &str = "\
Examples:
  millpond dict delete lab/results runs run-1
  millpond dict delete lab/results runs run-1 run-2 --ignore-missing
  millpond dict delete lab/results runs --hex 00ff";

pub(super) const DUMP: &str = "\
Examples:
  millpond dict dump lab/results runs > runs.jsonl
  millpond dict dump lab/results runs --prefix 2026- --output runs.jsonl
  millpond dict dump lab/results runs | jq -r .key

A value longer than 1 MiB is spread over several lines, each with the offset of its part and the
length of the whole; `millpond dict load` puts them together again.";

pub(super) const LOAD: &str = "\
Examples:
  millpond dict load lab/results runs runs.jsonl
  millpond dict dump lab/results runs | millpond dict load other/copy runs --create

Entries are stored in batches of up to 4 MiB, each of them whole or not at all; if a line is wrong,
what comes before it is stored, and the error says which line it was.";

pub(super) const COUNT: &str = "\
Examples:
  millpond dict count lab/results runs
  millpond dict count lab/results runs --prefix 2026-
  millpond dict count lab/results runs --start run-17 --end run-30";
