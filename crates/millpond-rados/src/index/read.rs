//! Records by key: the newest, or as a view sees them.

use millpond_core::{Epoch, Record, Result};

use crate::{
    container::Container,
    layout::{
        keys::{self, HISTORY, HORIZON, RETAINED},
        record::{Version, decode},
    },
    operation::Query,
};

/// Keys that one operation reads at most.
const KEYS_MAX: usize = 1024;
/// Histories that one operation looks into at most.
const HISTORIES_MAX: usize = 64;

/// The newest record of the key `record`.
pub(crate) fn get(container: &Container, record: &[u8]) -> Result<Option<Record>> {
    let answer = container.read(&[record], vec![])?;
    Ok(version_at(container, record, answer.entries.get(record))?.map(|version| version.record))
}

/// The records that a view at `epoch` sees, of many keys.
pub(super) fn get_many(
    container: &Container,
    epoch: Epoch,
    records: &[Vec<u8>],
) -> Result<Vec<Option<Record>>> {
    let mut found = Vec::with_capacity(records.len());
    for chunk in records.chunks(KEYS_MAX) {
        let wanted: Vec<&[u8]> = chunk.iter().map(Vec::as_slice).collect();
        let answer = container.read(&wanted, vec![])?;
        let mut superseded = Vec::new();
        for record in chunk {
            match version_at(container, record, answer.entries.get(record))? {
                Some(version) if version.record.version <= epoch => found.push(Some(version.record)),
                // Since the view nothing was committed: it isn't there.
                None if answer.head.epoch <= epoch => found.push(None),
                _ => {
                    superseded.push((found.len(), record));
                    found.push(None);
                }
            }
        }
        for chunk in superseded.chunks(HISTORIES_MAX) {
            let records: Vec<&[u8]> = chunk.iter().map(|(_, record)| record.as_slice()).collect();
            for ((at, _), version) in chunk.iter().zip(past(container, epoch, &records)?) {
                found[*at] = version;
            }
        }
    }
    Ok(found)
}

/// What a view at `epoch` sees of records that were changed after it.
pub(super) fn past(container: &Container, epoch: Epoch, records: &[&[u8]]) -> Result<Vec<Option<Record>>> {
    let lists = records
        .iter()
        .map(|record| Query::List {
            prefix: [&[HISTORY], &record[1..]].concat(),
            after: keys::before_version(record, epoch),
            max: 1,
        })
        .collect();
    let answer = container.read(&[HORIZON, RETAINED], lists)?;
    container.retention(&answer)?.check(epoch)?;
    answer
        .lists
        .iter()
        .map(|list| {
            let Some((key, value)) = list.entries.first() else { return Ok(None) };
            let version =
                decode(&container.identity, key, value).map_err(|why| container.damaged(key, why))?;
            Ok(version.is_live_at(epoch).then_some(version.record))
        })
        .collect()
}

fn version_at(container: &Container, key: &[u8], value: Option<&Vec<u8>>) -> Result<Option<Version>> {
    value
        .map(|value| decode(&container.identity, key, value).map_err(|why| container.damaged(key, why)))
        .transpose()
}
