//! `millpond pool`: pools, their quota, properties and attributes.

use clap::{Args, Subcommand};
use millpond::{Pool, PoolOptions, PoolQuery, format_size};
use serde_json::json;

use crate::{
    attributes::{self, DeleteAttribute, GetAttribute, GetProperty, SetAttribute, SetProperty, assignment},
    container,
    failure::Outcome,
    names,
    output::{Output, Page, Table, moment},
    scrub::{self, Rate},
};

#[derive(Subcommand)]
pub(crate) enum PoolCommand {
    /// Create a pool.
    #[command(after_help = "\
Examples:
  millpond pool create lab --size 1GiB
  millpond pool create file:///data/lab --size 2TiB
  millpond pool create lab --property size=1GiB")]
    Create(CreatePool),

    /// List the pools under MILLPOND_HOME.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  millpond pool list\n  millpond pool list --json"
    )]
    List,

    /// Show a pool: its identity, its space and its containers.
    #[command(
        after_help = "Examples:\n  millpond pool query lab\n  millpond pool query file:///data/lab --json"
    )]
    Query {
        #[command(flatten)]
        pool: PoolName,
    },

    /// Destroy a pool. One that holds containers only with --force.
    #[command(after_help = "Examples:\n  millpond pool destroy lab\n  millpond pool destroy lab --force")]
    Destroy {
        #[command(flatten)]
        pool: PoolName,
        /// Destroy its containers too, also while others have them open: their handles fail.
        #[arg(long, short)]
        force: bool,
    },

    /// Compare every stored byte of all containers of a pool with its checksum, while others use them.
    ///
    /// See `millpond container scrub`. Exits with 7 if something is damaged.
    #[command(after_help = "Examples:\n  millpond pool scrub lab\n  millpond pool scrub lab --rate 100MiB")]
    Scrub {
        #[command(flatten)]
        pool: PoolName,
        #[command(flatten)]
        rate: Rate,
    },

    /// Show a property of a pool, or all of them.
    #[command(after_help = "Examples:\n  millpond pool get-prop lab\n  millpond pool get-prop lab size")]
    GetProp {
        #[command(flatten)]
        pool: PoolName,
        #[command(flatten)]
        what: GetProperty,
    },

    /// Change properties of a pool.
    #[command(after_help = "Examples:\n  millpond pool set-prop lab size=2GiB")]
    SetProp {
        #[command(flatten)]
        pool: PoolName,
        #[command(flatten)]
        what: SetProperty,
    },

    /// Show an attribute of a pool.
    #[command(after_help = "Examples:\n  millpond pool get-attr lab owner")]
    GetAttr {
        #[command(flatten)]
        pool: PoolName,
        #[command(flatten)]
        what: GetAttribute,
    },

    /// Note attributes on a pool: whatever you like.
    #[command(after_help = "\
Examples:
  millpond pool set-attr lab owner=ada project=looms
  millpond pool set-attr lab note 'of the second run'")]
    SetAttr {
        #[command(flatten)]
        pool: PoolName,
        #[command(flatten)]
        what: SetAttribute,
    },

    /// List the attributes of a pool.
    #[command(after_help = "Examples:\n  millpond pool list-attrs lab")]
    ListAttrs {
        #[command(flatten)]
        pool: PoolName,
    },

    /// Delete attributes of a pool.
    #[command(after_help = "Examples:\n  millpond pool del-attr lab owner project")]
    DelAttr {
        #[command(flatten)]
        pool: PoolName,
        #[command(flatten)]
        what: DeleteAttribute,
    },
}

/// Which pool.
#[derive(Args)]
pub(crate) struct PoolName {
    /// The pool: its label, its UUID, or its URL.
    #[arg(value_name = "POOL")]
    name: String,
}

/// What a new pool is like.
#[derive(Args)]
pub(crate) struct CreatePool {
    /// Its label (1 to 127 of A-Z a-z 0-9 : . _ -), or a URL: file:///any/directory.
    #[arg(value_name = "LABEL")]
    name: String,
    /// Its quota: how many bytes its containers may take on the disk, such as 1GiB or 500MB. Without
    /// it, as many as the disk has.
    #[arg(long, short, value_name = "SIZE", value_parser = names::size)]
    size: Option<u64>,
    /// A property to begin with; may be repeated.
    #[arg(long = "property", short, value_name = "NAME=VALUE", value_parser = assignment)]
    properties: Vec<(String, String)>,
}

