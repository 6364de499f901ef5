//! A pool, a container, a dictionary, and what they do. `cargo run --example quickstart`

use std::io::{Read, Write};

use millpond::{ContainerOptions, ContainerType, DictRange, Pool, PoolOptions, format_size};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A label would do as well ("pydaos"), or any directory ("file:///data/pool").
    let pool = Pool::create("mem:quickstart", PoolOptions { size: Some(1 << 30), ..Default::default() })?;
    let options = ContainerOptions { container_type: ContainerType::KV, ..Default::default() };
    let container = pool.create_container(Some("kvstore"), options)?;
    let dict = container.create_dict("planets")?;

    // Keys and values are any bytes.
    dict.put(b"earth", b"one moon")?;
    // Many at once are one atomic commit.
    dict.put_many([("mars", "two moons"), ("mercury", "none"), ("venus", "none")])?;
    println!("{} planets; earth has {}", dict.len()?, text(&dict.get(b"earth")?.unwrap_or_default()));

    // Iteration is ordered; here, by prefix.
    for entry in dict.range(DictRange::prefix("m"))? {
        let (planet, moons) = entry?;
        println!("{}: {}", text(&planet), text(&moons));
    }

    // Long values are streamed, in and out.
    let mut writer = dict.writer(b"surface of mars")?;
    for row in 0..1000u32 {
        writer.write_all(&row.to_le_bytes().repeat(1000))?;
    }
    writer.commit()?;
    let mut reader = dict.reader(b"surface of mars")?.ok_or("it is gone")?;
    let mut first_row = [0; 4000];
    reader.read_exact(&mut first_row)?;
    println!("a surface of {}, its first row read", format_size(reader.len()));

    let query = container.query()?;
    println!("{} holds {} dictionary", query.url, query.dicts);
    Pool::destroy("mem:quickstart", true)?;
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
