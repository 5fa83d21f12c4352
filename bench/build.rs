//! How the program for `cargo xtask counts` is linked.

fn main() {
    // Of what rustc's own linker makes, valgrind before 3.21 reads no symbols.
    println!("cargo:rustc-link-arg-tests=-fuse-ld=bfd");
    println!("cargo:rerun-if-changed=build.rs");
}
