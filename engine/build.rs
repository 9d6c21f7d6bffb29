//! Compiles the C function that returns the size of the C library's `struct crypt_data`, and links libcrypt.

use std::process::exit;

fn main() {
    println!("cargo::rerun-if-changed=native/crypt.c");
    if let Err(error) = cc::Build::new().file("native/crypt.c").warnings(true).try_compile("esauth_crypt") {
        eprintln!("{error}");
        eprintln!("rust_esauth needs a C compiler and <crypt.h>:");
        eprintln!("  Debian, Ubuntu:  apt-get install gcc libcrypt-dev");
        eprintln!("  Fedora, RHEL:    dnf install gcc libxcrypt-devel");
        exit(1);
    }
    println!("cargo::rustc-link-lib=crypt");
}
