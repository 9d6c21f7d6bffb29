//! Mappings and templates: what they contain outlasts the request, and acts without anybody's rights.
//!
//! An open server looks up a field of type `lookup`, and the queries in a field of type `percolator`, in any index.

use super::query::walk_kept;
use super::scope::{Scope, malformed};
use crate::decision::{Facts, Reason, Refusal, clean};
use crate::json::{Entry, Json};

/// Types of fields, and of options of fields, that read no other index. `{dynamic_type}` stands for a simple one.
const TYPES: &[&str] = &[
    "aggregate_metric_double",
    "alias",
    "annotated_text",
    "bbq_disk",
    "bbq_flat",
    "bbq_hnsw",
    "binary",
    "boolean",
    "byte",
    "category",
    "completion",
    "composite",
    "constant_keyword",
    "counted_keyword",
    "date",
    "date_nanos",
    "date_range",
    "dense_vector",
    "double",
    "double_range",
    "exponential_histogram",
    "flat",
    "flat_object",
    "flattened",
    "float",
    "float_range",
    "geo",
    "geo_point",
    "geo_shape",
    "half_float",
    "histogram",
    "hnsw",
    "icu_collation_keyword",
    "int4_flat",
    "int4_hnsw",
    "int8_flat",
    "int8_hnsw",
    "integer",
    "integer_range",
    "ip",
    "ip_range",
    "join",
    "keyword",
    "knn_vector",
    "long",
    "long_range",
    "match_only_text",
    "murmur3",
    "nested",
    "object",
    "passthrough",
    "point",
    "rank_feature",
    "rank_features",
    "rank_vectors",
    "scaled_float",
    "search_as_you_type",
    "semantic_text",
    "shape",
    "short",
    "sparse_vector",
    "text",
    "token_count",
    "unsigned_long",
    "version",
    "wildcard",
    "xy_point",
    "xy_shape",
    "{dynamic_type}",
];

/// Judges a mapping: the body of `_mapping`, or the value of `mappings`.
pub(super) fn mapping(json: &Json<'_>) -> Result<(), Refusal> {
    let Json::Map(entries) = json else { return Err(malformed("a mapping is not an object")) };
    // An operator's own notes; below, it would be a field of this name.
    entries.iter().filter(|(name, _)| name != "_meta").try_for_each(|(name, value)| part(name, value))
}

fn part(name: &str, value: &Json<'_>) -> Result<(), Refusal> {
    match value {
        Json::Text(text) if name == "type" && !TYPES.contains(&&**text) => Err(Refusal::new(
            Reason::Query,
            format!("type [{}] of a field is not known here, or reads other indices", clean(text)),
        )),
        Json::Null | Json::Plain | Json::Text(_) => Ok(()),
        Json::List(values) => values.iter().try_for_each(|value| part("", value)),
        Json::Map(entries) => entries.iter().try_for_each(|(name, value)| part(name, value)),
    }
}

/// Judges a template for indices, or a part of one.
pub(super) fn template(entries: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
    for (name, value) in entries {
        match (&**name, value) {
            ("mappings", value) => mapping(value)?,
            ("aliases", Json::Map(_)) => walk_kept(value, scope, facts)?,
            ("template", Json::Map(entries)) => template(entries, scope, facts)?,
            // As version 5 has it, a pattern.
            ("template", Json::Text(_)) => {}
            (
                "settings"
                | "index_patterns"
                | "order"
                | "version"
                | "composed_of"
                | "priority"
                | "_meta"
                | "data_stream"
                | "data_stream_options"
                | "allow_auto_create"
                | "lifecycle"
                | "deprecated"
                | "ignore_missing_component_templates",
                _,
            ) => {}
            (name, _) => return Err(malformed(format!("[{}] in a template is not known", name.escape_debug()))),
        }
    }
    Ok(())
}
