//! The bank: whoever transfers from one account to another, at once with others and killed at any
//! instant, neither makes nor loses money, and every state that anybody reads has all of it.
//!
//! Each transfer is also entered in a journal, so that the balances say of each one whether it is there
//! whole.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use millpond::{Container, Dict, Durability, Result, Transaction, TransactionOptions};
use millpond_testkit::{
    process::{Part, Played, role, tell},
    random::{Random, test_scale, test_seed},
};

use crate::scratch::Scratch;

pub const ACCOUNTS: &str = "accounts";
pub const JOURNAL: &str = "journal";
const COUNT: u64 = 8;
const OPENING: i64 = 1000;

/// The name of a transfer: who made it, and its number.
pub type Name = (u32, u32);

/// From one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    from: u64,
    to: u64,
    amount: i64,
}

/// Opens the accounts, each with as much.
pub fn found_bank(container: &Container) -> Result<()> {
    container.create_dict(JOURNAL)?;
    let accounts = container.create_dict(ACCOUNTS)?;
    accounts.put_many((0..COUNT).map(|account| (account.to_be_bytes(), OPENING.to_be_bytes())))
}

/// Transfers at random, in a transaction.
pub fn transfer(tx: &Transaction, random: &mut Random, name: Name) -> Result<()> {
    let (accounts, journal) = (tx.dict(ACCOUNTS)?, tx.dict(JOURNAL)?);
    let from = random.below(COUNT);
    let to = (from + 1 + random.below(COUNT - 1)) % COUNT;
    let amount = random.below(100) as i64;
    let balance = |account: u64| -> Result<i64> {
        let value = accounts.get(&account.to_be_bytes())?.expect("an account");
        Ok(i64::from_be_bytes(value[..].try_into().expect("eight bytes")))
    };
    let (before, after) = (balance(from)? - amount, balance(to)? + amount);
    accounts.put(&from.to_be_bytes(), &before.to_be_bytes())?;
    let key = [name.0.to_be_bytes(), name.1.to_be_bytes()].concat();
    let entry = [from.to_be_bytes(), to.to_be_bytes(), amount.to_be_bytes()].concat();
    assert!(!journal.put(&key, &entry)?, "it is made once");
    accounts.put(&to.to_be_bytes(), &after.to_be_bytes()).map(drop)
}

/// Reads one state, in which the balances have to be what the journal makes of them; answers the journal.
pub fn audit(container: &Container) -> BTreeMap<Name, Transfer> {
    let options = TransactionOptions { read_only: true, ..TransactionOptions::default() };
    let tx = container.begin(options).expect("begun");
    let entries = |name: &str| {
        let entries: Vec<_> = tx.dict(name).expect("opened").iter().expect("begun").collect();
        entries.into_iter().map(|entry| entry.expect("read"))
    };
    let mut journal = BTreeMap::new();
    let mut balances = [OPENING; COUNT as usize];
    for (key, entry) in entries(JOURNAL) {
        let part = |place: usize| -> [u8; 8] { entry[8 * place..][..8].try_into().expect("eight bytes") };
        let (from, to) = (u64::from_be_bytes(part(0)), u64::from_be_bytes(part(1)));
        let amount = i64::from_be_bytes(part(2));
        balances[from as usize] -= amount;
        balances[to as usize] += amount;
        let (client, number) = key.split_at(4);
        let number_of = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
        journal.insert((number_of(client), number_of(number)), Transfer { from, to, amount });
    }
    let found: Vec<i64> = entries(ACCOUNTS)
        .map(|(_, value)| i64::from_be_bytes(value[..].try_into().expect("eight bytes")))
        .collect();
    assert_eq!(found, balances, "the balances are not what {} transfers make of them", journal.len());
    assert_eq!(tx.dict(JOURNAL).expect("opened").len().expect("counted"), journal.len() as u64);
    journal
}

/// All money is there in every state that is read, in a transaction or not.
fn count_money(container: &Container, random: &mut Random) {
    let number = |value: &[u8]| i64::from_be_bytes(value.try_into().expect("eight bytes"));
    let asked = |accounts: &Dict| -> i64 {
        let keys: Vec<_> = (0..COUNT).map(u64::to_be_bytes).collect();
        let values = accounts.get_many(&keys).expect("read");
        values.iter().map(|value| number(value.as_deref().expect("an account"))).sum()
    };
    let walked = |accounts: &Dict| -> i64 {
        accounts.iter().expect("begun").map(|entry| number(&entry.expect("read").1)).sum()
    };
    let expected = COUNT as i64 * OPENING;
    let accounts = container.dict(ACCOUNTS).expect("opened");
    if random.chance(500) {
        assert_eq!(asked(&accounts), expected);
        assert_eq!(walked(&accounts), expected);
    } else {
        let options = TransactionOptions { read_only: random.chance(500), ..TransactionOptions::default() };
        let tx = container.begin(options).expect("begun");
        let accounts = accounts.within(&tx).expect("the same container");
        assert_eq!(walked(&accounts), expected);
        assert_eq!(asked(&accounts), expected);
    }
}

