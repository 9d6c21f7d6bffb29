//! The known endpoints. All others are refused.

use crate::action::Action::{self, *};
use crate::action::Actions;
use crate::target::Segment;

/// One method and path, and its meaning.
pub(crate) struct Endpoint {
    pub(crate) methods: &'static [&'static str],
    /// Segments in braces: `{index}` a name expression; `{alias}` and `{stream}` the same, judged in addition; `{new}`
    /// the name of an index to be created; `{id}` a document's id; `{any}` a text that names no index.
    pub(crate) path: &'static str,
    /// Actions needed on each of the names.
    pub(crate) on_names: Actions,
    /// Actions needed on the cluster.
    pub(crate) on_cluster: Actions,
    pub(crate) names: Names,
    pub(crate) body: Body,
    /// Segments of the path.
    length: usize,
    /// For each segment, the hash of its word, or 0 for braces: what does not fit is seen without reading texts.
    words: [u32; LONGEST],
}

/// Segments of the longest path.
const LONGEST: usize = 5;

/// Treatment of names that reach further than the rights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// There are none.
    Without,
    /// Refused.
    Strict,
    /// Refused, as is anything other than one name.
    One,
    /// Narrowed.
    Narrow,
    /// The path has none, which means all: they are narrowed, into this path.
    Missing(&'static str),
    /// The body must name them all.
    InBody,
    /// As in `InBody`, but names missing in the body are narrowed, into this path.
    InBodyOr(&'static str),
    /// Any right on them is enough.
    Known,
    /// The answer shows all indices: the actions are needed on `*`.
    Everything,
}

/// Judgement of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Its content does not matter.
    Any,
    /// There is none.
    Without,
    Query,
    Bulk,
    MultiSearch,
    MultiGet,
    TermVectors,
    MultiTermVectors,
    Aliases,
    Alias,
    CreateIndex,
    Resize,
    Rollover,
    Reindex,
    Mapping,
    IndexTemplate,
    Template,
    MultiTemplate,
    Scroll,
}

const GET: &[&str] = &["GET", "HEAD"];
const READ: &[&str] = &["GET", "POST"];
const POST: &[&str] = &["POST"];
const PUT: &[&str] = &["PUT", "POST"];
const ONLY_PUT: &[&str] = &["PUT"];
const DELETE: &[&str] = &["DELETE"];

const fn index(
    methods: &'static [&'static str],
    path: &'static str,
    names: Names,
    actions: &'static [Action],
    body: Body,
) -> Endpoint {
    let (on_names, on_cluster, length) = (Actions::of(actions), Actions::NONE, length(path));
    Endpoint { methods, path, on_names, on_cluster, names, body, length, words: words(path) }
}

const fn cluster(methods: &'static [&'static str], path: &'static str, actions: &'static [Action]) -> Endpoint {
    both(methods, path, Names::Without, &[], actions)
}

const fn template(methods: &'static [&'static str], path: &'static str, actions: &'static [Action]) -> Endpoint {
    Endpoint { body: Body::IndexTemplate, ..cluster(methods, path, actions) }
}

const fn both(
    methods: &'static [&'static str],
    path: &'static str,
    names: Names,
    actions: &'static [Action],
    on_cluster: &'static [Action],
) -> Endpoint {
    let (on_names, on_cluster, length) = (Actions::of(actions), Actions::of(on_cluster), length(path));
    Endpoint { methods, path, on_names, on_cluster, names, body: Body::Any, length, words: words(path) }
}

const fn length(path: &str) -> usize {
    let path = path.as_bytes();
    let (mut length, mut next) = (0, 0);
    while next < path.len() {
        length += (path[next] == b'/' && path.len() > 1) as usize;
        next += 1;
    }
    length
}

