//! The power fails while a process makes the steps of `deaths`, before one change of the disk or another: what
//! it was told that was done is there, and nothing is half done.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use millpond::{Label, Pool};
use millpond_core::PoolDocument;
use millpond_local::LocalPool;
use millpond_pmemkv::Engine;
use millpond_testkit::{
    random::{Random, test_scale, test_seed},
    sim::{SimMachine, SimMedia},
};
use uuid::Uuid;

use crate::{
    deaths::{check, make, number},
    support::{eight, engines},
};

const DIR: &str = "/home/pool";
const STEPS: u64 = 24;

fn create_pool(process: &Arc<SimMedia>) -> Pool {
    let document = PoolDocument {
        uuid: Uuid::from_u128(7),
        label: Label::new("pool").expect("a label"),
        created: 1,
        size: None,
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::new(),
    };
    let store = LocalPool::create_on(process.clone(), Path::new(DIR), &document).expect("created");
    Pool::over(Arc::new(store.without_background())).expect("a pool")
}

fn open(name: &str, process: &Arc<SimMedia>) -> Engine {
    let store = LocalPool::open_on(process.clone(), Path::new(DIR)).expect("a pool").without_background();
    Engine::over(name, &Pool::over(Arc::new(store)).expect("a pool")).expect("opened")
}

/// What was done by when the machine was in a state, and that machine.
type Moment = (u64, SimMachine);

/// The machine before every so many changes of its disk.
fn moments(name: &str, every: u64, told_early: bool, seed: u64) -> Vec<Moment> {
    let machine = SimMachine::new(seed);
    machine.record(false);
    let process = machine.process();
    let engine = Engine::over(name, &create_pool(&process)).expect("created");
    engine.put(&number(), &eight(0)).expect("put");
    let told = Arc::new(AtomicU64::new(0));
    let moments: Arc<Mutex<(u64, Vec<Moment>)>> = Arc::default();
    let (noted, now) = (moments.clone(), told.clone());
    machine.observe(Some(Box::new(move |moment| {
        let mut noted = noted.lock().expect("noted");
        noted.0 += 1;
        if noted.0.is_multiple_of(every) {
            noted.1.push((now.load(Ordering::Relaxed), moment.fork()));
        }
    })));
    for step in 1..=STEPS {
        if told_early {
            told.store(step, Ordering::Relaxed);
        }
        make(&engine, step);
        told.store(step, Ordering::Relaxed);
    }
    machine.observe(None);
    process.kill();
    drop(engine);
    std::mem::take(&mut moments.lock().expect("noted").1)
}

fn attack(name: &str, told_early: bool, random: &mut Random) {
    let every = (4 / test_scale()).max(1);
    let moments = moments(name, every, told_early, random.number());
    assert!(moments.len() as u64 >= STEPS / every, "{name}: {} moments", moments.len());
    for (told, moment) in moments {
        for machine in [moment.power_cut_worst(), moment.power_cut_none(), moment.power_cut(random.number())]
        {
            let process = machine.process();
            let engine = open(name, &process);
            check(&engine, told);
            process.kill();
        }
    }
}

#[test]
fn what_was_done_survives_a_loss_of_power() {
    let mut random = Random::new(test_seed(67));
    for name in engines(|engine| engine.persistent) {
        attack(name, false, &mut random);
    }
}

/// The test of the test.
#[test]
fn an_engine_that_tells_early_is_noticed() {
    let attacked = std::panic::catch_unwind(AssertUnwindSafe(|| attack("radix", true, &mut Random::new(1))));
    assert!(attacked.is_err(), "it wasn't noticed");
}
