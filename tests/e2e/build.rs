//! Compiles the interface of XPU Manager's daemon, in whose place a test stands.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "../../devices/gpu/plugin/proto";
    println!("cargo:rerun-if-changed={folder}");
    let files = protox::compile(["deviceinfo.proto"], [folder])?;
    tonic_prost_build::configure().build_client(false).compile_fds(files)?;
    Ok(())
}