impl PoolCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            PoolCommand::Create(create) => create.run(output),
            PoolCommand::List => list(output),
            PoolCommand::Query { pool } => {
                let query = pool.open()?.query()?;
                output.respond(&query, |page| show(&query, page))
            }
            PoolCommand::Destroy { pool, force } => {
                Pool::destroy(&pool.name, force).map_err(|error| names::suggest_pool(error, &pool.name))?;
                output.respond(&json!({ "destroyed": pool.name }), |page| {
                    page.line(&format!("destroyed pool {}", pool.name))
                })
            }
            PoolCommand::Scrub { pool, rate } => {
                let opened = pool.open()?;
                scrub::run(&pool.name, &rate, output, |options| opened.scrub(options), false)
            }
            PoolCommand::GetProp { pool, what } => what.run(&pool.open()?, output),
            PoolCommand::SetProp { pool, what } => what.run(&pool.open()?, output),
            PoolCommand::GetAttr { pool, what } => what.run(&pool.open()?, output),
            PoolCommand::SetAttr { pool, what } => what.run(&pool.open()?, output),
            PoolCommand::ListAttrs { pool } => attributes::list_attributes(&pool.open()?, output),
            PoolCommand::DelAttr { pool, what } => what.run(&pool.open()?, output),
        }
    }
}

impl PoolName {
    fn open(&self) -> Outcome<Pool> {
        names::open_pool(&self.name)
    }
}

impl CreatePool {
    fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let options = PoolOptions { size: self.size, properties: self.properties.into_iter().collect() };
        let query = Pool::create(&self.name, options)?.query()?;
        output.respond(&query, |page| {
            page.line(&format!("created pool {} ({})", query.label, quota(query.size)))?;
            page.fields([("UUID", query.uuid.to_string()), ("Location", query.url.clone())])
        })
    }
}

fn list(output: &mut Output<'_, '_>) -> Outcome {
    let pools = Pool::list()?;
    if pools.is_empty() {
        let home = millpond::home()?;
        let home = home.display();
        output.remark(&format!("no pools under {home}; create one: millpond pool create LABEL --size 1GiB"));
    }
    output.respond(&pools, |page| {
        let mut table = Table::new(["POOL", "SIZE", "USED", "CONTAINERS", "UUID"]);
        for pool in &pools {
            table.row([
                pool.label.clone(),
                pool.size.map_or_else(|| "-".to_owned(), format_size),
                format_size(pool.used),
                pool.containers.to_string(),
                pool.problem.clone().unwrap_or_else(|| pool.uuid.to_string()),
            ]);
        }
        page.table(&table)
    })
}

fn show(query: &PoolQuery, page: &mut Page<'_>) -> std::io::Result<()> {
    page.heading(&format!("Pool {}", query.label))?;
    let mut fields = vec![
        ("UUID".to_owned(), query.uuid.to_string()),
        ("Location".to_owned(), query.url.clone()),
        ("Created".to_owned(), moment(query.created)),
        ("Size".to_owned(), quota(query.size)),
        ("Used".to_owned(), used(query.used, query.size)),
        ("Containers".to_owned(), query.containers.len().to_string()),
    ];
    fields.extend(attributes::fields(&query.properties, &query.attributes));
    page.fields(fields)?;
    if query.containers.is_empty() {
        return Ok(());
    }
    page.line("")?;
    container::show_list(&query.containers, page)
}

fn quota(size: Option<u64>) -> String {
    size.map_or_else(|| "no quota".to_owned(), format_size)
}

fn used(used: u64, size: Option<u64>) -> String {
    match size {
        // Good enough for people: percents of more than 2^53 bytes are a little off.
        Some(size) if size > 0 => {
            format!("{} ({:.1} %)", format_size(used), used as f64 * 100.0 / size as f64)
        }
        _ => format_size(used),
    }
}
