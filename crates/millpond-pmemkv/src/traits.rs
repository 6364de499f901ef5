//! What each engine is and does, as pmemkv 1.5 has it: the manual's table, and which calls an engine
//! has that pmemkv's own sources give it.
//!
//! | engine | persistent | concurrent | sorted | comparator | ranges | iterators | transactions | defrag |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | cmap | yes | yes | no | no | no | seek | no | yes |
//! | csmap | yes | yes | yes | yes | yes | forward | no | no |
//! | radix | yes | no | yes | no | yes | full | yes | no |
//! | stree | yes | no | yes | yes | yes | full | no | no |
//! | tree3 | yes | no | no | no | no | no | no | no |
//! | robinhood | yes | yes | no | no | no | no | no | no |
//! | vsmap | no | no | yes | yes | yes | full | no | no |
//! | vcmap | no | yes | no | no | no | seek | no | no |
//! | dram_vcmap | no | yes | no | no | no | seek | no | no |
//! | blackhole | no | yes | no | no | empty | no | no | no |
//!
//! An iterator of the kind *seek* finds a key and reads and writes its value; a *forward* one also finds
//! neighbours and the first record, and goes on from there; a *full* one also goes to the last record and back.

/// What an engine is and does.
///
/// "Concurrent" is pmemkv's word for an engine that several threads may use. Here they may use each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The engine's name.
    pub name: &'static str,
    /// Whether its content outlives it.
    pub persistent: bool,
    /// Whether pmemkv's engine of this name may be used by several threads.
    pub concurrent: bool,
    /// Whether its records are in an order.
    pub sorted: bool,
    /// Whether that order can be chosen.
    pub comparator: bool,
    /// Whether it counts and reads records above, below and between keys.
    pub ranges: bool,
    /// What its iterators do.
    pub iterators: Steps,
    /// Whether it has transactions.
    pub transactions: bool,
    /// Whether it moves records together on demand.
    pub defrag: bool,
    /// The length in bytes that every key and value has to have, where there is one.
    pub fixed_bytes: Option<usize>,
}

/// What the iterators of an engine do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Steps {
    /// There are none.
    None,
    /// They find a key.
    Seek,
    /// They find neighbours and the first record too, and step forward.
    Forward,
    /// They go to the last record and step back, too.
    Full,
}

/// Nothing but puts, gets and counts of all.
const PLAIN: Traits = Traits {
    name: "",
    persistent: false,
    concurrent: false,
    sorted: false,
    comparator: false,
    ranges: false,
    iterators: Steps::None,
    transactions: false,
    defrag: false,
    fixed_bytes: None,
};

/// All engines, by name.
const ENGINES: [Traits; 10] = [
    Traits { name: "blackhole", concurrent: true, ranges: true, ..PLAIN },
    Traits {
        name: "cmap",
        persistent: true,
        concurrent: true,
        iterators: Steps::Seek,
        defrag: true,
        ..PLAIN
    },
    Traits {
        name: "csmap",
        persistent: true,
        concurrent: true,
        sorted: true,
        comparator: true,
        ranges: true,
        iterators: Steps::Forward,
        ..PLAIN
    },
    Traits { name: "dram_vcmap", concurrent: true, iterators: Steps::Seek, ..PLAIN },
    Traits {
        name: "radix",
        persistent: true,
        sorted: true,
        ranges: true,
        iterators: Steps::Full,
        transactions: true,
        ..PLAIN
    },
    Traits { name: "robinhood", persistent: true, concurrent: true, fixed_bytes: Some(8), ..PLAIN },
    Traits {
        name: "stree",
        persistent: true,
        sorted: true,
        comparator: true,
        ranges: true,
        iterators: Steps::Full,
        ..PLAIN
    },
    Traits { name: "tree3", persistent: true, ..PLAIN },
    Traits { name: "vcmap", concurrent: true, iterators: Steps::Seek, ..PLAIN },
    Traits { name: "vsmap", sorted: true, comparator: true, ranges: true, iterators: Steps::Full, ..PLAIN },
];

impl Traits {
    /// All engines, in the order of their names.
    pub fn all() -> &'static [Self] {
        &ENGINES
    }

    /// Those of the engine of a name.
    pub fn of(name: &str) -> Option<&'static Self> {
        ENGINES.iter().find(|engine| engine.name == name)
    }
}
