//! `contents`: what the shipped files consist of, for auditors: a CycloneDX document beside each of them, and the list that
//! `cargo auditable` defines, which scripts/package.sh puts into the file itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

use crate::crates::{self, ARTEFACTS, Artefact, Crate, Graph, Id};

/// Writes FILE.cdx.json and FILE.audit for each shipped file into `folder`.
pub(crate) fn write(folder: &Path) -> Result<(), String> {
    let all = crates::all()?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for artefact in &ARTEFACTS {
        let graph = crates::linked(artefact.package)?;
        let bill = serde_json::to_string_pretty(&bill_of_materials(artefact, &graph, &all))
            .map_err(|error| error.to_string())?;
        let list = audit_list(artefact.package, &graph, &all).to_string();
        for (ending, content) in [("cdx.json", bill.into_bytes()), ("audit", compressed(list.as_bytes())?)] {
            let file = folder.join(format!("{}.{ending}", artefact.file));
            fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

fn compressed(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).map_err(|error| error.to_string())
}

/// CycloneDX 1.5, without what changes from build to build: a serial number and a time.
fn bill_of_materials(artefact: &Artefact, graph: &Graph, all: &BTreeMap<Id, Crate>) -> Value {
    let parts = graph.keys().filter_map(|id| all.get(id));
    let components: Vec<Value> = parts.clone().filter(|part| part.name != artefact.package).map(component).collect();
    let mut whole = parts.filter(|part| part.name == artefact.package).map(component).next().unwrap_or_default();
    whole["type"] = json!(artefact.kind);
    whole["name"] = json!(artefact.file);
    let dependencies = graph.iter().map(|(id, on)| {
        let on: Vec<String> = on.iter().map(package_url).collect();
        json!({ "ref": package_url(id), "dependsOn": on })
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": whole },
        "components": components,
        "dependencies": dependencies.collect::<Vec<Value>>(),
    })
}

fn package_url((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn component(part: &Crate) -> Value {
    let url = package_url(&(part.name.clone(), part.version.clone()));
    let mut component = json!({
        "type": "library",
        "bom-ref": url,
        "name": part.name,
        "version": part.version,
        "licenses": [{ "expression": part.license }],
    });
    if let Some(checksum) = &part.checksum {
        component["purl"] = json!(url);
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &part.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

/// The list of cargo auditable: crates in order, each with the places of those that it depends on.
fn audit_list(root: &str, graph: &Graph, all: &BTreeMap<Id, Crate>) -> Value {
    let places: BTreeMap<&Id, usize> = graph.keys().enumerate().map(|(place, id)| (id, place)).collect();
    let packages = graph.iter().map(|(id, on)| {
        let source = if all.get(id).is_some_and(|part| !part.is_ours()) { "crates.io" } else { "local" };
        let mut package = json!({ "name": id.0, "version": id.1, "source": source });
        if !on.is_empty() {
            package["dependencies"] = on.iter().filter_map(|id| places.get(id).copied()).collect();
        }
        if id.0 == root {
            package["root"] = json!(true);
        }
        package
    });
    json!({ "packages": packages.collect::<Vec<Value>>() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    fn part(name: &str, version: &str, checksum: Option<&str>) -> (Id, Crate) {
        let part = Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            license: "MIT OR Apache-2.0".to_owned(),
            authors: Vec::new(),
            repository: None,
            checksum: checksum.map(str::to_owned),
            folder: PathBuf::new(),
        };
        (id(name, version), part)
    }

    fn example() -> (Graph, BTreeMap<Id, Crate>) {
        let graph = Graph::from([
            (id("base", "1.2.0"), BTreeSet::new()),
            (id("ours", "0.1.0"), BTreeSet::from([id("base", "1.2.0")])),
        ]);
        (graph, BTreeMap::from([part("base", "1.2.0", Some("ab")), part("ours", "0.1.0", None)]))
    }

    #[test]
    fn a_bill_names_versions_checksums_and_dependencies() {
        let (graph, all) = example();
        let artefact = Artefact { file: "ours.so", kind: "library", package: "ours" };
        let bill = bill_of_materials(&artefact, &graph, &all);
        assert_eq!(bill["metadata"]["component"]["name"], "ours.so");
        assert_eq!(bill["components"][0]["purl"], "pkg:cargo/base@1.2.0");
        assert_eq!(bill["components"][0]["hashes"][0]["content"], "ab");
        assert_eq!(bill["components"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            bill["dependencies"][1],
            json!({ "ref": "pkg:cargo/ours@0.1.0", "dependsOn": ["pkg:cargo/base@1.2.0"] })
        );
    }

    #[test]
    fn an_audit_list_names_places() {
        let (graph, all) = example();
        let expected = json!({ "packages": [
            { "name": "base", "version": "1.2.0", "source": "crates.io" },
            { "name": "ours", "version": "0.1.0", "source": "local", "dependencies": [0], "root": true },
        ]});
        assert_eq!(audit_list("ours", &graph, &all), expected);
    }
}
