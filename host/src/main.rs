//! The program: reads its arguments and does what they say. A lane, a compiling process and a media worker are this program too, and
//! begin before anything of the server does.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Where the system hands out huge pages unasked they would be mostly air: one used page keeps 2 MiB. (The lanes inherit this.)
    // A kernel that has no such switch has no such pages either.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    match std::env::args().nth(1).as_deref() {
        Some("lane") => neospace_runner::lane::main(),
        Some("compile") => neospace_runner::compile::main(),
        Some("media") => neospace_media::main(),
        _ => {}
    }
    neospace::cli::run()
}
