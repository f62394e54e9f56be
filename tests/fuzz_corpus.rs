//! A short run of the fuzz targets: each file of the corpus as it is, and changed a number of times. The changes come
//! from a fixed seed, so that a failure happens again.

#[path = "common/targets.rs"]
mod targets;

use std::path::Path;

use targets::TARGETS;

/// Changes of each file.
const ROUNDS: u64 = 300;

/// xorshift64*: good enough to hit odd places, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) >> 33).unwrap() % bound.max(1)
    }
}

/// A few bytes are changed, doubled, dropped or cut off.
fn changed(data: &[u8], chance: &mut Chance) -> Vec<u8> {
    const ODD: &[&[u8]] = &[
        b"\0",
        b"\xff",
        b"\x1b[31m",
        b"{",
        b"}",
        b"\"",
        b"\n",
        b": ",
        b"- ",
        b"&a *a",
        b"\xe2\x80\xae",
        b"4294967295",
    ];
    let mut data = data.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(data.len() + 1);
        let end = (at + chance.below(16)).min(data.len());
        match chance.below(5) {
            0 if at < data.len() => data[at] ^= 1 << chance.below(8),
            1 => drop(data.splice(at..at, ODD[chance.below(ODD.len())].iter().copied())),
            2 => drop(data.drain(at..end)),
            3 => {
                let copy = data[at..end].to_vec();
                data.splice(at..at, copy);
            }
            _ => data.truncate(data.len() - chance.below(data.len() / 4 + 1)),
        }
    }
    data
}

#[test]
fn every_target_survives_its_corpus_and_what_comes_near_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join(name))
            .unwrap_or_else(|_| panic!("no corpus for {name}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no corpus");
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for file in files {
            let data = std::fs::read(&file).unwrap();
            target(&data);
            for _ in 0..ROUNDS {
                let odd = changed(&data, &mut chance);
                if std::panic::catch_unwind(|| target(&odd)).is_err() {
                    panic!("{name} fails on {:?}", String::from_utf8_lossy(&odd));
                }
            }
        }
    }
}

#[test]
fn each_target_is_one_of_cargo_fuzz_too() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no {name}");
    }
}