/// A hash of a segment's text, never 0 (FNV-1a).
const fn hash(text: &[u8], from: usize, to: usize) -> u32 {
    let (mut hash, mut next) = (0x811c_9dc5_u32, from);
    while next < to {
        hash = (hash ^ text[next] as u32).wrapping_mul(0x0100_0193);
        next += 1;
    }
    hash | 1
}

const fn words(path: &str) -> [u32; LONGEST] {
    let path = path.as_bytes();
    let mut words = [0; LONGEST];
    let (mut number, mut start) = (0, 1);
    while start < path.len() {
        let mut end = start;
        while end < path.len() && path[end] != b'/' {
            end += 1;
        }
        if path[start] != b'{' {
            words[number] = hash(path, start, end);
        }
        (number, start) = (number + 1, end + 1);
    }
    words
}

use Names::{Everything, InBody, InBodyOr, Known, Missing, Narrow, One, Strict};

/// All of them. If both a word and a name fit a segment, the word comes first, as in Elasticsearch.
static ENDPOINTS: &[Endpoint] = &[
    // Searching.
    index(READ, "/_search", Missing("/{index}/_search"), &[Search], Body::Query),
    index(READ, "/{index}/_search", Narrow, &[Search], Body::Query),
    // With a type, as Magento does with Elasticsearch 7.
    index(READ, "/{index}/{any}/_search", Narrow, &[Search], Body::Query),
    index(READ, "/_count", Missing("/{index}/_count"), &[Search], Body::Query),
    index(READ, "/{index}/_count", Narrow, &[Search], Body::Query),
    index(READ, "/_msearch", InBodyOr("/{index}/_msearch"), &[MultiSearch, Search], Body::MultiSearch),
    index(READ, "/{index}/_msearch", Narrow, &[MultiSearch, Search], Body::MultiSearch),
    index(READ, "/_search/template", Missing("/{index}/_search/template"), &[Search, SearchTemplate], Body::Template),
    index(READ, "/{index}/_search/template", Narrow, &[Search, SearchTemplate], Body::Template),
    index(
        READ,
        "/_msearch/template",
        InBodyOr("/{index}/_msearch/template"),
        &[MultiSearchTemplate, Search, SearchTemplate],
        Body::MultiTemplate,
    ),
    index(
        READ,
        "/{index}/_msearch/template",
        Narrow,
        &[MultiSearchTemplate, Search, SearchTemplate],
        Body::MultiTemplate,
    ),
    index(&["GET", "POST", "DELETE"], "/_search/scroll", Everything, &[Search, Scroll, ClearScroll], Body::Scroll),
    index(READ, "/_validate/query", Missing("/{index}/_validate/query"), &[ValidateQuery], Body::Query),
    index(READ, "/{index}/_validate/query", Narrow, &[ValidateQuery], Body::Query),
    index(READ, "/{index}/_explain/{id}", One, &[Explain], Body::Query),
    index(READ, "/_field_caps", Missing("/{index}/_field_caps"), &[FieldCapabilities], Body::Query),
    index(READ, "/{index}/_field_caps", Narrow, &[FieldCapabilities], Body::Query),
    index(READ, "/{index}/_search_shards", Narrow, &[SearchShards], Body::Without),
    // Documents.
    index(GET, "/{index}/_doc/{id}", One, &[Get], Body::Without),
    index(GET, "/{index}/_source/{id}", One, &[Get], Body::Without),
    index(READ, "/_mget", InBody, &[MultiGet, Get], Body::MultiGet),
    index(READ, "/{index}/_mget", One, &[MultiGet, Get], Body::MultiGet),
    index(READ, "/{index}/_termvectors/{id}", One, &[TermVectors], Body::TermVectors),
    index(READ, "/{index}/_termvectors", One, &[TermVectors], Body::TermVectors),
    index(READ, "/_mtermvectors", InBody, &[MultiTermVectors, TermVectors], Body::MultiTermVectors),
    index(READ, "/{index}/_mtermvectors", One, &[MultiTermVectors, TermVectors], Body::MultiTermVectors),
    index(PUT, "/{index}/_doc/{id}", One, &[Index, Bulk, AutoCreate], Body::Any),
    index(POST, "/{index}/_doc", One, &[CreateDocument, Bulk, AutoCreate], Body::Any),
    index(PUT, "/{index}/_create/{id}", One, &[CreateDocument, Bulk, AutoCreate], Body::Any),
    index(DELETE, "/{index}/_doc/{id}", One, &[Delete, Bulk], Body::Without),
    // The request itself creates a missing index, unlike the others.
    index(POST, "/{index}/_update/{id}", One, &[Update, Bulk, AutoCreate, CreateIndex], Body::Any),
    index(PUT, "/_bulk", InBody, &[Bulk], Body::Bulk),
    index(PUT, "/{index}/_bulk", One, &[Bulk], Body::Bulk),
    index(PUT, "/{index}/{any}/_bulk", One, &[Bulk], Body::Bulk),
    index(
        POST,
        "/{index}/_delete_by_query",
        Strict,
        &[DeleteByQuery, Search, Scroll, ClearScroll, Delete, Bulk],
        Body::Query,
    ),
    index(
        POST,
        "/{index}/_update_by_query",
        Strict,
        &[UpdateByQuery, Search, Scroll, ClearScroll, Index, Delete, Bulk],
        Body::Query,
    ),
    index(POST, "/_reindex", InBody, &[Reindex], Body::Reindex),
    // Indices, aliases, data streams.
    index(ONLY_PUT, "/{index}", One, &[CreateIndex], Body::CreateIndex),
    index(GET, "/{index}", Narrow, &[GetIndex], Body::Without),
    index(DELETE, "/{index}", Strict, &[DeleteIndex], Body::Without),
    index(POST, "/{index}/_open", Strict, &[OpenIndex], Body::Without),
    index(POST, "/{index}/_close", Strict, &[CloseIndex], Body::Without),
    index(ONLY_PUT, "/{index}/_block/{any}", Strict, &[AddBlock], Body::Without),
    index(&["GET"], "/_mapping", Missing("/{index}/_mapping"), &[GetMappings], Body::Without),
    index(&["GET"], "/{index}/_mapping", Narrow, &[GetMappings], Body::Without),
    index(
        &["GET"],
        "/_mapping/field/{any}",
        Missing("/{index}/_mapping/field/{any}"),
        &[GetFieldMappings],
        Body::Without,
    ),
    index(&["GET"], "/{index}/_mapping/field/{any}", Narrow, &[GetFieldMappings], Body::Without),
    index(PUT, "/{index}/_mapping", Strict, &[PutMapping], Body::Mapping),
    index(PUT, "/{index}/_mapping/{any}", Strict, &[PutMapping], Body::Mapping),
    index(PUT, "/{index}/{any}/_mapping", Strict, &[PutMapping], Body::Mapping),
    index(&["GET"], "/_settings", Missing("/{index}/_settings"), &[GetSettings], Body::Without),
    index(&["GET"], "/{index}/_settings", Narrow, &[GetSettings], Body::Without),
    index(&["GET"], "/{index}/_settings/{any}", Narrow, &[GetSettings], Body::Without),
    index(ONLY_PUT, "/{index}/_settings", Strict, &[UpdateSettings], Body::Any),
    index(POST, "/_aliases", InBody, &[ChangeAliases], Body::Aliases),
    index(GET, "/_alias", Missing("/{index}/_alias"), &[GetAliases], Body::Without),
    index(GET, "/_alias/{alias}", Missing("/{index}/_alias/{alias}"), &[GetAliases], Body::Without),
    index(GET, "/{index}/_alias", Narrow, &[GetAliases], Body::Without),
    index(GET, "/{index}/_alias/{alias}", Narrow, &[GetAliases], Body::Without),
    index(PUT, "/{index}/_alias/{alias}", Strict, &[ChangeAliases], Body::Alias),
    index(DELETE, "/{index}/_alias/{alias}", Strict, &[ChangeAliases], Body::Without),
    index(PUT, "/{index}/_clone/{new}", One, &[Resize], Body::Resize),
    index(PUT, "/{index}/_shrink/{new}", One, &[Resize], Body::Resize),
    index(PUT, "/{index}/_split/{new}", One, &[Resize], Body::Resize),
    index(POST, "/{index}/_rollover", One, &[Rollover], Body::Rollover),
    index(POST, "/{index}/_rollover/{new}", One, &[Rollover], Body::Rollover),
    index(READ, "/{index}/_analyze", One, &[AnalyzeText], Body::Any),
    index(&["GET"], "/{index}/_ilm/explain", Narrow, &[ExplainLifecycle], Body::Without),
    index(&["GET"], "/_data_stream", Missing("/_data_stream/{index}"), &[GetDataStream], Body::Without),
    index(&["GET"], "/_data_stream/{index}", Narrow, &[GetDataStream], Body::Without),
    index(ONLY_PUT, "/_data_stream/{index}", One, &[CreateDataStream], Body::Without),
    index(DELETE, "/_data_stream/{index}", Strict, &[DeleteDataStream], Body::Without),
    index(&["GET"], "/_data_stream/{index}/_stats", Narrow, &[DataStreamStats], Body::Without),
    index(&["GET"], "/_resolve/index/{index}", Narrow, &[ResolveIndex], Body::Without),
    // Maintenance and statistics.
    index(READ, "/_refresh", Missing("/{index}/_refresh"), &[Refresh], Body::Without),
    index(READ, "/{index}/_refresh", Narrow, &[Refresh], Body::Without),
    index(READ, "/_flush", Missing("/{index}/_flush"), &[Flush], Body::Without),
    index(READ, "/{index}/_flush", Narrow, &[Flush], Body::Without),
    index(POST, "/_forcemerge", Missing("/{index}/_forcemerge"), &[ForceMerge], Body::Without),
    index(POST, "/{index}/_forcemerge", Narrow, &[ForceMerge], Body::Without),
    index(POST, "/_cache/clear", Missing("/{index}/_cache/clear"), &[ClearCache], Body::Without),
    index(POST, "/{index}/_cache/clear", Narrow, &[ClearCache], Body::Without),
    index(&["GET"], "/_stats", Missing("/{index}/_stats"), &[Stats], Body::Without),
    index(&["GET"], "/_stats/{any}", Missing("/{index}/_stats/{any}"), &[Stats], Body::Without),
    index(&["GET"], "/{index}/_stats", Narrow, &[Stats], Body::Without),
    index(&["GET"], "/{index}/_stats/{any}", Narrow, &[Stats], Body::Without),
    index(&["GET"], "/_segments", Missing("/{index}/_segments"), &[Segments], Body::Without),
    index(&["GET"], "/{index}/_segments", Narrow, &[Segments], Body::Without),
    index(&["GET"], "/_recovery", Missing("/{index}/_recovery"), &[Recovery], Body::Without),
    index(&["GET"], "/{index}/_recovery", Narrow, &[Recovery], Body::Without),
    // Tables for people.
    both(&["GET"], "/_cat/indices", Missing("/_cat/indices/{index}"), &[Stats, GetSettings], &[State, Health]),
    both(&["GET"], "/_cat/indices/{index}", Narrow, &[Stats, GetSettings], &[State, Health]),
    index(&["GET"], "/_cat/count", Missing("/_cat/count/{index}"), &[Search], Body::Without),
    index(&["GET"], "/_cat/count/{index}", Narrow, &[Search], Body::Without),
    index(&["GET"], "/_cat/aliases", Missing("/_cat/aliases/{index}"), &[GetAliases], Body::Without),
    index(&["GET"], "/_cat/aliases/{index}", Narrow, &[GetAliases], Body::Without),
    both(&["GET"], "/_cat/shards", Missing("/_cat/shards/{index}"), &[Stats], &[State]),
    both(&["GET"], "/_cat/shards/{index}", Narrow, &[Stats], &[State]),
    both(&["GET"], "/_cat/segments", Missing("/_cat/segments/{index}"), &[Segments], &[State]),
    both(&["GET"], "/_cat/segments/{index}", Narrow, &[Segments], &[State]),
    index(&["GET"], "/_cat/recovery", Missing("/_cat/recovery/{index}"), &[Recovery], Body::Without),
    index(&["GET"], "/_cat/recovery/{index}", Narrow, &[Recovery], Body::Without),
    cluster(&["GET"], "/_cat/health", &[Health]),
    cluster(&["GET"], "/_cat/nodes", &[State, NodesInfo, NodesStats]),
    cluster(&["GET"], "/_cat/master", &[State]),
    cluster(&["GET"], "/_cat/thread_pool", &[State, NodesInfo, NodesStats]),
    cluster(&["GET"], "/_cat/plugins", &[State, NodesInfo]),
    cluster(&["GET"], "/_cat/nodeattrs", &[State, NodesInfo]),
    // The cluster.
    cluster(GET, "/", &[Main]),
    cluster(&["GET"], "/_cluster/health", &[Health]),
    both(&["GET"], "/_cluster/health/{index}", Known, &[], &[Health]),
    both(&["GET"], "/_cluster/state", Everything, &[GetIndex], &[State]),
    both(&["GET"], "/_cluster/state/{any}", Everything, &[GetIndex], &[State]),
    cluster(&["GET"], "/_cluster/stats", &[ClusterStats]),
    both(&["GET"], "/_cluster/settings", Everything, &[GetIndex], &[State]),
    cluster(ONLY_PUT, "/_cluster/settings", &[UpdateClusterSettings]),
    cluster(&["GET"], "/_cluster/pending_tasks", &[PendingTasks]),
    cluster(&["GET"], "/_nodes", &[NodesInfo]),
    cluster(&["GET"], "/_nodes/stats", &[NodesStats]),
    cluster(&["GET"], "/_nodes/http", &[NodesInfo]),
    cluster(&["GET"], "/_nodes/plugins", &[NodesInfo]),
    cluster(&["GET"], "/_nodes/_all/http", &[NodesInfo]),
    cluster(&["GET"], "/_nodes/_local", &[NodesInfo]),
    cluster(&["GET"], "/_nodes/_local/stats", &[NodesStats]),
    cluster(&["GET"], "/_license", &[License]),
    cluster(&["GET"], "/_xpack", &[XPackInfo]),
    cluster(&["GET"], "/_ingest/pipeline", &[GetPipeline]),
    cluster(&["GET"], "/_ingest/pipeline/{any}", &[GetPipeline]),
    cluster(ONLY_PUT, "/_ingest/pipeline/{any}", &[PutPipeline]),
    cluster(DELETE, "/_ingest/pipeline/{any}", &[DeletePipeline]),
    cluster(&["GET"], "/_template", &[GetTemplate]),
    cluster(GET, "/_template/{any}", &[GetTemplate]),
    template(PUT, "/_template/{any}", &[PutTemplate]),
    cluster(DELETE, "/_template/{any}", &[DeleteTemplate]),
    cluster(&["GET"], "/_index_template", &[GetIndexTemplate]),
    cluster(GET, "/_index_template/{any}", &[GetIndexTemplate]),
    template(PUT, "/_index_template/{any}", &[PutIndexTemplate]),
    cluster(DELETE, "/_index_template/{any}", &[DeleteIndexTemplate]),
    cluster(&["GET"], "/_component_template", &[GetComponentTemplate]),
    cluster(GET, "/_component_template/{any}", &[GetComponentTemplate]),
    template(PUT, "/_component_template/{any}", &[PutComponentTemplate]),
    cluster(DELETE, "/_component_template/{any}", &[DeleteComponentTemplate]),
    cluster(&["GET"], "/_ilm/policy", &[GetLifecycle]),
    cluster(&["GET"], "/_ilm/policy/{any}", &[GetLifecycle]),
    cluster(ONLY_PUT, "/_ilm/policy/{any}", &[PutLifecycle]),
    cluster(DELETE, "/_ilm/policy/{any}", &[DeleteLifecycle]),
    cluster(&["GET"], "/_scripts/{any}", &[GetScript]),
    cluster(PUT, "/_scripts/{any}", &[PutScript]),
    cluster(DELETE, "/_scripts/{any}", &[DeleteScript]),
    cluster(&["GET"], "/_snapshot", &[GetRepositories]),
    cluster(&["GET"], "/_snapshot/{any}", &[GetRepositories]),
];

