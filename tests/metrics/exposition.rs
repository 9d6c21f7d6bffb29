//! A strict reader of Prometheus's text format 0.0.4, which accepts only what the format's description and its naming
//! rules allow: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/practices/naming/>.

use std::collections::BTreeMap;

/// The labels of a series, and their values.
pub(crate) type Labels = BTreeMap<String, String>;

/// One metric with its samples, each under its own name.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

#[derive(Debug)]
pub(crate) struct Page(pub(crate) BTreeMap<String, Metric>);

impl Page {
    /// The value of the series with exactly these labels. Panics if there is none.
    pub(crate) fn value(&self, sample: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut samples = self.0.values().flat_map(|metric| &metric.samples);
        let found = samples.find(|(name, there, _)| name == sample && *there == labels);
        found.unwrap_or_else(|| panic!("no {sample}{labels:?}")).2
    }

    /// The sum of all series of this name.
    pub(crate) fn sum(&self, sample: &str) -> f64 {
        self.0
            .values()
            .flat_map(|metric| &metric.samples)
            .filter(|(name, ..)| name == sample)
            .map(|&(.., value)| value)
            .sum()
    }
}

/// Parses a page, or returns its fault.
pub(crate) fn parse(text: &str) -> Result<Page, String> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let (mut helped, mut current): (Option<String>, Option<String>) = (None, None);
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    for line in text.lines() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if !is_name(name) || help.is_empty() || metrics.contains_key(name) {
                return Err(wrong("a bad or repeated HELP"));
            }
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            if helped.take().as_deref() != Some(name) || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("a TYPE without its HELP in front, or of an unknown type"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                return Err(wrong("counters, and nothing else, end in _total"));
            }
            metrics.insert(name.to_owned(), Metric { kind: kind.to_owned(), samples: Vec::new() });
            current = Some(name.to_owned());
        } else if line.starts_with('#') || line.is_empty() {
            return Err(wrong("neither HELP, TYPE nor sample"));
        } else {
            let (name, labels, value) = sample(line).ok_or_else(|| wrong("not a sample"))?;
            let metric = current.as_ref().ok_or_else(|| wrong("a sample before any TYPE"))?;
            let entry = metrics.get_mut(metric).ok_or_else(|| wrong("no such metric"))?;
            let suffix = name.strip_prefix(metric.as_str()).ok_or_else(|| wrong("a sample of another metric"))?;
            let suffixes: &[&str] = if entry.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            if !suffixes.contains(&suffix) {
                return Err(wrong("a sample of another metric"));
            }
            if entry.samples.iter().any(|(other, there, _)| *other == name && *there == labels) {
                return Err(wrong("a series that was there before"));
            }
            if !value.is_finite() || value < 0.0 {
                return Err(wrong("no count and no size"));
            }
            entry.samples.push((name, labels, value));
        }
    }
    for (name, metric) in &metrics {
        if metric.kind == "histogram" {
            check_histogram(name, metric)?;
        }
    }
    Ok(Page(metrics))
}

/// Buckets rise to `+Inf`, which equals `_count`, and each histogram has a `_sum`.
fn check_histogram(name: &str, metric: &Metric) -> Result<(), String> {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, value) in &metric.samples {
        if sample.ends_with("_bucket") {
            let mut labels = labels.clone();
            let bound = labels.remove("le").ok_or_else(|| format!("a bucket of {name} without le"))?;
            let bound = match bound.as_str() {
                "+Inf" => f64::INFINITY,
                number => number.parse().map_err(|_| format!("{name}: le={number}"))?,
            };
            series.entry(labels).or_default().push((bound, *value));
        }
    }
    for (labels, buckets) in &series {
        let rises = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let find = |suffix: &str| {
            let wanted = format!("{name}{suffix}");
            metric
                .samples
                .iter()
                .find(|(sample, there, _)| *sample == wanted && there == labels)
                .map(|&(.., value)| value)
        };
        let last = buckets.last().copied();
        if !rises || last != find("_count").map(|count| (f64::INFINITY, count)) || find("_sum").is_none() {
            return Err(format!("{name}{labels:?}: {buckets:?}"));
        }
    }
    let others = metric.samples.iter().filter(|(sample, ..)| !sample.ends_with("_bucket")).count();
    if others == 2 * series.len() { Ok(()) } else { Err(format!("{name}: a sum or count without buckets")) }
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let name_ends = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_ends);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            if !is_name(label)
                || label.contains(':')
                || label.starts_with("__")
                || labels.insert(label.to_owned(), value).is_some()
            {
                return None;
            }
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => break rest = after.strip_prefix('}')?,
            }
        }
    }
    let value = rest.strip_prefix(' ')?;
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_name(name) && is_plain).then(|| Some((name.to_owned(), labels, value.parse().ok()?)))?
}

/// A label's value up to the closing quote, and the rest.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                '\\' => '\\',
                '"' => '"',
                'n' => '\n',
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    !name.is_empty() && name.bytes().all(good) && !name.as_bytes()[0].is_ascii_digit()
}

#[test]
fn the_reader_refuses_other_formats() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    assert!(parse(&format!("{head}a_total{{b=\"\\\\ \\\" \\n\"}} 1\n")).is_ok());
    for bad in [
        "a_total 1\n",
        "# TYPE a_total counter\na_total 1\n",
        &format!("{head}a_total 1"),
        &format!("{head}a_total{{b=\"c\"d\"}} 1\n"),
        &format!("{head}a_total{{b=\"\\c\"}} 1\n"),
        &format!("{head}a_total 1\na_total 2\n"),
        &format!("{head}b_total 1\n"),
        &format!("{head}a_total -1\n"),
        &format!("{head}a_total NaN\n"),
        &format!("{head}a_total 1\n{head}"),
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
