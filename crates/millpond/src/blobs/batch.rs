//! Inserting many blobs with one sync for a great many of them.
//!
//! Sources are taken some at a time: hashed, looked up together, and those that are new are written. What
//! was written is committed when it is much, or when the sources end; only then the answers are given.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, VecDeque},
};

use millpond_core::{Epoch, Precondition, Record, Result};

use super::{
    Blobs, check_note,
    digest::BlobId,
    encode::{self, Encoded},
    insert::{Content, begin, is_there, signed},
    parallel,
    store::{BlobSource, InsertOptions, Inserted},
};
use crate::{
    bugs::{Bug, planted},
    layout,
    value::{self, Applied, CONFLICT_RETRIES, LongValues, codec::Compression},
};

/// Blobs that are looked up together, at most, and bytes of them that are in memory meanwhile.
const GROUP_BLOBS: usize = 512;
const GROUP_BYTES: usize = 4 << 20;

/// Blobs of one commit, at most, and bytes of them.
const COMMIT_BLOBS: usize = 8192;
const COMMIT_BYTES: u64 = 64 << 20;

/// Inserts many blobs as it is advanced. See [`BlobStore::insert_many`](super::BlobStore::insert_many).
pub struct Insertions<'a> {
    blobs: Blobs,
    sources: Box<dyn Iterator<Item = Result<BlobSource<'a>>> + Send + 'a>,
    options: InsertOptions,
    batch: Batch,
    ready: VecDeque<Result<Inserted>>,
    ended: bool,
}

/// What was written and isn't committed.
#[derive(Default)]
struct Batch {
    /// Answers, in the order of the sources.
    answers: Vec<Inserted>,
    /// Those of them that are to be committed.
    pending: Vec<Pending>,
    /// Where in `pending` a blob is.
    known: HashMap<BlobId, usize>,
    bytes: u64,
    /// The oldest view in which the pending ones were looked up.
    seen: Option<Epoch>,
    long: LongValues,
    /// Of streams, each by itself: one that was there already is given up.
    streams: Vec<LongValues>,
}

struct Pending {
    /// Which answer it is.
    answer: usize,
    sort: Vec<u8>,
    note_key: Vec<u8>,
    /// The version of the marker that it replaces, or none.
    version: Epoch,
    encoded: Encoded,
}

impl<'a> Insertions<'a> {
    pub(super) fn new(
        blobs: &Blobs,
        sources: Box<dyn Iterator<Item = Result<BlobSource<'a>>> + Send + 'a>,
        options: &InsertOptions,
    ) -> Result<Self> {
        check_note(options.note.as_deref().unwrap_or_default())?;
        let options = options.clone();
        let (batch, ready) = (Batch::default(), VecDeque::new());
        let blobs = blobs.clone();
        Ok(Self { blobs, sources, options, batch, ready, ended: false })
    }

    /// Takes sources until a commit is due, and makes it.
    fn fill(&mut self) {
        let mut failed = None;
        while !self.ended && failed.is_none() && !self.batch.is_due() {
            failed = self.take_group().err();
        }
        match self.batch.commit(&self.blobs, &self.options) {
            Ok(answers) => self.ready.extend(answers.into_iter().map(Ok)),
            Err(error) => {
                // Whether they were stored isn't known of any.
                failed = Some(error);
            }
        }
        if let Some(error) = failed {
            self.ended = true;
            self.ready.push_back(Err(error));
        }
    }

    /// Takes some sources, up to a long one.
    fn take_group(&mut self) -> Result<()> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        let mut stopped = Ok(());
        let mut stream = None;
        while group.len() < GROUP_BLOBS && bytes < GROUP_BYTES {
            let content = match self.sources.next() {
                None => {
                    self.ended = true;
                    break;
                }
                Some(source) => source.and_then(begin),
            };
            match content {
                Ok(Content::Whole(content)) => {
                    bytes += content.len();
                    group.push(content);
                }
                Ok(Content::Stream(head, rest)) => {
                    stream = Some((head, rest));
                    break;
                }
                Err(error) => {
                    stopped = Err(error);
                    break;
                }
            }
        }
        // What came before a source that failed is stored.
        self.take_whole(&group, bytes)?;
        if let Some((head, rest)) = stream {
            self.take_stream(head, rest)?;
        }
        stopped
    }

    fn take_whole(&mut self, group: &[Cow<'_, [u8]>], bytes: usize) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let (blobs, options) = (&self.blobs, &self.options);
        let ids = parallel::map(group, bytes, |content| blobs.settings.hash.hash(content));
        let found = self.batch.look_up(blobs, &ids)?;
        let mut new = HashSet::new();
        let wanted: Vec<_> = std::iter::zip(group, std::iter::zip(&ids, &found))
            .map(|(content, (id, found))| {
                let is_new = self.batch.is_new(*id, found.as_ref()).is_some() && new.insert(*id);
                let compression = encode::compression_of(blobs, options, content);
                (&content[..], if is_new { compression } else { Compression::NONE })
            })
            .collect();
        let compressed = parallel::map(&wanted, bytes, |(content, how)| value::encode(*how, content));
        let contents = std::iter::zip(&wanted, compressed);
        for ((id, found), ((content, how), compressed)) in
            std::iter::zip(std::iter::zip(ids, found), contents)
        {
            let raw_size = content.len() as u64;
            if let Some(version) = self.batch.is_new(id, found.as_ref()) {
                let container = &self.blobs.named.container;
                let long = &mut self.batch.long;
                let encoded = encode::store(container, content, compressed?.as_deref(), *how, long)?;
                self.batch.add(&self.blobs, id, version, encoded)?;
            } else {
                self.batch.answers.push(Inserted { id, raw_size, is_new: false });
            }
        }
        Ok(())
    }

    fn take_stream(&mut self, head: Vec<u8>, rest: Box<dyn std::io::Read + Send + 'a>) -> Result<()> {
        let mut long = LongValues::default();
        let compression = encode::compression_of(&self.blobs, &self.options, &head);
        let container = &self.blobs.named.container;
        let hash = self.blobs.settings.hash;
        let (id, encoded) = encode::encode_stream(container, hash, head, rest, compression, &mut long)?;
        let found = self.batch.look_up(&self.blobs, &[id])?.pop().flatten();
        match self.batch.is_new(id, found.as_ref()) {
            Some(version) => {
                self.batch.streams.push(long);
                self.batch.add(&self.blobs, id, version, encoded)
            }
            None => {
                self.batch.answers.push(Inserted { id, raw_size: encoded.raw_size, is_new: false });
                Ok(())
            }
        }
    }
}

