//! The crates of the workspace, and those that each shipped file contains, as cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The targets whose packages are built. Crates for other targets are in Cargo.lock, but in no build.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// A file that packages contain, linked from crates.
pub(crate) struct Artefact {
    /// Its name in a package.
    pub(crate) file: &'static str,
    /// CycloneDX's type of component.
    pub(crate) kind: &'static str,
    /// The package of the workspace that it is built from.
    pub(crate) package: &'static str,
}

pub(crate) const ARTEFACTS: [Artefact; 3] = [
    Artefact { file: "mod_rust_esauth.so", kind: "library", package: "rust_esauth" },
    Artefact { file: "esauth", kind: "application", package: "esauth_cli" },
    Artefact { file: "ngx_http_esauth_module.so", kind: "library", package: "esauth_nginx" },
];

/// Name and version.
pub(crate) type Id = (String, String);

/// A crate and what it depends on, in one artefact.
pub(crate) type Graph = BTreeMap<Id, BTreeSet<Id>>;

pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) license: String,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    /// SHA-256 of the file that the registry serves, in hexadecimal digits; none for crates of the workspace.
    pub(crate) checksum: Option<String>,
    /// The folder of its sources.
    pub(crate) folder: PathBuf,
}

impl Crate {
    /// Of this workspace, not of a registry.
    pub(crate) fn is_ours(&self) -> bool {
        self.checksum.is_none()
    }

    /// Texts of licences and notices among its sources: name and content, sorted by name.
    pub(crate) fn licence_files(&self) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        collect_licences(&self.folder, "", &mut found)
            .map_err(|error| format!("{}: {error}", self.folder.display()))?;
        found.sort();
        Ok(found)
    }
}

fn collect_licences(folder: &Path, inside: &str, found: &mut Vec<(String, String)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect_licences(&entry.path(), &format!("{inside}{name}/"), found)?;
        } else if is_licence(&name) {
            found.push((format!("{inside}{name}"), String::from_utf8_lossy(&fs::read(entry.path())?).into_owned()));
        }
    }
    Ok(())
}

fn is_licence(name: &str) -> bool {
    let upper = name.to_uppercase();
    let is_code = [".RS", ".TOML", ".JSON", ".HTML", ".PY", ".SH"].iter().any(|ending| upper.ends_with(ending));
    let is_named = ["LICENSE", "LICENCE", "UNLICENSE", "COPYING", "COPYRIGHT", "NOTICE"]
        .iter()
        .any(|beginning| upper.starts_with(beginning));
    is_named && !is_code
}

/// All crates that a build for one of the targets may use, build and test dependencies included.
pub(crate) fn all() -> Result<BTreeMap<Id, Crate>, String> {
    let mut crates = BTreeMap::new();
    let checksums = checksums(&fs::read_to_string("Cargo.lock").map_err(|error| format!("Cargo.lock: {error}"))?);
    for target in TARGETS {
        let text = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", target])?;
        let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let found = read_crate(package, &checksums)?;
            crates.insert((found.name.clone(), found.version.clone()), found);
        }
    }
    Ok(crates)
}

fn read_crate(package: &Value, checksums: &BTreeMap<Id, String>) -> Result<Crate, String> {
    let text = |field: &str| package[field].as_str().map(str::to_owned);
    let needed = |field: &str| text(field).ok_or_else(|| format!("cargo metadata: {} has no {field}", package["name"]));
    let (name, version) = (needed("name")?, needed("version")?);
    let authors = package["authors"].as_array().into_iter().flatten();
    Ok(Crate {
        license: needed("license")?.replace('/', " OR "),
        authors: authors.filter_map(|author| author.as_str().map(str::to_owned)).collect(),
        repository: text("repository"),
        checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
        folder: Path::new(&needed("manifest_path")?).parent().map(Path::to_owned).unwrap_or_default(),
        name,
        version,
    })
}

/// The checksums in the text of a Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let entries = lock.split("[[package]]").filter_map(|entry| {
        let value =
            |key: &str| entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        Some(((value("name")?.to_owned(), value("version")?.to_owned()), value("checksum")?.to_owned()))
    });
    entries.collect()
}

/// The crates that are linked into what is built from a package of the workspace, itself included; neither its build nor its
/// test dependencies, nor procedural macros.
pub(crate) fn linked(package: &str) -> Result<Graph, String> {
    let mut words = vec![
        "tree",
        "--locked",
        "--package",
        package,
        "--edges",
        "normal,no-proc-macro",
        "--no-dedupe",
        "--prefix",
        "depth",
    ];
    for target in TARGETS {
        words.extend(["--target", target]);
    }
    graph(&cargo(&words)?).ok_or_else(|| format!("cargo tree --package {package}: cannot be read"))
}

/// Lines of `cargo tree --prefix depth`: a level and the crate, each below the last one of the level above.
fn graph(tree: &str) -> Option<Graph> {
    let mut graph = Graph::new();
    let mut path: Vec<Id> = Vec::new();
    // A tree for each target, with an empty line between.
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let crate_name = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let level: usize = line.strip_suffix(crate_name)?.parse().ok()?;
        let mut words = crate_name.split(' ');
        let id = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
        path.truncate(level);
        if let Some(parent) = path.last() {
            graph.entry(parent.clone()).or_default().insert(id.clone());
        }
        graph.entry(id.clone()).or_default();
        path.push(id);
    }
    Some(graph)
}

fn cargo(words: &[&str]) -> Result<String, String> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(words).output().map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|error| format!("cargo {}: {error}", words[0]))
    } else {
        Err(format!("cargo {}: {}", words[0], String::from_utf8_lossy(&output.stderr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn a_tree_becomes_a_graph() {
        let found = graph(
            "0top v1.0.0 (/some/where)\n1left v2.0.0\n2deep v3.1.0\n\n0top v1.0.0 (/some/where)\n1right v2.5.0\n2deep v3.1.0\n",
        );
        let expected = Graph::from([
            (id("top", "1.0.0"), BTreeSet::from([id("left", "2.0.0"), id("right", "2.5.0")])),
            (id("left", "2.0.0"), BTreeSet::from([id("deep", "3.1.0")])),
            (id("right", "2.5.0"), BTreeSet::from([id("deep", "3.1.0")])),
            (id("deep", "3.1.0"), BTreeSet::new()),
        ]);
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn checksums_belong_to_one_version() {
        let lock = "[[package]]\nname = \"one\"\nversion = \"1.0.0\"\nchecksum = \"aa\"\n\n[[package]]\nname = \"ours\"\nversion = \"2.0.0\"\n";
        assert_eq!(checksums(lock), BTreeMap::from([(id("one", "1.0.0"), "aa".to_owned())]));
    }

    #[test]
    fn licences_are_told_from_code() {
        for name in ["LICENSE", "LICENSE-MIT", "license.txt", "LICENSE-APACHE-2.0", "COPYING", "UNLICENSE", "NOTICE.md"]
        {
            assert!(is_licence(name), "{name}");
        }
        for name in ["license.rs", "README.md", "copyright.py", "Cargo.toml"] {
            assert!(!is_licence(name), "{name}");
        }
    }
}
