//! Links the decoder of httpd, APR-util's.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-lib=aprutil-1");
}
