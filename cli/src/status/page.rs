//! A page in Prometheus's text format 0.0.4, as written by the module: samples with labels, without timestamps.

use std::collections::BTreeMap;

use serde::Serialize;

/// The prefix of every metric of the module.
const PREFIX: &str = "rust_esauth_";

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Sample {
    /// Without the prefix.
    pub(super) metric: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Sample {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

pub(super) struct Page {
    pub(super) samples: Vec<Sample>,
}

impl Page {
    /// None if it is not a page of the module. Unknown lines are skipped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples: Vec<_> = lines.filter_map(|line| sample(line.strip_prefix(PREFIX)?)).collect();
        (!samples.is_empty()).then_some(Page { samples })
    }

    /// The samples of a metric, in the page's order.
    pub(super) fn all<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.metric == metric)
    }

    /// The value of the sample with this label, or of the only one; 0 if there is none.
    pub(super) fn value(&self, metric: &str, label: Option<(&str, &str)>) -> f64 {
        let is_it = |sample: &&Sample| label.is_none_or(|(name, value)| sample.label(name) == value);
        self.all(metric).find(is_it).map_or(0.0, |sample| sample.value)
    }
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Option<Sample> {
    let name_ends = line.find(['{', ' '])?;
    let (metric, mut rest) = line.split_at(name_ends);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (name, quoted) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = unquote(quoted)?;
            labels.insert(name.to_owned(), value);
            rest = after;
        }
        rest = &rest[1..];
    }
    Some(Sample { metric: metric.to_owned(), labels, value: rest.trim().parse().ok()? })
}

/// A label's value up to its closing quote, and the rest.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[place + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_labels_and_values() {
        let page = Page::parse(
            "# HELP rust_esauth_x y\nrust_esauth_hash_slots 2\nother 1\n\
             rust_esauth_file_users{directive=\"AuthUserFile\",path=\"/a \\\"b\\\\\\n}\"} 3e2\n\
             rust_esauth_broken{a=\"b} 1\nrust_esauth_broken x\nrust_esauth_broken\n",
        )
        .unwrap();
        assert_eq!(page.value("hash_slots", None), 2.0);
        assert_eq!(page.value("file_users", Some(("path", "/a \"b\\\n}"))), 300.0);
        assert_eq!(page.samples.len(), 2);
        assert!(Page::parse("<html>").is_none());
    }
}
