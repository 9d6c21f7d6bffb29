//! `layers`: no file imports a file of a higher layer, no files import each other in a cycle, and none is long without a
//! reason.

use std::fs;
use std::path::Path;

use crate::imports::{Import, Source, imports};
use crate::layers::{CRATES, Crate};

/// A longer file must say why: `//! Longer than 500 lines, because …`.
const LONG: usize = 500;
const REASON: &str = "\n//! Longer than 500 lines, because ";

/// Checks all crates; the error has a line for each fault.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut faults = Vec::new();
    for part in CRATES {
        faults.extend(faults_of(part, &sources(root, part.folder)?));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The sources in a folder and below it.
fn sources(root: &Path, folder: &str) -> Result<Vec<Source>, String> {
    let mut names = Vec::new();
    list(root, folder, &mut names)?;
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(root.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        let inside = name.strip_prefix(folder).unwrap_or(&name).to_owned();
        source(name, &inside, &text)
    };
    names.into_iter().map(read).collect()
}

fn list(root: &Path, folder: &str, names: &mut Vec<String>) -> Result<(), String> {
    let entries = fs::read_dir(root.join(folder)).map_err(|error| format!("{folder}: {error}"))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{folder}: {error}"))?;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(root, &name, names)?;
        } else if name.ends_with(".rs") {
            names.push(name);
        }
    }
    Ok(())
}

/// A source by its name and its path in the crate's folder.
fn source(name: String, inside: &str, text: &str) -> Result<Source, String> {
    let tokens = text.parse().map_err(|error| format!("{name}: {error}"))?;
    let mut module: Vec<String> =
        inside.trim_end_matches(".rs").split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] || module == ["main"] {
        module.pop();
    }
    Ok(Source { name, module, tokens, is_too_long: text.lines().count() > LONG && !text.contains(REASON) })
}

fn faults_of(of: &Crate, sources: &[Source]) -> Vec<String> {
    let imports = imports(sources);
    let mut faults: Vec<String> =
        sources.iter().filter(|source| layer(of, source).is_none()).map(without_layer).collect();
    faults.extend(sources.iter().filter(|source| source.is_too_long).map(too_long));
    faults.extend(imports.iter().filter_map(|import| upward(of, sources, import)));
    faults.extend(circles(sources, &imports));
    faults
}

/// The layer of a source, counted from the top.
fn layer(of: &Crate, source: &Source) -> Option<usize> {
    let root = if source.name.ends_with("main.rs") { "main" } else { "lib" };
    let part = source.module.first().map_or(root, String::as_str);
    of.layers.iter().position(|layer| layer.contains(&part))
}

fn without_layer(source: &Source) -> String {
    format!("{}: has no layer; add it to xtask/src/layers.rs", source.name)
}

fn too_long(source: &Source) -> String {
    format!("{}: has more than {LONG} lines; divide it, or say in its head why not", source.name)
}

fn upward(of: &Crate, sources: &[Source], import: &Import) -> Option<String> {
    let (from, to) = (&sources[import.from], &sources[import.to]);
    let is_upward = layer(of, from)? > layer(of, to)?;
    is_upward
        .then(|| format!("{}:{}: imports {} of a higher layer, in {}", from.name, import.line, import.path, to.name))
}

/// The groups of files that import each other, with their imports.
fn circles(sources: &[Source], imports: &[Import]) -> Vec<String> {
    let files = 0..sources.len();
    let reachable: Vec<Vec<bool>> = files.clone().map(|from| reachable(sources.len(), imports, from)).collect();
    let mut faults = Vec::new();
    for file in files.clone() {
        let is_member = |&other: &usize| reachable[file][other] && reachable[other][file];
        let members: Vec<usize> = files.clone().filter(is_member).collect();
        // Reported once, by its first member.
        if members.first() != Some(&file) {
            continue;
        }
        faults.push("these import each other in a circle:".to_owned());
        let ties = imports.iter().filter(|tie| members.contains(&tie.from) && members.contains(&tie.to));
        faults.extend(ties.map(|tie| {
            format!("  {}:{}: imports {}, in {}", sources[tie.from].name, tie.line, tie.path, sources[tie.to].name)
        }));
    }
    faults
}

/// The files reachable from one by one import or more.
fn reachable(count: usize, imports: &[Import], from: usize) -> Vec<bool> {
    let (mut reached, mut next) = (vec![false; count], vec![from]);
    while let Some(file) = next.pop() {
        for import in imports.iter().filter(|import| import.from == file) {
            if !reached[import.to] {
                reached[import.to] = true;
                next.push(import.to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRATE: Crate = Crate { folder: "src", layers: &[&["lib"], &["top"], &["ground"]] };

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Result<Vec<Source>, String> =
            files.iter().map(|(name, text)| source((*name).to_owned(), &name["src".len()..], text)).collect();
        faults_of(&CRATE, &sources.unwrap_or_default())
    }

    #[test]
    fn imports_in_order_have_no_faults() {
        let files = [
            ("src/lib.rs", "mod ground; mod top; fn main() { top::open() }"),
            ("src/top.rs", "use crate::ground::{self, stone::Stone}; fn open() { ground::lay(Stone) }"),
            ("src/ground/mod.rs", "pub mod stone; pub fn lay(stone: stone::Stone) {}"),
            ("src/ground/stone.rs", "pub struct Stone; #[cfg(test)] mod tests { use crate::top::open; }"),
        ];
        assert_eq!(faults(&files), Vec::<String>::new());
    }

    #[test]
    fn an_import_upwards_is_found_however_it_is_written() {
        for text in [
            "use crate::top::open;",
            "use crate::{top::{open as o}};",
            "use super::top;",
            "fn f() { crate::top::open() }",
            "fn f() { let text = format!(\"{}\", crate::top::open()); }",
            "mod inner { use super::super::top::open; }",
            "macro_rules! m { () => { $crate::top::open() } }",
        ] {
            let found = faults(&[("src/lib.rs", "mod ground; mod top;"), ("src/top.rs", ""), ("src/ground.rs", text)]);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].starts_with("src/ground.rs:1: imports crate::top"), "{found:?}");
        }
    }

    #[test]
    fn a_circle_in_one_layer_is_found() {
        let found = faults(&[
            ("src/lib.rs", "mod top;"),
            ("src/top/mod.rs", "mod part; pub struct Whole; fn build() { part::build() }"),
            ("src/top/part.rs", "use super::Whole; pub fn build() -> Whole { Whole }"),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "these import each other in a circle:");
    }

    #[test]
    fn a_long_file_without_a_reason_is_found() {
        let long = |head: &str| format!("{head}mod top;\n{}", "\n".repeat(LONG));
        let of = |text: &str| faults(&[("src/lib.rs", text), ("src/top.rs", "")]);
        assert_eq!(of(&long("")).len(), 1);
        assert_eq!(
            of(&long("//! All of it.\n//! Longer than 500 lines, because it is a table.\n")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_part_without_a_layer_is_found() {
        let found = faults(&[("src/lib.rs", "mod attic;"), ("src/attic.rs", "")]);
        assert_eq!(found, ["src/attic.rs: has no layer; add it to xtask/src/layers.rs"]);
    }
}
