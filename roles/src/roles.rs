//! The roles file: the `roles.yml` of Elasticsearch's own file realm, as far as it can be enforced in front of
//! Elasticsearch.

use esauth_engine::{LineRules, Parse, ReadError};
use hashbrown::HashMap;

use crate::action::{Actions, Scope};
use crate::yaml::{self, Fault, Node, Value};

/// The rights of each role in a roles file.
#[derive(Default)]
pub struct Roles {
    roles: Vec<Role>,
    by_name: HashMap<Box<str>, usize>,
}

/// One role of a roles file.
pub struct Role {
    name: Box<str>,
    line: usize,
    pub(crate) cluster: Actions,
    pub(crate) grants: Vec<Grant>,
}

/// The rights of a role on the indices that match some patterns.
pub(crate) struct Grant {
    pub(crate) patterns: Vec<Box<str>>,
    pub(crate) actions: Actions,
}

impl Role {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of its first line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The patterns of index names in it, in the order of the file.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.grants.iter().flat_map(|grant| grant.patterns.iter().map(AsRef::as_ref))
    }
}

/// Roles that Elasticsearch defines itself, whatever a roles file says; some allow everything.
const RESERVED: &[&str] = &[
    "superuser",
    "transport_client",
    "kibana_system",
    "kibana_admin",
    "kibana_user",
    "logstash_system",
    "logstash_admin",
    "beats_system",
    "beats_admin",
    "apm_system",
    "apm_user",
    "remote_monitoring_agent",
    "remote_monitoring_collector",
    "monitoring_user",
    "ingest_admin",
    "machine_learning_user",
    "machine_learning_admin",
    "watcher_user",
    "watcher_admin",
    "rollup_user",
    "rollup_admin",
    "snapshot_user",
    "enrich_user",
    "transform_user",
    "transform_admin",
    "data_frame_transforms_user",
    "data_frame_transforms_admin",
    "reporting_user",
    "viewer",
    "editor",
];

/// Maximum length of a role name, in bytes.
const LONGEST_NAME: usize = 507;

impl Roles {
    /// The roles of a file with these bytes, or all of its faults: at least one, in the order of lines.
    pub fn parse(text: &[u8]) -> Result<Roles, Vec<Fault>> {
        let mut reader = Reader::default();
        match yaml::parse(text) {
            Ok(Some(root)) => reader.roles(root),
            Ok(None) => {}
            Err(fault) => reader.faults.push(fault),
        }
        let Reader { roles, mut faults } = reader;
        faults.sort_by_key(|fault| fault.line);
        if faults.is_empty() { Ok(roles) } else { Err(faults) }
    }

    /// The role with this name, compared by exact bytes.
    pub fn role(&self, name: &[u8]) -> Option<&Role> {
        let name = std::str::from_utf8(name).ok()?;
        self.by_name.get(name).map(|&number| &self.roles[number])
    }

    /// All roles, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter()
    }
}