/// A clerk makes transfers and counts the money now and then; says which ones are made.
fn work(
    container: &Container,
    client: u32,
    seed: u64,
    numbers: impl Iterator<Item = u32>,
    said: impl Fn(Name),
) {
    let mut random = Random::new(seed ^ u64::from(client) << 32);
    for number in numbers {
        let durability = if random.chance(200) { Durability::Sync } else { Durability::Async };
        let options = TransactionOptions {
            durability: Some(durability),
            retries: Some(100_000),
            memory: random.chance(100).then_some(100),
            ..TransactionOptions::default()
        };
        let name = (client, number);
        container.transaction_with(options, |tx| transfer(tx, &mut random, name)).expect("committed");
        said(name);
        if random.chance(300) {
            count_money(container, &mut random);
        }
        if random.chance(10) {
            container.compact().expect("compacted");
        }
    }
}

fn threads_keep_the_money_together(scratch: &Scratch) {
    const CLERKS: u32 = 8;
    let transfers = 30 * test_scale() as u32;
    let seed = test_seed(1);
    let container = super::container(scratch);
    found_bank(&container).expect("founded");
    std::thread::scope(|scope| {
        for client in 0..CLERKS {
            let container = &container;
            scope.spawn(move || work(container, client, seed, 0..transfers, |_| ()));
        }
    });
    assert_eq!(audit(&container).len() as u32, CLERKS * transfers);
    assert!(container.check(false).expect("checked").is_clean());
}

#[test]
fn threads_in_memory_keep_the_money_together() {
    threads_keep_the_money_together(&Scratch::memory());
}

#[test]
fn threads_on_files_keep_the_money_together() {
    threads_keep_the_money_together(&Scratch::file());
}

#[test]
fn processes_that_are_killed_keep_the_money_together() {
    const TEST: &str = "serializability::bank::processes_that_are_killed_keep_the_money_together";
    const CLERKS: u32 = 6;
    if let Some(role) = role() {
        let mut words = role.split(' ');
        let mut next = || words.next().expect("a word");
        let (client, seed) = (next().parse().expect("a number"), next().parse().expect("a seed"));
        let container = Container::open(next()).expect("opened");
        return work(&container, client, seed, 0.., |(client, number)| tell(format!("{client} {number}")));
    }
    let seed = test_seed(1);
    let mut random = Random::new(seed);
    let scratch = Scratch::file();
    let container = super::container(&scratch);
    found_bank(&container).expect("founded");
    let url = container.url();
    let start = |client: u32| Part::new(TEST, format!("{client} {seed} {url}")).start();
    let name = |said: String| -> Name {
        let (client, number) = said.split_once(' ').expect("a name");
        (client.parse().expect("a number"), number.parse().expect("a number"))
    };
    let mut made: Vec<Name> = Vec::new();
    let mut clerks: Vec<Played> = (0..CLERKS).map(start).collect();
    let mut next = CLERKS;
    let deadline = Instant::now() + Duration::from_secs(4 * test_scale());
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20 + random.below(150)));
        let mut victim = clerks.swap_remove(random.index(clerks.len()));
        victim.kill();
        made.extend(std::iter::from_fn(|| victim.told()).map(name));
        clerks.push(start(next));
        next += 1;
        let journal = audit(&container);
        assert!(made.iter().all(|name| journal.contains_key(name)), "what was committed is there");
    }
    drop(container);
    for clerk in &mut clerks {
        clerk.kill();
        made.extend(std::iter::from_fn(|| clerk.told()).map(name));
    }
    // Nobody stayed.
    let container = Container::open(&url).expect("opened");
    let journal = audit(&container);
    assert!(made.iter().all(|name| journal.contains_key(name)), "what was committed is there");
    assert!(made.len() > 50, "only {} transfers: the test shows little", made.len());
    assert!(container.check(false).expect("checked").is_clean());
}