/// The query parameters that are passed on. None of them names an index, is part of a path, or carries a body.
#[rustfmt::skip]
const PARAMETERS: &[&str] = &[
    "_source", "_source_exclude", "_source_excludes", "_source_include", "_source_includes", "all_shards",
    "allow_no_indices", "allow_partial_search_results", "analyze_wildcard", "analyzer", "batched_reduce_size", "bytes",
    "cause", "ccs_minimize_roundtrips", "completion_fields", "conflicts", "create", "default_operator", "df",
    "docvalue_fields", "dry_run", "error_trace", "expand_wildcards", "explain", "field_statistics", "fielddata",
    "fielddata_fields", "fields", "filter_path", "filters", "flat_settings", "flush", "forbid_closed_indices", "force",
    "format", "from", "groups", "h", "health", "help", "human", "if_primary_term", "if_seq_no", "ignore_throttled",
    "ignore_unavailable", "include_defaults", "include_named_queries_score", "include_segment_file_sizes",
    "include_source_on_error", "include_type_name", "include_unloaded_segments", "include_unmapped", "lang", "lenient",
    "list_executed_pipelines", "local", "master_timeout", "max_concurrent_searches", "max_concurrent_shard_requests",
    "max_docs", "max_num_segments", "min_score", "offsets", "only_expunge_deletes", "op_type", "order", "payloads",
    "pipeline", "positions", "pre_filter_shard_size", "preference", "preserve_existing", "pretty", "pri", "q", "query",
    "realtime", "refresh", "request", "request_cache", "requests_per_second", "require_alias", "require_data_stream",
    "rest_total_hits_as_int", "retry_on_conflict", "rewrite", "routing", "s", "scroll", "scroll_size", "search_timeout",
    "search_type", "seq_no_primary_term", "size", "slices", "sort", "stats", "stored_fields", "suggest_field",
    "suggest_mode", "suggest_size", "suggest_text", "term_statistics", "terminate_after", "time", "timeout",
    "track_scores", "track_total_hits", "ts", "typed_keys", "v", "verbose", "version", "version_type",
    "wait_for_active_shards", "wait_for_completion", "wait_for_events", "wait_for_no_initializing_shards",
    "wait_for_no_relocating_shards", "wait_for_nodes", "wait_for_status", "wait_if_ongoing", "write_index_only",
];

