//! Chance that can be replayed: one number decides everything that follows from it.

/// A splitmix64 generator: small, fast, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator that `seed` stands for.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x6A09_E667_F3BC_C908)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.number() % end }
    }

    /// An index below `end`; 0 where `end` is 0.
    pub fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    /// True `permille` times in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// A generator of its own, so that what it is used for doesn't shift what comes after.
    pub fn fork(&mut self) -> Self {
        Self::new(self.number())
    }
}

/// The seed of a test run: `MILLPOND_TEST_SEED` where it is set, else `default`. Printed, so that a
/// failure says how to replay it.
pub fn test_seed(default: u64) -> u64 {
    let seed = std::env::var("MILLPOND_TEST_SEED").ok().and_then(|text| text.trim().parse().ok());
    let seed = seed.unwrap_or(default);
    println!("replay with MILLPOND_TEST_SEED={seed}");
    seed
}

/// How much a test is to do: `MILLPOND_TEST_SCALE` where it is set, else 1, which takes seconds.
/// Part of what replays a failure.
pub fn test_scale() -> u64 {
    let scale = std::env::var("MILLPOND_TEST_SCALE").ok().and_then(|text| text.trim().parse().ok());
    scale.unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.number()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn chances_come_about_as_often_as_they_say() {
        let mut random = Random::new(7);
        let hits = (0..10_000).filter(|_| random.chance(250)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| random.below(10) < 10));
        assert_eq!(random.bytes(13).len(), 13);
    }
}
