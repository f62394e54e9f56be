//! Chance that is the same each time: names, UIDs and hashes of the demo do not differ from run to run.

/// Kubernetes' alphabet for generated names (apimachinery `pkg/util/rand`): no vowels, nothing that looks alike.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// `SplitMix64`.
pub(in crate::demo) struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub(in crate::demo) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(in crate::demo) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(in crate::demo) fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// A random (version 4) UUID.
    pub(in crate::demo) fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// Letters as at the end of generated names.
    pub(in crate::demo) fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(LETTERS[self.below(LETTERS.len())])).collect()
    }
}

/// A hash of a text in the same letters: what pod templates are named by.
pub(in crate::demo) fn hash(text: &str, length: usize) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Random::new(sum).letters(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_the_same_each_time() {
        let (mut one, mut two) = (Random::new(1), Random::new(1));
        let uid = one.uid();
        assert_eq!(uid, two.uid());
        assert_eq!(uid.len(), 36);
        assert_eq!(&uid[14..15], "4");
        assert_ne!(uid, one.uid());
        assert_eq!(hash("a", 10), hash("a", 10));
        assert_ne!(hash("a", 10), hash("b", 10));
    }
}
