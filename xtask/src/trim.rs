//! `trim`: takes the sources of crates that no build for Linux uses out of a folder made by `cargo vendor --versioned-dirs`. Their
//! manifests stay, because Cargo.lock names them.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};

use crate::crates;

pub(crate) fn run(folder: &Path) -> Result<(), String> {
    let used: BTreeSet<String> =
        crates::all()?.into_keys().map(|(name, version)| format!("{name}-{version}")).collect();
    trim(folder, &used).map_err(|error| format!("{}: {error}", folder.display()))
}

fn trim(folder: &Path, used: &BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !used.contains(&*entry.file_name().to_string_lossy()) {
            empty(&entry.path())?;
        }
    }
    Ok(())
}

/// Leaves a manifest, an empty library, and the checksum of the whole crate, which cargo compares with Cargo.lock.
fn empty(folder: &Path) -> io::Result<()> {
    let checksums = folder.join(".cargo-checksum.json");
    let known: Value = serde_json::from_str(&fs::read_to_string(&checksums)?)?;
    let manifest = fs::read(folder.join("Cargo.toml"))?;
    fs::remove_dir_all(folder)?;
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(checksums, json!({ "files": {}, "package": known["package"] }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unused_crates_are_emptied() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("esauth-trim-{}", std::process::id()));
        for name in ["used-1.0.0", "unused-1.0.0"] {
            fs::create_dir_all(folder.join(name).join("src"))?;
            for file in ["Cargo.toml", "build.rs", "src/lib.rs"] {
                fs::write(folder.join(name).join(file), "content")?;
            }
            fs::write(folder.join(name).join(".cargo-checksum.json"), r#"{"files":{"build.rs":"aa"},"package":"bb"}"#)?;
        }
        trim(&folder, &BTreeSet::from(["used-1.0.0".to_owned()]))?;
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        assert_eq!(read("used-1.0.0/build.rs").as_deref(), Some("content"));
        assert_eq!(read("unused-1.0.0/build.rs"), None);
        assert_eq!(read("unused-1.0.0/src/lib.rs").as_deref(), Some(""));
        assert_eq!(read("unused-1.0.0/Cargo.toml").as_deref(), Some("content"));
        assert_eq!(read("unused-1.0.0/.cargo-checksum.json").as_deref(), Some(r#"{"files":{},"package":"bb"}"#));
        fs::remove_dir_all(&folder)
    }
}
