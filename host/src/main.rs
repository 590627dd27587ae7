//! The program: reads its arguments and does what they say. A lane and a compiling process are this program too, and
//! begin before anything of the server does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("lane") => neospace_runner::lane::main(),
        Some("compile") => neospace_runner::compile::main(),
        _ => {}
    }
    neospace::cli::run()
}
