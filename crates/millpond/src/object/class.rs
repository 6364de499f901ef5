//! Object classes: how an object is to be spread over devices, in DAOS's names.
//!
//! A class is recorded in the object's id, in 16 bits:
//!
//! | bits   | content                                                                      |
//! |--------|------------------------------------------------------------------------------|
//! | 15..11 | 0: by hints; 1: `S`; 2..6: `RP_2`..`RP_6`; 7..17: erasure codes, in the order of [`CODES`] |
//! | 10..8  | by hints, the size: 0 none, 1 tiny, 2 small, 3 large, 4 max                   |
//! | 7..0   | groups, 255 for as many as there are (`X`); by hints, redundancy: 0 none given, 1 no, 2 replicas, 3 erasure code |

use std::{fmt, str::FromStr};

use millpond_core::{Error, ErrorKind, Result};

/// The erasure codes that have a class: data cells and parity cells.
const CODES: [(u8, u8); 11] =
    [(2, 1), (2, 2), (4, 1), (4, 2), (4, 3), (8, 1), (8, 2), (8, 3), (16, 1), (16, 2), (16, 3)];

const FAMILY_HINT: u16 = 0;
const FAMILY_SPREAD: u16 = 1;
const FAMILY_CODES: u16 = 7;

/// As many groups as there are devices.
const GROUPS_ALL: u8 = 255;

const SIZES: [&str; 5] = ["", "TINY", "SMALL", "LARGE", "MAX"];
const REDUNDANCIES: [&str; 4] = ["", "RDD_NO", "RDD_RP", "RDD_EC"];

/// How an object is to be spread over devices and kept redundant.
///
/// In text it is DAOS's name: `S1` to `S32` and `SX`, `RP_2G1`, `EC_4P2GX`, each also with `OC_` before it;
/// or hints, joined by `+`: `TINY`, `SMALL`, `LARGE`, `MAX` for the size, and `RDD_NO`, `RDD_RP`, `RDD_EC`
/// for the redundancy. `UNKNOWN` or nothing leaves the choice to the store, which is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectClass(u16);

impl ObjectClass {
    /// Of one device, without redundancy of its own.
    pub const S1: Self = Self(FAMILY_SPREAD << 11 | 1);
    /// Over all devices, without redundancy of its own.
    pub const SX: Self = Self(FAMILY_SPREAD << 11 | GROUPS_ALL as u16);

    /// The class's number, as object ids hold it.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The class of a number.
    ///
    /// # Errors
    /// `Incompatible` when no class of this version has it.
    pub fn from_number(number: u16) -> Result<Self> {
        let class = Self(number);
        let known = match class.family() {
            FAMILY_HINT => {
                usize::from(class.size()) < SIZES.len() && usize::from(class.low()) < REDUNDANCIES.len()
            }
            family => class.size() == 0 && class.low() > 0 && usize::from(family) < 7 + CODES.len(),
        };
        if known {
            return Ok(class);
        }
        let message = format!("the object class {number:#06x} is unknown here: use a newer version");
        Err(Error::new(ErrorKind::Incompatible, message))
    }

    /// # Errors
    /// `NotSupported` when the class needs more than one device, which no backend offers.
    pub(crate) fn check_supported(self) -> Result<()> {
        let wants = match (self.family(), self.low()) {
            (FAMILY_SPREAD, _) => return Ok(()),
            (FAMILY_HINT, 0 | 1) => return Ok(()),
            (FAMILY_HINT, _) => "redundancy",
            (family, _) if family < FAMILY_CODES => "a device for each replica",
            _ => "a device for each data and parity cell",
        };
        let message = format!(
            "objects of class {self} need {wants}, and a container has one place for its data: use a class S1 to SX \
             (in a Ceph pool, rados://, the pool's own replication or erasure code keeps every object)"
        );
        Err(Error::new(ErrorKind::NotSupported, message))
    }

    fn family(self) -> u16 {
        self.0 >> 11
    }

    fn size(self) -> u8 {
        (self.0 >> 8) as u8 & 7
    }

    fn low(self) -> u8 {
        self.0 as u8
    }
}

impl fmt::Display for ObjectClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = match self.low() {
            GROUPS_ALL => "X".to_owned(),
            groups => groups.to_string(),
        };
        match self.family() {
            FAMILY_HINT => {
                let size = SIZES.get(usize::from(self.size())).copied().unwrap_or_default();
                let redundancy = REDUNDANCIES.get(usize::from(self.low())).copied().unwrap_or_default();
                match (size, redundancy) {
                    ("", "") => f.write_str("UNKNOWN"),
                    ("", one) | (one, "") => f.write_str(one),
                    (size, redundancy) => write!(f, "{size}+{redundancy}"),
                }
            }
            FAMILY_SPREAD => write!(f, "S{groups}"),
            family if family < FAMILY_CODES => write!(f, "RP_{family}G{groups}"),
            family => match CODES.get(usize::from(family - FAMILY_CODES)) {
                Some((data, parity)) => write!(f, "EC_{data}P{parity}G{groups}"),
                None => write!(f, "{:#06x}", self.0),
            },
        }
    }
}

