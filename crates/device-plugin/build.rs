//! Compiles the kubelet's API without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/deviceplugin.proto", "proto/podresources.proto"], ["proto"])?;
    println!("cargo:rerun-if-changed=proto");
    // Sorted maps: what a container receives must not depend on chance.
    tonic_prost_build::configure().btree_map(".").compile_fds(files)?;
    Ok(())
}