/// Builds roles from a file's nodes, and notes faults.
#[derive(Default)]
struct Reader {
    roles: Roles,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, line: usize, text: String) {
        self.faults.push(Fault { line, text });
    }

    fn roles(&mut self, root: Node) {
        let line = root.line;
        let Value::Map(entries) = root.value else {
            return self
                .fault(line, "a roles file is a mapping of role names: 'NAME:' and what the role may do".into());
        };
        for (name, value) in entries {
            let line = name.line;
            let Some(text) = self.text(name, "the name of a role") else { continue };
            if let Some(wrong) = wrong_role_name(&text) {
                self.fault(line, wrong);
                continue;
            }
            let Some(role) = self.role(text.clone(), line, value) else { continue };
            let number = self.roles.roles.len();
            if self.roles.by_name.insert(text, number).is_some() {
                self.fault(line, format!("role {:?} is there twice", role.name));
            }
            self.roles.roles.push(role);
        }
    }

    fn role(&mut self, name: Box<str>, line: usize, value: Node) -> Option<Role> {
        let mut role = Role { name, line, cluster: Actions::NONE, grants: Vec::new() };
        for (key, key_line, value) in self.entries(value, "a role")? {
            match &*key {
                "cluster" => role.cluster = self.privileges(value, Scope::Cluster),
                "indices" => {
                    for grant in self.list(value, "'indices'", false) {
                        role.grants.extend(self.grant(grant));
                    }
                }
                "description" => drop(self.text(value, "a description")),
                "metadata" => drop(self.entries(value, "metadata")),
                _ => self.fault(key_line, unknown_role_key(&key)),
            }
        }
        Some(role)
    }

    fn grant(&mut self, node: Node) -> Option<Grant> {
        let line = node.line;
        let (mut patterns, mut actions) = (None, None);
        for (key, key_line, value) in self.entries(node, "each of 'indices'")? {
            match &*key {
                "names" => patterns = Some(self.patterns(value)),
                "privileges" => actions = Some(self.privileges(value, Scope::Index)),
                _ => self.fault(key_line, unknown_grant_key(&key)),
            }
        }
        if patterns.is_none() || actions.is_none() {
            let missing = if patterns.is_none() { "names" } else { "privileges" };
            self.fault(line, format!("'{missing}' is missing: each of 'indices' has 'names' and 'privileges'"));
        }
        Some(Grant { patterns: patterns?, actions: actions? })
    }

    fn patterns(&mut self, node: Node) -> Vec<Box<str>> {
        let line = node.line;
        let mut patterns = Vec::new();
        for node in self.list(node, "'names'", true) {
            let line = node.line;
            let Some(text) = self.text(node, "a name") else { continue };
            match wrong_pattern(&text) {
                Some(wrong) => self.fault(line, format!("name {text:?} {wrong}")),
                None => patterns.push(text),
            }
        }
        if patterns.is_empty() && self.faults.last().is_none_or(|fault| fault.line < line) {
            self.fault(line, "'names' is empty: give names or patterns of indices, such as 'logs-*'".into());
        }
        patterns
    }

    fn privileges(&mut self, node: Node, scope: Scope) -> Actions {
        let mut sum = Actions::NONE;
        let what = if scope == Scope::Cluster { "'cluster'" } else { "'privileges'" };
        let nodes = self.list(node, what, false);
        let is_alone = nodes.len() == 1;
        for node in nodes {
            let line = node.line;
            let Some(text) = self.text(node, "a privilege") else { continue };
            if text.eq_ignore_ascii_case("none") && !is_alone {
                // Elasticsearch may use it to remove what the others grant.
                self.fault(line, "privilege \"none\" stands alone; remove it, or the others".into());
            }
            match scope.actions(&text.to_ascii_lowercase()) {
                Some(actions) => sum = sum | actions,
                None => {
                    let scope_word = if scope == Scope::Cluster { "cluster" } else { "index" };
                    let known: Vec<_> = scope.names().collect();
                    self.fault(
                        line,
                        format!("{scope_word} privilege {text:?} is not known here; there are {}", known.join(", ")),
                    );
                }
            }
        }
        sum
    }

    /// The entries of a mapping: key, its line, value. Each key once.
    fn entries(&mut self, node: Node, what: &str) -> Option<Vec<(Box<str>, usize, Node)>> {
        let line = node.line;
        let Value::Map(entries) = node.value else {
            self.fault(line, format!("{what} is a mapping of keys and values"));
            return None;
        };
        let mut known: Vec<(Box<str>, usize, Node)> = Vec::new();
        for (key, value) in entries {
            let line = key.line;
            let Some(key) = self.text(key, "a key") else { continue };
            if known.iter().any(|(other, ..)| *other == key) {
                self.fault(line, format!("key {key:?} is there twice"));
            } else {
                known.push((key, line, value));
            }
        }
        Some(known)
    }

    /// The elements of a list, or the single value, where a list is optional.
    fn list(&mut self, node: Node, what: &str, may_be_one: bool) -> Vec<Node> {
        let line = node.line;
        match node.value {
            Value::List(nodes) => nodes,
            Value::Text { .. } if may_be_one => vec![node],
            _ => {
                self.fault(line, format!("{what} is a list, such as [ a, b ]"));
                Vec::new()
            }
        }
    }

    fn text(&mut self, node: Node, what: &str) -> Option<Box<str>> {
        match node.value {
            Value::Text { text, is_plain } if !is_plain || !yaml::is_no_text(&text) => Some(text.into()),
            Value::Text { text, .. } => {
                self.fault(node.line, format!("{what} is text: put {text:?} in quotes"));
                None
            }
            _ => {
                self.fault(node.line, format!("{what} is text"));
                None
            }
        }
    }
}

fn wrong_role_name(name: &str) -> Option<String> {
    let is_printable = name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if name.is_empty() || name.len() > LONGEST_NAME || !is_printable || name.trim() != name {
        return Some(format!(
            "role name {name:?} is not one of 1 to {LONGEST_NAME} printable ASCII characters without blanks at its ends"
        ));
    }
    RESERVED.contains(&name).then(|| {
        format!(
            "role name {name:?} is one of Elasticsearch's own, which ignores it in a roles file; choose another name"
        )
    })
}

fn unknown_role_key(key: &str) -> String {
    let allowed = "allowed are cluster, indices, description, metadata";
    match key {
        "run_as" | "applications" | "global" | "remote_indices" | "remote_cluster" | "restriction" => {
            format!("{key:?} cannot be enforced in front of Elasticsearch; {allowed}")
        }
        _ => format!("key {key:?} is not known; {allowed}"),
    }
}

