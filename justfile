# What there is to do with the repository: `just`, then a name.

[private]
default:
    @just --list

# Everything that has to hold before a change goes in; the same as .ci/run
check: fmt lint test doc deny

# Formatting
fmt:
    cargo fmt --check

# Lints, warnings are errors
lint:
    cargo clippy --lib --bins --locked -- -D warnings
    cargo clippy --all-targets --locked -- -D warnings -A clippy::pedantic -A clippy::unwrap_used -A clippy::print_stdout -A clippy::print_stderr -A unreachable_pub -A unfulfilled_lint_expectations

# All tests
test *ARGS:
    cargo test --locked {{ ARGS }}

# The contract suite on a real cluster of one node that is compiled and started here (root and Go needed)
contract-testbed *ARGS:
    tests/testbed/build.sh
    tests/testbed/contract.sh {{ ARGS }}

# Documentation, warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Licences, banned crates, sources
deny:
    cargo deny check licenses bans sources

# Pictures of the demo into screenshots/
screenshots:
    cargo run --locked --example screenshots

# Benchmarks of the pure parts
bench *ARGS:
    cargo bench --locked {{ ARGS }}

# The explorer on the demo cluster
demo:
    cargo run --release --locked -- --demo

# Writes the key table into the README
readme-keys:
    KDISCO_UPDATE_README=1 cargo test --locked --test house keys
