//! The `countersign` program. All it does is hand over to the library.

fn main() -> std::process::ExitCode {
    countersign::cli::run()
}
