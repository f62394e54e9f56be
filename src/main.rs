//! The `kdisco` program: everything is in the library, this hands over the exit code.

fn main() -> std::process::ExitCode {
    kdisco::cli::run()
}
