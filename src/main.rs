//! The `vestibule` program: parses the command line and runs one command.

fn main() -> std::process::ExitCode {
    vestibule::cli::run()
}
