//! Tells the linker which functions a running session needs, so that it puts them together, and to pack what the loader
//! reads.
//!
//! Why: a page of code is in memory when one function of it has run, and the kernel maps those around it too. With the
//! functions of a forward spread over the whole program two thirds of it were in memory, with them side by side a
//! sixth. `assets/link-order.txt` names them; `tests/testbed/link_order.py` writes it. What is named there and does not
//! exist (another compiler names things differently) is passed over, so the list can be old, but never wrong.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=assets/link-order.txt");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    if variable("TARGET") != "x86_64-unknown-linux-gnu" || variable("PROFILE") != "release" {
        return;
    }
    let order = Path::new(&variable("CARGO_MANIFEST_DIR")).join("assets/link-order.txt");
    let order = order.display().to_string();
    // A comma ends a linker's argument.
    if order.contains(',') {
        return;
    }
    let mut flags = Vec::new();
    // Rust brings a linker that can do this; distributions and users may have set another.
    let ordered = [format!("-Wl,--symbol-ordering-file={order}"), "-Wl,--no-warn-symbol-ordering".to_owned()];
    if probe(&ordered).is_some() {
        flags.extend(ordered);
    }
    // Addresses that are fixed at the start take a bit each instead of 24 bytes, 0.4 MiB in all, which are read then and
    // stay in memory. Loaders before glibc 2.36 can't, so it has to run here.
    let packed = ["-Wl,-z,pack-relative-relocs".to_owned()];
    let runs = |program: PathBuf| Command::new(program).status().is_ok_and(|status| status.success());
    if variable("HOST") == variable("TARGET") && probe(&packed).is_some_and(runs) {
        flags.extend(packed);
    }
    for flag in flags {
        println!("cargo::rustc-link-arg-bins={flag}");
    }
}

/// Links a program of nothing with these flags; `None` where the linker that will be used does not take them.
fn probe(flags: &[String]) -> Option<PathBuf> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let (source, program) = (out.join("probe.rs"), out.join("probe"));
    std::fs::write(&source, "fn main() {}\n").ok()?;
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--target", "x86_64-unknown-linux-gnu", "-o"]).arg(&program).arg(source);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    let encoded = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(encoded.split('\x1f').filter(|flag| !flag.is_empty()));
    for flag in flags {
        rustc.arg("-C").arg(format!("link-arg={flag}"));
    }
    let linked =
        rustc.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    linked.then_some(program)
}
