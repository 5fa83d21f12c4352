//! Compiles the service's interface, which is the GPU plugin's too, without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../plugin/proto/levelzero.proto");
    let files = protox::compile(["../plugin/proto/levelzero.proto"], ["../plugin/proto"])?;
    tonic_prost_build::configure().build_client(false).compile_fds(files)?;
    Ok(())
}