fn unknown_grant_key(key: &str) -> String {
    let allowed = "allowed are names, privileges";
    match key {
        "field_security" | "query" | "allow_restricted_indices" => {
            format!("{key:?} cannot be enforced in front of Elasticsearch; {allowed}")
        }
        _ => format!("key {key:?} is not known; {allowed}"),
    }
}

fn wrong_pattern(pattern: &str) -> Option<&'static str> {
    if pattern.is_empty() {
        return Some("is empty");
    }
    if pattern.starts_with('/') {
        return Some("is a regular expression, which is not supported; use '*' and '?'");
    }
    if pattern == "_all" {
        return Some("is not a pattern; write '*'");
    }
    let is_wrong = |letter: char| {
        letter.is_control()
            || letter.is_whitespace()
            || matches!(letter, '\\' | '/' | '"' | '<' | '>' | '|' | ',' | '#' | ':')
    };
    pattern.contains(is_wrong).then_some("has a character that no index name has")
}

/// A roles file as kept by the engine's `Source`: valid, or with its faults. A file with faults grants nobody any
/// rights.
pub struct RolesFile {
    roles: Result<Roles, Vec<Fault>>,
}

impl RolesFile {
    /// The roles, or the file's faults.
    pub fn roles(&self) -> Result<&Roles, &[Fault]> {
        self.roles.as_ref().map_err(Vec::as_slice)
    }
}

impl Parse for RolesFile {
    fn parse(text: Vec<u8>, _: LineRules) -> Result<Self, ReadError> {
        Ok(RolesFile { roles: Roles::parse(&text) })
    }

    fn stock_stops_at(&self) -> Option<usize> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        match Roles::parse(text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(Fault::to_string).collect(),
        }
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let text = "shop-a:\n  cluster: [ monitor ]\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ read, write ]\n\
                    grafana:\n  description: reads\n  metadata: { a: [ 1 ] }\n  indices:\n    - names: 'logs-*'\n      privileges: [ READ ]\n";
        let roles = Roles::parse(text.as_bytes()).unwrap_or_default();
        let names: Vec<_> = roles.iter().map(|role| (role.name(), role.line())).collect();
        assert_eq!(names, [("shop-a", 1), ("grafana", 6)]);
        assert_eq!(roles.role(b"grafana").map(|role| role.patterns().collect::<Vec<_>>()), Some(vec!["logs-*"]));
    }

    #[test]
    fn an_empty_file_has_no_role() {
        assert!(Roles::parse(b"# nothing\n").is_ok_and(|roles| roles.iter().next().is_none()));
    }

    #[test]
    fn an_unenforceable_key_is_an_error_that_names_the_line() {
        for (text, expected) in [
            ("a:\n  run_as: [ 'x' ]\n", "line 2: \"run_as\" cannot be enforced"),
            (
                "a:\n  indices:\n  - names: 'x'\n    privileges: [read]\n    query: '{}'\n",
                "line 5: \"query\" cannot be",
            ),
            (
                "a:\n  cluster: [ moniter ]\n",
                "line 2: cluster privilege \"moniter\" is not known here; there are none, ",
            ),
            ("a:\n  indices:\n  - names: '/x.*/'\n    privileges: [read]\n", "line 3: name \"/x.*/\" is a regular"),
            ("a:\n  indices:\n  - names: 'x'\n", "line 3: 'privileges' is missing"),
            ("a:\n  indices:\n  - names: []\n    privileges: [read]\n", "line 3: 'names' is empty"),
            ("a:\n  cluster: monitor\n", "line 2: 'cluster' is a list"),
            ("a:\n  cluster: [all]\na:\n  cluster: []\n", "line 3: role \"a\" is there twice"),
            ("a:\n  cluster: [all]\n  cluster: []\n", "line 3: key \"cluster\" is there twice"),
            ("superuser:\n  cluster: [all]\n", "line 1: role name \"superuser\" is one of Elasticsearch's own"),
            ("a: &x\n  cluster: [all]\n", "line 1: anchors"),
            ("a: *x\n", "line 1: "),
            ("a: !!map {}\n", "line 1: tags"),
            ("a:\n  cluster: [ none, all ]\n", "line 2: privilege \"none\" stands alone"),
            ("a:\n", "line 1: a role is a mapping"),
            ("1: {}\n", "line 1: the name of a role is text: put \"1\" in quotes"),
            ("- a\n", "line 1: a roles file is a mapping"),
            ("a: {}\n---\nb: {}\n", "line 2: one document"),
            ("a: [\n", "line 2: "),
        ] {
            let faults = faults(text);
            assert!(faults.first().is_some_and(|fault| fault.starts_with(expected)), "{text:?}: {faults:?}");
        }
    }

    #[test]
    fn every_fault_of_a_file_is_told() {
        assert_eq!(faults("a:\n  cluster: [ x, y ]\nb:\n  z: 1\n").len(), 3);
    }
}
