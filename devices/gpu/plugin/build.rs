//! Compiles the health services' interfaces without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/levelzero.proto", "proto/deviceinfo.proto"], ["proto"])?;
    // The plugin is a client; tests serve.
    tonic_prost_build::configure().server_mod_attribute(".", "#[cfg(test)]").compile_fds(files)?;
    Ok(())
}
