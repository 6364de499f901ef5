//! Numbers that look random and are the same in every run.

/// 2^31 - 1, a prime.
const MODULUS: u64 = 0x7FFF_FFFF;

/// Park and Miller's generator, which pmemkv's benchmark has too: the same keys come in the same order there.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed & MODULUS).clamp(1, MODULUS - 1))
    }

    /// The next number, from 1 to 2^31 - 2.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0 * 16_807 % MODULUS;
        self.0
    }

    /// The next number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generator's authors say what the 10,000th number is, so that others can check theirs.
    #[test]
    fn the_ten_thousandth_number_is_the_published_one() {
        let mut random = Random::new(1);
        let last = (0..10_000).map(|_| random.next()).last();
        assert_eq!(last, Some(1_043_618_065));
    }
}
