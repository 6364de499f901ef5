//! Which order a map has, and that it keeps it.

use millpond::{
    Comparator, Container, DifferenceKind, DifferentObject, ErrorKind, MapRange, Moment, OrderedMap,
};

use crate::scratch::Scratch;

fn keys(map: &OrderedMap) -> Vec<String> {
    map.iter()
        .expect("begun")
        .map(|entry| String::from_utf8(entry.expect("read").0.to_vec()).expect("text"))
        .collect()
}

#[test]
fn a_map_opens_under_its_own_comparator_only() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let map = container.create_map("m", &Comparator::Reverse).expect("created");
    map.put_many([("a", "1"), ("b", "2")]).expect("put");
    container.close().expect("closed");

    let container = Container::open(&container.url()).expect("opened");
    assert_eq!(keys(&container.map("m").expect("opened")), ["b", "a"]);
    assert_eq!(container.map("m").expect("opened").comparator(), &Comparator::Reverse);
    for other in [Comparator::Bytes, Comparator::Integer, "mine".parse().expect("a name")] {
        for error in [
            container.map_under("m", &other).expect_err("another order"),
            container.open_or_create_map("m", &other).expect_err("another order"),
        ] {
            assert_eq!(error.kind(), ErrorKind::ComparatorMismatch);
            assert!(error.to_string().contains("\"reverse\""), "{error}");
        }
    }
    container.map_under("m", &Comparator::Reverse).expect("the same");
    assert_eq!(container.maps().expect("listed"), ["m"]);
    assert_eq!(container.query().expect("asked").maps, 1);
    container.destroy_map("m").expect("destroyed");
    assert_eq!(container.map("m").expect_err("gone").kind(), ErrorKind::NotFound);
    assert_eq!(container.query().expect("asked").maps, 0);
}

#[test]
fn a_name_leads_to_one_kind_of_object() {
    let scratch = Scratch::file();
    let container = scratch.container();
    container.create_map("m", &Comparator::Bytes).expect("created");
    assert_eq!(container.dict("m").expect_err("a map").kind(), ErrorKind::InvalidArgument);
    assert_eq!(container.create_dict("m").expect_err("taken").kind(), ErrorKind::AlreadyExists);
    container.create_dict("d").expect("created");
    let error = container.map("d").expect_err("a dictionary");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("a dictionary, not an ordered map"), "{error}");
    assert_eq!(container.destroy_map("d").expect_err("a dictionary").kind(), ErrorKind::InvalidArgument);
}

#[test]
fn an_order_that_nobody_registered_is_asked_for() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let unknown: Comparator = "nobody's".parse().expect("a name");
    let error = container.create_map("m", &unknown).expect_err("not registered");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("register it"), "{error}");
    assert!(container.maps().expect("listed").is_empty(), "nothing was made");

    for taken in ["bytes", "reverse", "integer", "float", "", &"x".repeat(129)] {
        let error = Comparator::register(taken, |key| Ok(key.to_vec())).expect_err("not to be had");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{taken}");
    }
}

#[test]
fn what_a_function_answers_arrives() {
    let scratch = Scratch::file();
    let moody = Comparator::register("moody", |key| match key {
        b"no" => Err(millpond::Error::new(ErrorKind::InvalidArgument, "not this one")),
        b"long" => Ok(vec![0; 1025]),
        key => Ok(key.iter().rev().copied().collect()),
    });
    let map = scratch.container().create_map("m", &moody.expect("registered")).expect("created");
    assert_eq!(map.put(b"no", b"").expect_err("refused").to_string(), "not this one");
    assert_eq!(map.put(b"long", b"").expect_err("too long").kind(), ErrorKind::KeyTooLong);
    let mut batch = map.batch();
    batch.put(b"az", b"1").expect("added");
    assert!(batch.put(b"no", b"2").is_err());
    batch.put(b"ya", b"3").expect("added");
    assert_eq!(batch.commit().expect("committed"), [false, false]);
    assert_eq!(keys(&map), ["ya", "az"]);
    assert_eq!(map.len().expect("counted"), 2);
}

#[test]
fn keys_are_what_users_gave_wherever_they_are_told() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let map = container.create_map("m", &Comparator::Integer).expect("created");
    let number = (-7i64).to_le_bytes();
    container.snapshot("before").expect("kept");
    map.put(&number, b"x").expect("put");
    let differences: Vec<_> = container
        .diff(Moment::Snapshot("before"), Moment::Now)
        .expect("begun")
        .map(|difference| difference.expect("read"))
        .collect();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].change, DifferenceKind::Added);
    assert_eq!(differences[0].object, DifferentObject::Map("m".into()));
    let Some(millpond::DifferentKey::Number(key)) = &differences[0].key else { panic!("{differences:?}") };
    assert_eq!((key.integer(), key.float(), key.bytes()), (Some(-7), None, number));
    assert_eq!(differences[0].to_string(), "+ m -7");
    container.rollback("before").expect("rolled back");
    assert!(map.is_empty().expect("counted"));

    let error = map.put(b"seven", b"").expect_err("no number");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        map.range(&MapRange::above("x")).err().map(|error| error.kind()),
        Some(ErrorKind::InvalidArgument)
    );
}

#[test]
fn a_transaction_changes_a_map_as_a_whole() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let map = container.create_map("m", &Comparator::Reverse).expect("created");
    container
        .transaction(|tx| {
            let within = map.within(tx)?;
            within.put(b"a", b"1")?;
            within.put(b"b", b"2")?;
            assert_eq!(keys(&within), ["b", "a"]);
            assert_eq!(within.count(&MapRange::above("b"))?, 1);
            assert!(map.is_empty()?, "nobody else sees it");
            assert_eq!(tx.map("m")?.len()?, 2);
            Ok(())
        })
        .expect("committed");
    assert_eq!(keys(&map), ["b", "a"]);
    let aborted = container.transaction(|tx| {
        map.within(tx)?.clear()?;
        Err::<(), _>(millpond::Error::new(ErrorKind::Busy, "enough"))
    });
    assert_eq!(aborted.expect_err("aborted").kind(), ErrorKind::Busy);
    assert_eq!(map.len().expect("counted"), 2);
}