/// True if a parameter with this name may be passed on.
pub(crate) fn is_known_parameter(name: &str) -> bool {
    PARAMETERS.binary_search(&name).is_ok()
}

impl Endpoint {
    /// The words and braces of its path.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').skip(1).filter(|part| !part.is_empty())
    }

    fn fits(&self, segments: &[Segment<'_>]) -> bool {
        let mut parts = self.parts();
        segments.iter().all(|segment| match parts.next() {
            None => false,
            // A word must be spelled exactly; a text that some version could take for a word matches nothing else.
            Some(part) if part.starts_with('{') => {
                !segment.raw.starts_with('_') || part == "{index}" && segment.raw == "_all"
            }
            Some(word) => segment.raw == word,
        }) && parts.next().is_none()
    }
}

/// The endpoint of a method and path.
pub(crate) fn find(method: &[u8], segments: &[Segment<'_>]) -> Option<&'static Endpoint> {
    if segments.len() > LONGEST {
        return None;
    }
    let mut words = [0; LONGEST];
    for (word, segment) in words.iter_mut().zip(segments) {
        *word = hash(segment.raw.as_bytes(), 0, segment.raw.len());
    }
    let may_fit = |endpoint: &&Endpoint| {
        let mut pairs = endpoint.words.iter().zip(&words);
        endpoint.length == segments.len() && pairs.all(|(own, asked)| *own == 0 || own == asked)
    };
    let allows = |endpoint: &&Endpoint| endpoint.methods.iter().any(|known| known.as_bytes() == method);
    ENDPOINTS.iter().filter(may_fit).filter(allows).find(|endpoint| endpoint.fits(segments))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All paths in the vendors' own lists, which are facts about Elasticsearch 7.10 and 8.19.
    const LISTED: &str = include_str!("../tests/endpoints.txt");

    fn segments(path: &str) -> Vec<Segment<'_>> {
        let parts = path.split('/').skip(1).filter(|part| !part.is_empty());
        // A brace matches any name here.
        let raw = parts.map(|part| if part.starts_with('{') { "name" } else { part });
        raw.map(|raw| Segment { raw, text: raw.into() }).collect()
    }

    #[test]
    fn every_listed_path_is_in_the_table_as_itself_or_refused() {
        let (mut known, mut refused) = (0, 0);
        for line in LISTED.lines().filter(|line| !line.starts_with('#')) {
            let (methods, path) = line.rsplit_once(' ').unwrap_or_default();
            for method in methods.split(' ') {
                let Some(endpoint) = find(method.as_bytes(), &segments(path)) else {
                    refused += 1;
                    continue;
                };
                known += 1;
                let listed = path.split('/').skip(1).filter(|part| !part.is_empty());
                let is_same = listed.zip(endpoint.parts()).all(|(listed, own)| {
                    listed.starts_with('{') == own.starts_with('{') && (own.starts_with('{') || listed == own)
                });
                assert!(is_same, "{method} {path} is taken for {}", endpoint.path);
            }
        }
        assert!(known > 100 && refused > 400, "{known} known, {refused} refused");
    }

    #[test]
    fn parameters_are_sorted_and_none_is_part_of_a_path() {
        assert!(PARAMETERS.is_sorted());
        for line in LISTED.lines() {
            for part in line.split('/').filter(|part| part.starts_with('{')) {
                let name = part.trim_matches(['{', '}']);
                // Names of fields are harmless in every position.
                assert!(!is_known_parameter(name) || name == "fields", "{name}");
            }
        }
    }

    #[test]
    fn a_word_counts_only_as_it_is_spelled() {
        let escaped = [Segment { raw: "%5fsearch", text: "_search".into() }];
        assert!(find(b"GET", &escaped).is_some_and(|endpoint| endpoint.path == "/{index}"));
        for (method, path) in [
            ("GET", "/_Search"),
            ("get", "/_search"),
            ("GET", "/shop/_doc/_search"),
            ("POST", "/_sql"),
            ("PUT", "/_doc"),
            ("GET", "/shop/_async_search"),
            ("POST", "/_snapshot/a/b/_restore"),
            ("PATCH", "/shop"),
            ("TRACE", "/"),
            ("POST", "/shop/_eql/search"),
            ("POST", "/_query"),
            ("POST", "/_security/user/x"),
            ("GET", "/_tasks"),
        ] {
            assert!(find(method.as_bytes(), &segments(path)).is_none(), "{method} {path}");
        }
    }
}
