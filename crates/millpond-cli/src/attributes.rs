//! Properties (settings that Millpond knows) and attributes (what users note): the same verbs on
//! pools and containers.

use std::collections::BTreeMap;

use clap::Args;
use millpond::{Container, Pool, Result};

use crate::{
    failure::{Failure, Outcome},
    output::{Output, Table},
};

/// A thing that has properties and attributes.
pub(crate) trait Described {
    fn properties(&self) -> Result<BTreeMap<String, String>>;
    fn set_property(&self, name: &str, value: &str) -> Result<()>;
    fn attributes(&self) -> Result<BTreeMap<String, String>>;
    fn attribute(&self, name: &str) -> Result<String>;
    fn set_attribute(&self, name: &str, value: &str) -> Result<()>;
    fn delete_attribute(&self, name: &str) -> Result<()>;
}

macro_rules! described {
    ($thing:ty) => {
        impl Described for $thing {
            fn properties(&self) -> Result<BTreeMap<String, String>> {
                self.properties()
            }
            fn set_property(&self, name: &str, value: &str) -> Result<()> {
                self.set_property(name, value)
            }
            fn attributes(&self) -> Result<BTreeMap<String, String>> {
                self.attributes()
            }
            fn attribute(&self, name: &str) -> Result<String> {
                self.attribute(name)
            }
            fn set_attribute(&self, name: &str, value: &str) -> Result<()> {
                self.set_attribute(name, value)
            }
            fn delete_attribute(&self, name: &str) -> Result<()> {
                self.delete_attribute(name)
            }
        }
    };
}

described!(Pool);
described!(Container);

/// Which property to show.
#[derive(Args)]
pub(crate) struct GetProperty {
    /// The property; without it, all of them.
    property: Option<String>,
}

/// Which properties to change.
#[derive(Args)]
pub(crate) struct SetProperty {
    /// PROPERTY=VALUE, any number of them; or PROPERTY and VALUE.
    #[arg(value_name = "PROPERTY=VALUE", required = true)]
    assignments: Vec<String>,
}

/// Which attribute to show.
#[derive(Args)]
pub(crate) struct GetAttribute {
    /// The attribute.
    attribute: String,
}

/// Which attributes to change.
#[derive(Args)]
pub(crate) struct SetAttribute {
    /// ATTRIBUTE=VALUE, any number of them; or ATTRIBUTE and VALUE.
    #[arg(value_name = "ATTRIBUTE=VALUE", required = true)]
    assignments: Vec<String>,
}

/// Which attributes to delete.
#[derive(Args)]
pub(crate) struct DeleteAttribute {
    /// The attributes.
    #[arg(value_name = "ATTRIBUTE", required = true)]
    attributes: Vec<String>,
}

impl GetProperty {
    pub(crate) fn run(self, thing: &impl Described, output: &mut Output<'_, '_>) -> Outcome {
        let mut all = thing.properties()?;
        let Some(name) = self.property else {
            return show_all(&all, ["PROPERTY", "VALUE"], output);
        };
        let Some(value) = all.remove(&name) else {
            let known = all.into_keys().collect::<Vec<_>>().join(", ");
            let message = format!("there is no property {name:?}; there are: {known}");
            return Err(millpond::Error::new(millpond::ErrorKind::NotFound, message).into());
        };
        show_one(name, &value, output)
    }
}

impl SetProperty {
    pub(crate) fn run(self, thing: &impl Described, output: &mut Output<'_, '_>) -> Outcome {
        let assignments = assignments(&self.assignments)?;
        for (name, value) in &assignments {
            thing.set_property(name, value)?;
        }
        show_change(&assignments.into_iter().collect(), output)
    }
}

impl GetAttribute {
    pub(crate) fn run(self, thing: &impl Described, output: &mut Output<'_, '_>) -> Outcome {
        let value = thing.attribute(&self.attribute)?;
        show_one(self.attribute, &value, output)
    }
}

impl SetAttribute {
    pub(crate) fn run(self, thing: &impl Described, output: &mut Output<'_, '_>) -> Outcome {
        let assignments = assignments(&self.assignments)?;
        for (name, value) in &assignments {
            thing.set_attribute(name, value)?;
        }
        show_change(&assignments.into_iter().collect(), output)
    }
}

impl DeleteAttribute {
    pub(crate) fn run(self, thing: &impl Described, output: &mut Output<'_, '_>) -> Outcome {
        for name in &self.attributes {
            thing.delete_attribute(name)?;
        }
        output.respond(&self.attributes, |_| Ok(()))
    }
}

/// Shows every attribute of `thing`.
pub(crate) fn list_attributes(thing: &impl Described, output: &mut Output<'_, '_>) -> Outcome {
    show_all(&thing.attributes()?, ["ATTRIBUTE", "VALUE"], output)
}

/// Properties and attributes as fields of a description, but for what it shows by itself.
pub(crate) fn fields<'a>(
    properties: &'a BTreeMap<String, String>,
    attributes: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (String, String)> + 'a {
    const SHOWN: [&str; 4] = ["durability", "label", "size", "type"];
    let named = |kind: &'static str, all: &'a BTreeMap<String, String>| {
        all.iter().map(move |(name, value)| (format!("{kind} {name}"), value.clone()))
    };
    let properties = named("Property", properties);
    let shown = SHOWN.map(|name| format!("Property {name}"));
    properties.filter(move |(name, _)| !shown.contains(name)).chain(named("Attribute", attributes))
}

/// `name=value` of a command-line option.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".to_owned()),
    }
}

/// `name=value` any number of times, or one name and one value.
fn assignments(words: &[String]) -> Outcome<Vec<(String, String)>> {
    if let [name, value] = words
        && !name.contains('=')
    {
        return Ok(vec![(name.clone(), value.clone())]);
    }
    let parse = |word: &String| {
        assignment(word).map_err(|why| Failure::usage(format!("{word:?} sets nothing: {why}")))
    };
    words.iter().map(parse).collect()
}

fn show_one(name: String, value: &str, output: &mut Output<'_, '_>) -> Outcome {
    let response = BTreeMap::from([(name, value)]);
    output.respond(&response, |page| page.line(value))
}

fn show_all(
    all: &BTreeMap<String, String>,
    header: [&'static str; 2],
    output: &mut Output<'_, '_>,
) -> Outcome {
    output.respond(all, |page| {
        let mut table = Table::new(header);
        for (name, value) in all {
            table.row([name, value]);
        }
        page.table(&table)
    })
}

fn show_change(changed: &BTreeMap<String, String>, output: &mut Output<'_, '_>) -> Outcome {
    output.respond(changed, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_come_in_two_forms() {
        let parse =
            |words: &[&str]| assignments(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).ok();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parse(&["owner", "me=you"]), Some(vec![pair("owner", "me=you")]));
        assert_eq!(parse(&["a=1", "b="]), Some(vec![pair("a", "1"), pair("b", "")]));
        assert_eq!(parse(&["a=b=c"]), Some(vec![pair("a", "b=c")]));
        assert_eq!(parse(&["a"]), None);
        assert_eq!(parse(&["a=1", "b"]), None);
        assert_eq!(parse(&["=1"]), None);
    }
}