impl Iterator for Insertions<'_> {
    type Item = Result<Inserted>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !(self.ended && self.batch.answers.is_empty()) {
            self.fill();
        }
        self.ready.pop_front()
    }
}

impl Batch {
    fn is_due(&self) -> bool {
        self.pending.len() >= COMMIT_BLOBS
            || self.bytes >= COMMIT_BYTES
            || self.answers.len() >= 4 * COMMIT_BLOBS
    }

    fn look_up(&mut self, blobs: &Blobs, ids: &[BlobId]) -> Result<Vec<Option<Record>>> {
        let sorts: Vec<_> = ids.iter().map(|id| blobs.sort(id)).collect::<Result<_>>()?;
        let (view, records) = blobs.named.records(&sorts)?;
        self.seen.get_or_insert(view.epoch());
        Ok(records)
    }

    /// Of a blob that isn't there, the version of the marker in its place, if there is one.
    fn is_new(&self, id: BlobId, found: Option<&Record>) -> Option<Epoch> {
        match found {
            Some(record) if is_there(record) => None,
            _ if self.known.contains_key(&id) => None,
            Some(marker) => Some(marker.version),
            None => Some(Epoch::ZERO),
        }
    }

    fn add(&mut self, blobs: &Blobs, id: BlobId, version: Epoch, encoded: Encoded) -> Result<()> {
        self.known.insert(id, self.pending.len());
        self.bytes += encoded.size;
        let (sort, note_key) = (blobs.sort(&id)?, layout::note_key(id.as_bytes()));
        self.pending.push(Pending { answer: self.answers.len(), sort, note_key, version, encoded });
        self.answers.push(Inserted {
            id,
            raw_size: self.pending[self.pending.len() - 1].encoded.raw_size,
            is_new: true,
        });
        Ok(())
    }

    /// Makes the commit, and answers all that waited for it. Afterwards the batch is empty.
    fn commit(&mut self, blobs: &Blobs, options: &InsertOptions) -> Result<Vec<Inserted>> {
        let mut batch = std::mem::take(self);
        for _ in 0..CONFLICT_RETRIES {
            if batch.pending.is_empty() {
                return Ok(batch.answers);
            }
            let named = &blobs.named;
            let mut same = Vec::with_capacity(batch.pending.len());
            let mut writes = Vec::with_capacity(batch.pending.len() + 2);
            let (mut raw, mut stored) = (0, 0);
            for blob in &batch.pending {
                let encoded = &blob.encoded;
                raw += signed(encoded.raw_size);
                stored += signed(encoded.size);
                same.push(Precondition::Unchanged { key: named.key(&blob.sort), version: blob.version });
                writes.push(named.insertion(&blob.sort, &encoded.record, &encoded.extents));
                writes.extend(blobs.note(&blob.note_key, options.note.as_ref()));
            }
            let counts = blobs.adjustments(raw, stored);
            if !planted(Bug::CountBlobsApart) {
                writes.extend(counts);
            }
            let applied = named.commit_seen(batch.seen, &same, &writes);
            if planted(Bug::CountBlobsApart) {
                named.commit(&[], &counts)?;
            }
            if !matches!(applied, Ok(Applied::Conflict)) {
                std::mem::take(&mut batch.long).settle(&applied);
                batch.streams.drain(..).for_each(|stream| stream.settle(&applied));
                return applied.map(|_| batch.answers);
            }
            batch.drop_found(blobs)?;
        }
        Err(blobs.named.contended("insert many blobs, such as", b""))
    }

    /// Others have inserted some of them meanwhile: those are there.
    fn drop_found(&mut self, blobs: &Blobs) -> Result<()> {
        let sorts: Vec<_> = self.pending.iter().map(|blob| &blob.sort[..]).collect();
        let (view, records) = blobs.named.records(&sorts)?;
        self.seen = Some(view.epoch());
        let mut records = records.into_iter();
        let answers = &mut self.answers;
        self.pending.retain_mut(|blob| match records.next().flatten() {
            Some(record) if is_there(&record) => {
                answers[blob.answer].is_new = false;
                false
            }
            found => {
                blob.version = found.map_or(Epoch::ZERO, |marker| marker.version);
                true
            }
        });
        Ok(())
    }
}