impl FromStr for ObjectClass {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = text.trim().to_ascii_uppercase();
        let name = name.strip_prefix("OC_").unwrap_or(&name);
        parse(name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{text:?} is no object class: use S1 to S32 or SX, RP_2G1 to RP_6GX, EC_2P1G1 to EC_16P3GX, or \
                     the hints TINY, SMALL, LARGE, MAX, RDD_NO, RDD_RP, RDD_EC"
                ),
            )
        })
    }
}

fn parse(name: &str) -> Option<ObjectClass> {
    if name.is_empty() || name == "0" || name == "UNKNOWN" {
        return Some(ObjectClass::default());
    }
    let class = |family: u16, groups: u8| Some(ObjectClass(family << 11 | u16::from(groups)));
    if let Some(rest) = name.strip_prefix("RP_") {
        let (replicas, groups) = rest.split_once('G')?;
        let replicas: u16 = digits(replicas)?;
        return if (2..=6).contains(&replicas) { class(replicas, parse_groups(groups)?) } else { None };
    }
    if let Some(rest) = name.strip_prefix("EC_") {
        let (data, rest) = rest.split_once('P')?;
        let (parity, groups) = rest.split_once('G')?;
        let code = (digits::<u8>(data)?, digits::<u8>(parity)?);
        let place = CODES.iter().position(|known| *known == code)?;
        return class(FAMILY_CODES + place as u16, parse_groups(groups)?);
    }
    if let Some(hinted) = parse_hints(name) {
        return Some(hinted);
    }
    let groups = parse_groups(name.strip_prefix('S')?)?;
    if groups > 32 && groups != GROUPS_ALL {
        return None;
    }
    class(FAMILY_SPREAD, groups)
}

fn parse_hints(name: &str) -> Option<ObjectClass> {
    let (mut size, mut redundancy) = (0u16, 0u16);
    for hint in name.split('+') {
        let of = |names: &[&str]| names.iter().position(|known| *known == hint).filter(|place| *place > 0);
        match (of(&SIZES), of(&REDUNDANCIES)) {
            (Some(place), _) if size == 0 => size = place as u16,
            (_, Some(place)) if redundancy == 0 => redundancy = place as u16,
            _ => return None,
        }
    }
    Some(ObjectClass(size << 8 | redundancy))
}

fn parse_groups(text: &str) -> Option<u8> {
    if text == "X" {
        return Some(GROUPS_ALL);
    }
    digits(text).filter(|groups| (1..GROUPS_ALL).contains(groups))
}

/// A number as it is written back: no sign, no zeros before it.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_come_back() {
        for name in
            ["S1", "S32", "SX", "RP_2G1", "RP_6GX", "EC_2P1G1", "EC_16P3G8", "TINY", "MAX+RDD_NO", "UNKNOWN"]
        {
            let class: ObjectClass = name.parse().expect("a class");
            assert_eq!(class.to_string(), name);
            assert_eq!(ObjectClass::from_number(class.number()).expect("known"), class);
        }
        assert_eq!("OC_SX".parse::<ObjectClass>().expect("a class"), ObjectClass::SX);
        assert_eq!("s1".parse::<ObjectClass>().expect("a class"), ObjectClass::S1);
    }

    #[test]
    fn what_is_no_class_is_refused() {
        for name in [
            "S", "S0", "S33", "S01", "S+1", "RP_1G1", "RP_7G1", "RP_2", "EC_3P1G1", "EC_2P1G0", "BIG",
            "TINY+MAX",
        ] {
            assert_eq!(name.parse::<ObjectClass>().expect_err(name).kind(), ErrorKind::InvalidArgument);
        }
        for number in [0x0500, 0x0004, FAMILY_SPREAD << 11, 18 << 11 | 1, u16::MAX] {
            assert_eq!(ObjectClass::from_number(number).expect_err("newer").kind(), ErrorKind::Incompatible);
        }
    }

    #[test]
    fn classes_of_several_devices_are_refused_with_the_reason() {
        for name in ["S1", "SX", "TINY", "LARGE+RDD_NO", "UNKNOWN"] {
            name.parse::<ObjectClass>().expect("a class").check_supported().expect("supported");
        }
        for name in ["RP_2G1", "EC_4P2GX", "RDD_RP", "SMALL+RDD_EC"] {
            let error = name.parse::<ObjectClass>().expect("a class").check_supported().expect_err(name);
            assert_eq!(error.kind(), ErrorKind::NotSupported);
            assert!(error.to_string().contains(name) && error.to_string().contains("S1"), "{error}");
        }
    }
}
