//! How a caller names a state of a container.

use millpond_core::Epoch;

/// A state of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// The newest one, as of the call.
    Now,
    /// That of the snapshot of this name.
    Snapshot(&'a str),
    /// That just after the commit of this epoch, as long as it is kept.
    Epoch(Epoch),
}

impl<'a> Moment<'a> {
    /// A name, or the number of an epoch.
    pub fn parse(text: &'a str) -> Self {
        match text.parse() {
            Ok(epoch) if text.bytes().all(|byte| byte.is_ascii_digit()) => Self::Epoch(Epoch(epoch)),
            _ => Self::Snapshot(text),
        }
    }
}

impl<'a> From<&'a str> for Moment<'a> {
    fn from(name: &'a str) -> Self {
        Self::Snapshot(name)
    }
}

impl<'a> From<&'a String> for Moment<'a> {
    fn from(name: &'a String) -> Self {
        Self::Snapshot(name)
    }
}

impl From<Epoch> for Moment<'_> {
    fn from(epoch: Epoch) -> Self {
        Self::Epoch(epoch)
    }
}

/// Nothing stands for now.
impl From<()> for Moment<'_> {
    fn from((): ()) -> Self {
        Self::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_epoch() {
        assert_eq!(Moment::parse("17"), Moment::Epoch(Epoch(17)));
        assert_eq!(Moment::parse("17a"), Moment::Snapshot("17a"));
        assert_eq!(Moment::parse("+17"), Moment::Snapshot("+17"));
        let too_long = "99999999999999999999999";
        assert_eq!(Moment::parse(too_long), Moment::Snapshot(too_long));
    }
}
