//! The results: a row for each workload, as CSV or JSON.
//!
//! Names, order (by their bytes) and form of the columns are pmemkv-bench's, slips of spelling included, so that what
//! reads its results reads these.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Settings, machine::Machine, stats::Stats, workload::Workload};
use crate::output::moment;

/// The column that counts the rows.
const ID: &str = "sequence_id";

/// Percentiles that have a column.
const PERCENTILES: [f64; 5] = [50.0, 75.0, 90.0, 99.9, 99.99];

/// What a row says of all its workload's surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) engine: &'a str,
    pub(super) path: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) machine: Machine,
}

/// Rows, and the histograms that go with them.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<BTreeMap<String, Value>>,
    histograms: Vec<String>,
}

impl Report {
    /// Adds what a workload did, which began `began` seconds after 1970; `opened` are the milliseconds that opening the
    /// engine took, if it was opened for this one.
    pub(super) fn add(
        &mut self,
        workload: Workload,
        (began, opened): (u64, Option<f64>),
        surroundings: &Surroundings<'_>,
        stats: &Stats,
    ) {
        let Surroundings { engine, path, settings, machine } = surroundings;
        let mut row = BTreeMap::new();
        let mut put = |column: &str, value: Value| row.insert(column.to_owned(), value);
        put("Benchmark", workload.name().into());
        put("CPU", machine.processors.to_string().into());
        put("CPU model", machine.model.as_str().into());
        put("CPUCache", machine.cache.as_str().into());
        put("Date", moment(began).into());
        put("Engine", (*engine).into());
        put("Entries", settings.num.into());
        put("Keys [bytes each]", settings.key_size.into());
        put("Path", (*path).into());
        let record_bytes = settings.key_size as f64 + settings.value_size as f64;
        put("RawSize [MB (estimated)]", (record_bytes * settings.num as f64 / 1_048_576.0).into());
        put("Values [bytes each]", settings.value_size.into());
        if let Some(opened) = opened {
            put("Open [millis/op]", opened.into());
        }
        put("extra_data", stats.message.as_str().into());
        put("micros/op (avarage)", stats.micros_per_operation().into());
        put("ops/sec", stats.operations_per_second().into());
        put("throughput [MB/s]", stats.megabytes_per_second().into());
        if let Some(histogram) = &stats.histogram {
            put("Median [micros/op]", histogram.percentile(50.0).into());
            for percent in PERCENTILES {
                let column = format!("Percentile P{percent:.6} [micros/op]");
                put(&column, histogram.percentile(percent).into());
            }
            let number = self.rows.len() + 1;
            self.histograms.push(format!("benchmark: {number}, {}\n{histogram}\n", workload.name()));
        }
        self.rows.push(row);
    }

    /// The rows as a JSON array.
    pub(super) fn json(&self) -> Value {
        let numbered = self.rows.iter().zip(1..).map(|(row, number)| {
            let mut object: Map<String, Value> = row.clone().into_iter().collect();
            object.insert(ID.to_owned(), json!(number));
            Value::Object(object)
        });
        numbered.collect()
    }

    /// The rows under a header, and then the histograms.
    pub(super) fn csv(&self) -> String {
        let columns: BTreeSet<&String> = self.rows.iter().flat_map(BTreeMap::keys).collect();
        let mut text = ID.to_owned();
        for column in &columns {
            text.push(',');
            text.push_str(column);
        }
        text.push_str("\r\n");
        for (row, number) in self.rows.iter().zip(1..) {
            text.push_str(&format!("{number}"));
            for column in &columns {
                text.push(',');
                text.push_str(&row.get(*column).map(cell).unwrap_or_default());
            }
            text.push_str("\r\n");
        }
        if !self.histograms.is_empty() {
            text.push_str("------------------------------------------------\n");
            self.histograms.iter().for_each(|histogram| text.push_str(histogram));
        }
        text
    }
}

/// A value in its place in a line.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains(['"', ',', '\r', '\n']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.6}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_the_readers_of_csv_expect_them() {
        assert_eq!(cell(&json!(1.5)), "1.500000");
        assert_eq!(cell(&json!(17)), "17");
        assert_eq!(cell(&json!("plain (1 of 2)")), "plain (1 of 2)");
        assert_eq!(cell(&json!("/tmp/a,\"b\"")), "\"/tmp/a,\"\"b\"\"\"");
    }

    #[test]
    fn a_column_that_a_row_lacks_is_empty_there() {
        let row = |pairs: &[(&str, Value)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let report = Report {
            rows: vec![row(&[("b", json!(1)), ("C", json!("x"))]), row(&[("C", json!("y"))])],
            histograms: Vec::new(),
        };
        assert_eq!(report.csv(), "sequence_id,C,b\r\n1,x,1\r\n2,y,\r\n");
        assert_eq!(report.json()[1], json!({ "sequence_id": 2, "C": "y" }));
    }
}
