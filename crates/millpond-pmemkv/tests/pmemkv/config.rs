//! Configurations: what an item is, what each engine needs, and what is refused.

use millpond_pmemkv::{Config, Engine, Item, Status};

use crate::support::{Opened, engines, status};

#[test]
fn json_has_whole_numbers_texts_truths_and_objects() {
    let config = Config::from_json(
        r#"{"string": "abc", "int": 123, "int_neg": -1025, "great": 18446744073709551615, "bool": true,
            "bool_f": false, "sub_config": {"path": "/my/path", "size": 1024000000}}"#,
    )
    .expect("read");
    assert_eq!(config.text("string").expect("a text"), Some("abc"));
    assert_eq!(config.unsigned("int").expect("a number"), Some(123));
    assert_eq!(config.signed("int").expect("a number"), Some(123));
    assert_eq!(config.signed("int_neg").expect("a number"), Some(-1025));
    assert_eq!(config.unsigned("great").expect("a number"), Some(u64::MAX));
    assert_eq!(config.signed("bool").expect("a number"), Some(1));
    assert_eq!(config.signed("bool_f").expect("a number"), Some(0));
    assert_eq!(config.text("missing").expect("not there"), None);
    let Some(Item::Config(sub)) = config.item("sub_config") else { panic!("no object") };
    assert_eq!(sub.text("path").expect("a text"), Some("/my/path"));
    assert_eq!(sub.signed("size").expect("a number"), Some(1_024_000_000));

    assert_eq!(status(config.signed("string")), Status::ConfigTypeError);
    assert_eq!(status(config.unsigned("sub_config")), Status::ConfigTypeError);
    assert_eq!(status(config.text("bool_f")), Status::ConfigTypeError);
    assert_eq!(status(config.unsigned("int_neg")), Status::ConfigTypeError);
    assert_eq!(status(config.signed("great")), Status::ConfigTypeError);
}

#[test]
fn what_no_item_can_be_does_not_parse() {
    for text in [
        "",
        "{\"int\": 12",
        "[1]",
        "7",
        "{\"double\": 12.34}",
        "{\"oversize\": 10000000000000000000000}",
        "{\"null\": null}",
        "{\"array\": [1]}",
        "{\"sub\": {\"array\": []}}",
        "{\"twice\": 1, \"twice\": 1}",
        "{} {}",
    ] {
        assert_eq!(status(Config::from_json(text)), Status::ConfigParsingError, "{text}");
    }
}

#[test]
fn an_item_is_given_once() {
    let mut config = Config::default();
    config.put("size", 1u64).expect("put");
    assert_eq!(status(config.put("size", 2u64)), Status::UnknownError);
    assert_eq!(config.unsigned("size").expect("a number"), Some(1));
}

#[test]
fn there_is_no_engine_of_another_name() {
    for name in ["", "nope", "CMAP", "caching", "stree "] {
        assert_eq!(status(Engine::open(name, &Config::default())), Status::WrongEngineName, "{name}");
    }
    let error = Engine::open("nope", &Config::default()).expect_err("no engine");
    assert!(error.to_string().contains("blackhole, cmap, csmap"), "{error}");
}

/// What is needed is missing, of another type, or impossible, engine by engine.
#[test]
fn what_an_engine_needs_is_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    let absent = directory.path().join("absent");
    let absent = absent.to_str().expect("a path");
    for name in ["vsmap", "vcmap"] {
        let open = |json: String| Engine::open(name, &Config::from_json(&json).expect("a configuration"));
        for (json, expected) in [
            ("{}".to_owned(), Status::InvalidArgument),
            (format!("{{\"path\": \"{path}\"}}"), Status::InvalidArgument),
            ("{\"size\": 16777216}".to_owned(), Status::InvalidArgument),
            (format!("{{\"path\": \"{absent}\", \"size\": 16777216}}"), Status::InvalidArgument),
            (format!("{{\"path\": \"{path}\", \"size\": 16777215}}"), Status::InvalidArgument),
            (format!("{{\"path\": \"{path}\", \"size\": 18446744073709551615}}"), Status::InvalidArgument),
            (format!("{{\"path\": \"{path}\", \"size\": \"16777216\"}}"), Status::ConfigTypeError),
            (format!("{{\"path\": \"{path}\", \"size\": -1}}"), Status::ConfigTypeError),
            ("{\"path\": 7, \"size\": 16777216}".to_owned(), Status::ConfigTypeError),
        ] {
            assert_eq!(status(open(json.clone())), expected, "{name} {json}");
        }
        // What it doesn't know it ignores.
        let json = format!("{{\"path\": \"{path}\", \"size\": 16777216, \"colour\": {{}}, \"oid\": 1}}");
        let engine = open(json).expect("opened");
        engine.close().expect("closed");
    }
    assert_eq!(std::fs::read_dir(path).expect("listed").count(), 0, "volatile engines leave nothing");
    for name in ["blackhole", "dram_vcmap"] {
        Engine::open(name, &Config::default()).expect("opened");
    }
}

#[test]
fn who_is_closed_answers_no_more() {
    for name in engines(|_| true) {
        let opened = Opened::new(name);
        let engine = opened.engine.clone();
        let key = b"8 bytes.";
        engine.put(key, key).expect("put");
        engine.close().expect("closed");
        engine.close().expect("closed again");
        assert!(engine.is_closed());
        assert_eq!(status(engine.get(key)), Status::InvalidArgument, "{name}");
        assert_eq!(status(engine.put(key, key)), Status::InvalidArgument, "{name}");
        assert_eq!(status(engine.count(millpond_pmemkv::Range::All)), Status::InvalidArgument, "{name}");
        assert_eq!(status(engine.get_many(&[key])), Status::InvalidArgument, "{name}");
    }
}
