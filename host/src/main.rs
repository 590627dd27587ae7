//! The program: reads its arguments and does what they say. A lane and a compiling process are this program too, and
//! begin before anything of the server does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    neospace::cli::run()
}
