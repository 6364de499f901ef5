//! Labels: the names that people give to pools and containers.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, ErrorKind, Result, limits::LABEL_CHARS_MAX};

/// A name of 1 to 127 characters of `[A-Za-z0-9:._-]` that is not a UUID (DAOS's rule), and not
/// `.` or `..`, since a label is also the name of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// Checks `text` against the rule.
    ///
    /// # Errors
    /// `InvalidArgument`, saying what is wrong with it.
    pub fn new(text: &str) -> Result<Self> {
        let refuse = |why: String| {
            Err(Error::new(ErrorKind::InvalidArgument, format!("{text:?} can't be a label: {why}")))
        };
        if text.is_empty() {
            return refuse("it is empty".into());
        }
        if let Some(bad) = text.chars().find(|&c| !(c.is_ascii_alphanumeric() || ":._-".contains(c))) {
            return refuse(format!("{bad:?} is not a letter, a digit or one of : . _ -"));
        }
        if text.len() > LABEL_CHARS_MAX {
            return refuse(format!("it has {} characters, {LABEL_CHARS_MAX} are allowed", text.len()));
        }
        if Uuid::try_parse(text).is_ok() {
            return refuse("it reads as a UUID, and pools and containers are also found by UUID".into());
        }
        if text == "." || text == ".." {
            return refuse("it is the name of a directory entry of every directory".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Label {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        label.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_daos_s() {
        for good in ["a", "pydaos", "A:b.c_d-9", &"x".repeat(127)] {
            assert_eq!(Label::new(good).expect("a label").as_str(), good);
        }
        let uuid = "2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77";
        for bad in ["", "a b", "a/b", "é", ".", "..", &"x".repeat(128), uuid, &uuid.replace('-', "")] {
            assert_eq!(Label::new(bad).expect_err(bad).kind(), ErrorKind::InvalidArgument);
        }
    }
}
