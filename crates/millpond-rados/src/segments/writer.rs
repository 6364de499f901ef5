//! Writing values: an object at a time, several of them at once in the background.

use std::{collections::VecDeque, sync::Arc};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId, SegmentWriter, limits::SEGMENT_BYTES_MAX};
use uuid::Uuid;

use super::frame::{self, FRAME_BYTES, FRAMES, PART_BYTES};
use crate::{
    background::PendingWrite, container::Container, errno::Errno, layout::segment_object, operation::Change,
};

/// Objects that are on their way to the cluster at most: what bounds a writer's memory.
const PENDING_MAX: usize = 4;

/// See the module.
pub(crate) struct Writer {
    container: Arc<Container>,
    value: Value,
    /// The segments of finished values, with the number of their objects.
    finished: Vec<(SegmentId, u64)>,
}

/// A value that is being written.
#[derive(Default)]
struct Value {
    /// The segments before the one that is being written, full.
    extents: Vec<Extent>,
    segment: Option<Segment>,
    pending: VecDeque<Part>,
}

/// The segment that is being written.
struct Segment {
    id: SegmentId,
    length: u64,
    /// The sealed frames of the object that is being put together.
    sealed: Vec<u8>,
    frames: u64,
    parts: u64,
    /// The frame that is being put together.
    payload: Vec<u8>,
}

/// An object that is on its way. Its bytes are kept, to be sent again if no answer comes.
struct Part {
    segment: SegmentId,
    part: u64,
    bytes: Vec<u8>,
    write: PendingWrite,
}

impl Writer {
    pub(crate) fn new(container: &Arc<Container>) -> Result<Self> {
        container.check_writable()?;
        Ok(Self { container: Arc::clone(container), value: Value::default(), finished: Vec::new() })
    }

    /// Deletes what was written of the value at hand, as far as that goes.
    fn drop_value(&mut self) {
        let value = std::mem::take(&mut self.value);
        // What is still on its way has to arrive, to be deleted.
        for part in value.pending {
            let _ = part.write.wait();
        }
        let full = value.extents.iter().map(|extent| (extent.segment, extent.length.div_ceil(PART_BYTES)));
        let last = value.segment.map(|segment| (segment.id, segment.parts));
        remove(&self.container, full.chain(last));
    }

    fn guarded<T>(&mut self, act: impl FnOnce(&mut Value, &Container) -> Result<T>) -> Result<T> {
        let container = Arc::clone(&self.container);
        let done = container.check_writable().and_then(|()| act(&mut self.value, &container));
        if done.is_err() {
            self.drop_value();
        }
        done
    }
}

/// Deletes the objects of segments. What stays, since the cluster doesn't answer, is found by the
/// next sweep.
fn remove(container: &Container, segments: impl Iterator<Item = (SegmentId, u64)>) {
    for (segment, parts) in segments {
        for part in 0..parts {
            let _ = container.context.write_again(&segment_object(segment, part), &[Change::Remove]);
        }
    }
}

impl SegmentWriter for Writer {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.guarded(|value, container| value.append(container, bytes))
    }

    fn finish(&mut self) -> Result<Vec<Extent>> {
        let extents = self.guarded(Value::finish)?;
        self.finished
            .extend(extents.iter().map(|extent| (extent.segment, extent.length.div_ceil(PART_BYTES))));
        Ok(extents)
    }

    fn abandon(&mut self) {
        self.drop_value();
        remove(&self.container, std::mem::take(&mut self.finished).into_iter());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.drop_value();
    }
}

impl Value {
    fn append(&mut self, container: &Container, mut bytes: &[u8]) -> Result<()> {
        container.quota.admit(bytes.len() as u64)?;
        while !bytes.is_empty() {
            let segment = self.segment.get_or_insert_with(Segment::new);
            let room = FRAME_BYTES as usize - segment.payload.len();
            let (head, tail) = bytes.split_at(bytes.len().min(room));
            segment.payload.extend_from_slice(head);
            segment.length += head.len() as u64;
            bytes = tail;
            if segment.payload.len() as u64 == FRAME_BYTES {
                self.end_frame(container)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, container: &Container) -> Result<Vec<Extent>> {
        if self.segment.as_ref().is_some_and(|segment| !segment.payload.is_empty()) {
            self.end_frame(container)?;
        }
        if self.segment.as_ref().is_some_and(|segment| segment.frames > 0) {
            self.end_part(container)?;
        }
        self.end_segment();
        while !self.pending.is_empty() {
            self.await_one(container)?;
        }
        Ok(std::mem::take(&mut self.extents))
    }

    fn end_frame(&mut self, container: &Container) -> Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let object = segment_object(segment.id, segment.parts);
        let frame = frame::seal(&container.identity, &object, segment.frames, &segment.payload);
        segment.sealed.extend_from_slice(&frame);
        segment.payload.clear();
        segment.frames += 1;
        if segment.frames == FRAMES {
            self.end_part(container)?;
            if self.segment.as_ref().is_some_and(|segment| segment.length >= SEGMENT_BYTES_MAX) {
                self.end_segment();
            }
        }
        Ok(())
    }

    /// Sends the object that is put together.
    fn end_part(&mut self, container: &Container) -> Result<()> {
        if self.pending.len() >= PENDING_MAX {
            self.await_one(container)?;
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let bytes = std::mem::take(&mut segment.sealed);
        let (id, part) = (segment.id, segment.parts);
        segment.parts += 1;
        segment.frames = 0;
        let object = segment_object(id, part);
        let create = if part == 0 { Change::CreateNew } else { Change::Create };
        let write = PendingWrite::begin(&container.context, &object, &[create, Change::Replace(&bytes)])?;
        self.pending.push_back(Part { segment: id, part, bytes, write });
        Ok(())
    }

    fn end_segment(&mut self) {
        let ended = self.segment.take();
        self.extents.extend(ended.map(|segment| Extent {
            segment: segment.id,
            offset: 0,
            length: segment.length,
        }));
    }

    /// Waits for the object that was sent first.
    fn await_one(&mut self, container: &Container) -> Result<()> {
        let Some(Part { segment, part, bytes, write }) = self.pending.pop_front() else { return Ok(()) };
        let object = segment_object(segment, part);
        let written = match write.wait() {
            // Whether it was written or not: the same bytes again, in the same place.
            Err(errno) if errno.is_transient() => {
                container.context.write_again(&object, &[Change::Create, Change::Replace(&bytes)])?
            }
            other => other,
        };
        written.map_err(|errno| match errno {
            Errno::PRESENT => Error::new(
                ErrorKind::Io,
                format!("{} is there already: write the value again", container.context.place(&object)),
            ),
            _ => errno.into_error(format_args!("can't write {}", container.context.place(&object))),
        })
    }
}

impl Segment {
    fn new() -> Self {
        let id = SegmentId(Uuid::new_v4().as_u64_pair().0 ^ Uuid::new_v4().as_u64_pair().1);
        Self { id, length: 0, sealed: Vec::new(), frames: 0, parts: 0, payload: Vec::new() }
    }
}
