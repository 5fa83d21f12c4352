//! `intel_gpu_levelzero`: answers the GPU plugin's questions about GPUs by Level Zero.
//!
//! The other binaries are static; this one cannot be, since it loads a shared library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpu_levelzero::main("intel_gpu_levelzero", std::env::args_os().skip(1).collect())
}
