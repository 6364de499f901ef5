//! Both programs take turns on one folder, at random; after each turn disk-objectstore finds nothing wrong,
//! and both see what a map in memory has.

use std::collections::BTreeMap;

use millpond::BlobId;
use millpond_disk_objectstore::{
    CompressMode, Config, Folder, ImportOptions, ObjectMeta, PackLooseOptions, RepackOptions,
};
use millpond_testkit::random::{Random, test_scale, test_seed};
use serde_json::{Value, json};

use crate::{
    oracle::{Oracle, hex},
    scratch::{add, content, place},
};

const MODES: [(CompressMode, &str); 4] = [
    (CompressMode::No, "no"),
    (CompressMode::Yes, "yes"),
    (CompressMode::Keep, "keep"),
    (CompressMode::Auto, "auto"),
];

type Model = BTreeMap<BlobId, Vec<u8>>;

struct Table {
    oracle: Oracle,
    folder: Folder,
    model: Model,
    random: Random,
}

impl Table {
    fn turn(&mut self) -> String {
        let is_ours = self.random.chance(600);
        let (mode, mode_name) = MODES[self.random.index(4)];
        let flag = self.random.chance(500);
        let who = if is_ours { "we" } else { "they" };
        match self.random.below(9) {
            0..3 => {
                let contents = self.contents();
                let digits: Vec<_> = contents.iter().map(|content| hex(content)).collect();
                if is_ours {
                    for content in &contents {
                        self.folder.add_loose(&mut content.as_slice()).expect("added");
                    }
                } else {
                    self.oracle.does(json!(["add_loose", digits]));
                }
                self.remember(contents);
                format!("{who} add loose objects")
            }
            3 | 4 => {
                let contents = self.contents();
                let digits: Vec<_> = contents.iter().map(|content| hex(content)).collect();
                if is_ours {
                    add(&self.folder, &contents, flag);
                } else {
                    self.oracle.does(json!(["add_to_pack", digits, flag]));
                }
                self.remember(contents);
                format!("{who} add to packs")
            }
            5 => {
                if is_ours {
                    let options =
                        PackLooseOptions { compress: mode, clean_per_pack: flag, ..Default::default() };
                    self.folder.pack_all_loose(options, None).expect("packed");
                } else {
                    self.oracle.does(json!(["pack_all_loose", mode_name, flag]));
                }
                format!("{who} pack what is loose, {mode_name}")
            }
            6 => {
                if is_ours {
                    self.folder.clean_storage(flag).expect("cleaned");
                } else {
                    self.oracle.does(json!(["clean_storage", flag]));
                }
                format!("{who} clean")
            }
            7 => {
                if is_ours {
                    let options = RepackOptions { compress: mode, keep_ids: flag };
                    self.folder.repack(options, None).expect("repacked");
                } else {
                    self.oracle.does(json!(["repack", mode_name]));
                }
                format!("{who} repack, {mode_name}")
            }
            _ => {
                let ids: Vec<_> = self.model.keys().filter(|_| self.random.chance(200)).copied().collect();
                let keys: Vec<_> = ids.iter().map(BlobId::to_string).collect();
                if is_ours {
                    assert_eq!(self.folder.delete(ids.clone()).expect("deleted"), ids);
                } else {
                    assert_eq!(self.oracle.does(json!(["delete", keys])), json!(keys));
                }
                self.model.retain(|id, _| !ids.contains(id));
                format!("{who} delete")
            }
        }
    }

    /// Some of which may be there already.
    fn contents(&mut self) -> Vec<Vec<u8>> {
        let known: Vec<_> = self.model.values().cloned().collect();
        (0..=self.random.below(8))
            .map(|_| {
                if !known.is_empty() && self.random.chance(250) {
                    known[self.random.index(known.len())].clone()
                } else {
                    content(&mut self.random)
                }
            })
            .collect()
    }

    fn remember(&mut self, contents: Vec<Vec<u8>>) {
        let hash_type = self.folder.config().expect("a configuration").hash_type;
        self.model.extend(contents.into_iter().map(|content| (hash_type.hash(&content), content)));
    }

