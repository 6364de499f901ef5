//! What the help of the commands shows that dictionaries have, too.

pub(super) const GET: &str = "\
Examples:
  millpond map get lab/results readings 1719835200
  millpond map get lab/results readings -7
  millpond map get lab/results images loom --output loom.png
  millpond map get lab/results index --hex 00ff
  millpond map get lab/results readings 1719835200 --at before-cleanup";

pub(super) const PUT: &str = "\
Examples:
  millpond map put lab/results readings 1719835200 '21.5 degrees'
  millpond map put lab/results readings 1719835200 21.5 --create --comparator integer
  millpond map put lab/results images loom @loom.png
  zcat log.gz | millpond map put lab/results logs today -
  millpond map put lab/results index --hex 00ff cafe";

pub(super) const REMOVE: &str = "\
Examples:
  millpond map remove lab/results readings 1719835200
  millpond map remove lab/results readings -7 0 7 --ignore-missing
  millpond map remove lab/results index --hex 00ff";

pub(super) const DUMP: &str = "\
Examples:
  millpond map dump lab/results readings > readings.jsonl
  millpond map dump lab/results readings --equal-above 0 --below 3600 --output hour.jsonl
  millpond map dump lab/results readings | jq -r .key

A value longer than 1 MiB is spread over several lines, each with the offset of its part and the
length of the whole; `millpond map load` puts them together again.";

pub(super) const LOAD: &str = "\
Examples:
  millpond map load lab/results readings readings.jsonl
  millpond map dump lab/results readings | millpond map load other/copy readings --create --comparator integer

Entries are stored in batches of up to 4 MiB, each of them whole or not at all; if a line is wrong,
what comes before it is stored, and the error says which line it was.";

pub(super) const COUNT: &str = "\
Examples:
  millpond map count lab/results readings
  millpond map count lab/results readings --equal-above 0 --below 3600";
