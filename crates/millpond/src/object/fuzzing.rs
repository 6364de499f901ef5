//! The decoders of what an object has on disk, and of anchors. See [`crate::fuzzing`].

use millpond_core::{Epoch, Extent, RecordRef, SegmentId};

use super::{
    Anchor, ObjectClass, class, extent,
    extent::{Content, ExtentValue},
    header,
    id::{ObjectForm, ObjectKind},
    key::KeyKind,
    records::{self, ArrayHeader, Place, Slot},
};
use crate::{fuzzing::Decoder, layout::ObjectId};

/// All of them, by the names of their corpora.
pub(crate) const DECODERS: [(&str, Decoder); 4] = [
    ("object_extent", object_extent),
    ("object_header", object_header),
    ("object_key", object_key),
    ("object_anchor", object_anchor),
];

fn object_extent(bytes: &[u8]) {
    let held = [Extent { segment: SegmentId(1), offset: 48, length: 100 }];
    for (length, extents) in [(0, &[][..]), (5, &[]), (100, &held)] {
        let record = RecordRef { version: Epoch(7), value: bytes, extents };
        let Ok(read) = ExtentValue::parse(record, length) else { continue };
        if let Content::Inline(inline) = read.content {
            assert_eq!(inline.len() as u64, length);
        }
        let again = extent::restamped(bytes, Epoch(7));
        let later = RecordRef { version: Epoch(9), value: &again, extents };
        assert_eq!(ExtentValue::parse(later, length).ok(), Some(read), "it is as old as it was");
    }
}

fn object_header(bytes: &[u8]) {
    if let Ok(header) = ArrayHeader::parse(bytes) {
        assert_eq!(header.encode(), bytes);
    }
    for form in [ObjectForm::Keyed, ObjectForm::Array] {
        if let Ok(shape) = header::parse(form, bytes) {
            assert_eq!(header::encode(shape), bytes);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(class) = text.parse::<ObjectClass>() {
            assert_eq!(class.to_string().parse::<ObjectClass>().ok(), Some(class));
        }
        let _ = text.parse::<ObjectId>();
    }
}

fn object_key(bytes: &[u8]) {
    for dkeys in [KeyKind::Hashed, KeyKind::Integer] {
        for akeys in [KeyKind::Lexical, KeyKind::Integer] {
            let kind = ObjectKind { dkeys, akeys, form: ObjectForm::Keyed, class: class::ObjectClass::S1 };
            let Ok(place) = Place::parse(kind, bytes) else { continue };
            let (Some(dkey), Some(akey)) = (Place::dkey(kind, bytes), place.akey(kind, bytes)) else {
                panic!("a place without keys");
            };
            let dkey = records::dkey_prefix(kind, &dkey).expect("a dkey that was read");
            let akey = records::akey_prefix(kind, &dkey, &akey).expect("an akey that was read");
            let again = match place.record {
                Slot::Single => records::single_key(&akey),
                Slot::Array => records::array_key(&akey),
                Slot::Extent(extent) => records::extent_key(&akey, extent.start, extent.end - extent.start),
            };
            assert_eq!(again, bytes);
        }
    }
}

fn object_anchor(bytes: &[u8]) {
    if let Ok(anchor) = Anchor::from_bytes(bytes) {
        assert_eq!(anchor.to_bytes(), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<Anchor>();
    }
}