    fn check(&mut self, what: &str) {
        let issues = self.folder.validate(None).expect("validated");
        assert!(issues.is_valid(), "{what}: we find {issues:?}");
        self.oracle.finds_nothing_wrong();
        let ids: Vec<_> = self.model.keys().copied().collect();
        let keys: Vec<_> = ids.iter().map(BlobId::to_string).collect();
        assert_eq!(self.oracle.does(json!(["list"])), json!(keys), "{what}");
        let mut listed: Vec<_> = self.folder.ids().expect("listed").map(|id| id.expect("an id")).collect();
        listed.sort();
        assert_eq!(listed, ids, "{what}");
        for found in self.folder.streams(ids.clone(), false).expect("asked") {
            let found = found.expect("found");
            let content = found.reader.map(|reader| reader.content().expect("read"));
            assert_eq!(content.as_ref(), self.model.get(&found.id), "{what}: {}", found.id);
        }
        let digits: Vec<_> = self.model.values().map(|content| hex(content)).collect();
        assert_eq!(self.oracle.does(json!(["read", keys])), json!(digits), "{what}");
        let metas: Vec<_> = ids.iter().map(|id| meta(self.folder.meta(id).expect("known"))).collect();
        assert_eq!(self.oracle.does(json!(["meta", keys])), json!(metas), "{what}");
        let count = self.folder.count_objects().expect("counted");
        let theirs = self.oracle.does(json!(["count"]));
        let ours = json!({"packed": count.packed, "loose": count.loose, "pack_files": count.pack_files});
        assert_eq!(ours, theirs, "{what}");
        let size = self.folder.total_size().expect("added up");
        let theirs = self.oracle.does(json!(["sizes"]));
        let ours = json!({
            "total_size_packed": size.packed, "total_size_packed_on_disk": size.packed_on_disk,
            "total_size_packfiles_on_disk": size.pack_files_on_disk,
            "total_size_packindexes_on_disk": size.index_on_disk, "total_size_loose": size.loose,
        });
        assert_eq!(ours, theirs, "{what}");
    }
}

fn meta(meta: ObjectMeta) -> Value {
    let ObjectMeta::Packed(place) = meta else {
        return json!({"type": "loose", "size": meta.size(), "pack_id": null, "pack_compressed": null,
            "pack_offset": null, "pack_length": null});
    };
    json!({"type": "packed", "size": place.size, "pack_id": place.pack.number(),
        "pack_compressed": place.is_compressed, "pack_offset": place.offset, "pack_length": place.length})
}

#[test]
fn turns_at_random_leave_nothing_wrong() {
    let Some(mut oracle) = Oracle::start("turns::turns_at_random_leave_nothing_wrong") else { return };
    let seed = test_seed(5);
    for round in 0..4 * test_scale() {
        let mut random = Random::new(seed + round);
        let (_dir, path) = place();
        let config = Config {
            loose_prefix_len: random.index(5),
            pack_size_target: 1 + random.below(60_000),
            zlib_level: 1 + random.below(9) as u32,
            ..Config::default()
        };
        let folder = Folder::init(&path, &config).expect("made");
        oracle.at(&path);
        let mut table = Table { oracle, folder, model: Model::new(), random };
        let mut turns = Vec::new();
        for _ in 0..30 {
            turns.push(table.turn());
            if table.random.chance(200) {
                table.folder.close().expect("closed");
            }
            // It reads an old state for as long as it is open.
            table.oracle.at(&path);
            table.check(&format!("seed {}, after {turns:?}", seed + round));
        }
        oracle = table.oracle;
    }
}

#[test]
fn objects_are_imported_from_folders_of_either_hash() {
    let Some(mut oracle) = Oracle::start("turns::objects_are_imported_from_folders_of_either_hash") else {
        return;
    };
    let mut random = Random::new(11);
    let contents: Vec<_> = (0..20).map(|_| content(&mut random)).collect();
    let digits: Vec<_> = contents.iter().map(|content| hex(content)).collect();
    for hash_type in ["sha256", "sha1"] {
        let ((_dir, theirs), (_other_dir, path)) = (place(), place());
        oracle.does(json!(["init", theirs, {"hash_type": hash_type}]));
        oracle.does(json!(["add_loose", digits[..10]]));
        oracle.does(json!(["add_to_pack", digits[10..], true]));
        let source = Folder::open(&theirs).expect("opened");
        let folder = Folder::init(&path, &Config::default()).expect("made");
        add(&folder, &contents[5..7], false);
        let ids: Vec<_> = source.ids().expect("listed").map(|id| id.expect("an id")).collect();
        let imported = folder.import(ids.clone(), &source, ImportOptions::default(), None).expect("imported");
        let expected = if hash_type == "sha256" { ids.len() - 2 } else { ids.len() };
        assert_eq!(imported.len(), expected);
        for (there, here) in imported {
            assert_eq!(folder.read(&here).expect("read"), source.read(&there).expect("read"));
        }
        oracle.at(&path);
        oracle.finds_nothing_wrong();
        assert_eq!(oracle.does(json!(["count"]))["packed"], json!(ids.len()));
    }
}
