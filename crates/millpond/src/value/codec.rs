//! How the bytes of a value are stored: as they are, or compressed.

use std::{fmt, str::FromStr};

use millpond_core::{Error, ErrorKind, Result};
use serde::{Serialize, Serializer};

/// How the bytes of a value are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As they are.
    None = 0,
    /// A stream of zlib's (RFC 1950). To go back in it is to begin anew.
    Zlib = 1,
    /// Frames of zstd's (RFC 8878), each of at most 128 KiB of content,
    /// with a table of them behind the last one, so that any place is one frame away.
    Zstd = 2,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Zlib, Self::Zstd];

    /// Its name: `none`, `zlib`, `zstd`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    /// The levels that it takes, from fast to small.
    fn levels(self) -> std::ops::RangeInclusive<i32> {
        match self {
            Self::None => 0..=0,
            Self::Zlib => 1..=9,
            Self::Zstd => 1..=22,
        }
    }

    /// What it does where no level is named.
    fn default_level(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Zlib => 1,
            Self::Zstd => 3,
        }
    }

    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| *codec as u8 == number)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Codec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A codec and how hard it tries. In text: `none`, `zlib`, `zlib+6`, `zstd`, `zstd+19`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compression {
    codec: Codec,
    level: i32,
}

impl Compression {
    /// Bytes are stored as they are.
    pub const NONE: Self = Self { codec: Codec::None, level: 0 };

    /// A codec at a level: of zlib 1 to 9, of zstd 1 to 22; without one, zlib's 1 and zstd's 3.
    ///
    /// # Errors
    /// `InvalidArgument` when the codec has no such level.
    pub fn new(codec: Codec, level: Option<i32>) -> Result<Self> {
        let level = level.unwrap_or(codec.default_level());
        let levels = codec.levels();
        if !levels.contains(&level) {
            let message =
                format!("{codec} has no level {level}: take one of {} to {}", levels.start(), levels.end());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(Self { codec, level })
    }

    /// The codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// How hard it tries.
    pub fn level(self) -> i32 {
        self.level
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self { codec: Codec::Zstd, level: Codec::Zstd.default_level() }
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Self { codec, level: codec.default_level() }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            Codec::None => f.pad(self.codec.as_str()),
            codec => f.pad(&format!("{codec}+{}", self.level)),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, level) = match text.split_once('+') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let codec = Codec::ALL.into_iter().find(|codec| codec.as_str() == name);
        let level = level.map(str::parse).transpose().ok();
        match (codec, level) {
            (Some(codec), Some(level)) => Self::new(codec, level),
            _ => {
                let message = format!(
                    "{text:?} is no compression: write none, zlib, zstd, or one with a level, as zlib+6 or zstd+19"
                );
                Err(Error::new(ErrorKind::InvalidArgument, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_read_as_they_are_written() {
        for text in ["none", "zlib+1", "zlib+9", "zstd+3", "zstd+22"] {
            assert_eq!(text.parse::<Compression>().expect("a compression").to_string(), text);
        }
        assert_eq!("zstd".parse::<Compression>().expect("a compression"), Compression::default());
        assert_eq!("zlib".parse::<Compression>().expect("a compression").level(), 1);
        for text in ["", "lz4", "zlib+0", "zlib+10", "zstd+23", "zstd+", "none+1", "zlib+x", "+1"] {
            let error = text.parse::<Compression>().expect_err("no compression");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
