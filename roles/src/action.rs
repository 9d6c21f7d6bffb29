//! Transport actions, and the privileges that include them.

use std::ops::BitOr;

macro_rules! actions {
    ($($variant:ident $name:literal,)*) => {
        /// An action of Elasticsearch, by its own name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Action { $($variant,)* }

        impl Action {
            /// The actions in the table of endpoints; further, `AutoPutMapping` and `Any` (all that only `all` allows),
            /// by which the sum of other privileges differs from a larger one.
            pub(crate) const ALL: &'static [Action] = &[$(Action::$variant,)*];

            /// Such as `indices:data/read/search`.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }
        }
    };
}

actions! {
    Search "indices:data/read/search",
    MultiSearch "indices:data/read/msearch",
    SearchTemplate "indices:data/read/search/template",
    MultiSearchTemplate "indices:data/read/msearch/template",
    Scroll "indices:data/read/scroll",
    ClearScroll "indices:data/read/scroll/clear",
    OpenPointInTime "indices:data/read/open_point_in_time",
    ClosePointInTime "indices:data/read/close_point_in_time",
    Get "indices:data/read/get",
    MultiGet "indices:data/read/mget",
    TermVectors "indices:data/read/tv",
    MultiTermVectors "indices:data/read/mtv",
    Explain "indices:data/read/explain",
    FieldCapabilities "indices:data/read/field_caps",
    Index "indices:data/write/index",
    Bulk "indices:data/write/bulk",
    CreateDocument "indices:data/write/index:op_type/create",
    Delete "indices:data/write/delete",
    Update "indices:data/write/update",
    DeleteByQuery "indices:data/write/delete/byquery",
    UpdateByQuery "indices:data/write/update/byquery",
    Reindex "indices:data/write/reindex",
    CreateIndex "indices:admin/create",
    AutoCreate "indices:admin/auto_create",
    DeleteIndex "indices:admin/delete",
    GetIndex "indices:admin/get",
    OpenIndex "indices:admin/open",
    CloseIndex "indices:admin/close",
    PutMapping "indices:admin/mapping/put",
    AutoPutMapping "indices:admin/mapping/auto_put",
    GetMappings "indices:admin/mappings/get",
    GetFieldMappings "indices:admin/mappings/fields/get",
    ChangeAliases "indices:admin/aliases",
    GetAliases "indices:admin/aliases/get",
    UpdateSettings "indices:admin/settings/update",
    GetSettings "indices:monitor/settings/get",
    Refresh "indices:admin/refresh",
    Flush "indices:admin/flush",
    ForceMerge "indices:admin/forcemerge",
    ClearCache "indices:admin/cache/clear",
    AnalyzeText "indices:admin/analyze",
    Rollover "indices:admin/rollover",
    Resize "indices:admin/resize",
    AddBlock "indices:admin/block/add",
    SearchShards "indices:admin/shards/search_shards",
    ValidateQuery "indices:admin/validate/query",
    ResolveIndex "indices:admin/resolve/index",
    ExplainLifecycle "indices:admin/ilm/explain",
    CreateDataStream "indices:admin/data_stream/create",
    DeleteDataStream "indices:admin/data_stream/delete",
    GetDataStream "indices:admin/data_stream/get",
    DataStreamStats "indices:monitor/data_stream/stats",
    Stats "indices:monitor/stats",
    Segments "indices:monitor/segments",
    Recovery "indices:monitor/recovery",
    Any "indices:*",
    Main "cluster:monitor/main",
    Health "cluster:monitor/health",
    State "cluster:monitor/state",
    ClusterStats "cluster:monitor/stats",
    NodesInfo "cluster:monitor/nodes/info",
    NodesStats "cluster:monitor/nodes/stats",
    PendingTasks "cluster:monitor/task",
    ListTasks "cluster:monitor/tasks/lists",
    License "cluster:monitor/xpack/license/get",
    XPackInfo "cluster:monitor/xpack/info",
    UpdateClusterSettings "cluster:admin/settings/update",
    GetPipeline "cluster:admin/ingest/pipeline/get",
    PutPipeline "cluster:admin/ingest/pipeline/put",
    DeletePipeline "cluster:admin/ingest/pipeline/delete",
    GetTemplate "indices:admin/template/get",
    PutTemplate "indices:admin/template/put",
    DeleteTemplate "indices:admin/template/delete",
    GetIndexTemplate "indices:admin/index_template/get",
    PutIndexTemplate "indices:admin/index_template/put",
    DeleteIndexTemplate "indices:admin/index_template/delete",
    GetComponentTemplate "cluster:admin/component_template/get",
    PutComponentTemplate "cluster:admin/component_template/put",
    DeleteComponentTemplate "cluster:admin/component_template/delete",
    GetLifecycle "cluster:admin/ilm/get",
    PutLifecycle "cluster:admin/ilm/put",
    DeleteLifecycle "cluster:admin/ilm/delete",
    GetScript "cluster:admin/script/get",
    PutScript "cluster:admin/script/put",
    DeleteScript "cluster:admin/script/delete",
    GetRepositories "cluster:admin/repository/get",
    GetSnapshots "cluster:admin/snapshot/get",
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Actions(u128);

impl Actions {
    pub(crate) const NONE: Actions = Actions(0);

    pub(crate) const fn of(actions: &[Action]) -> Actions {
        let mut set = 0;
        let mut next = 0;
        while next < actions.len() {
            set |= 1 << actions[next] as u32;
            next += 1;
        }
        Actions(set)
    }

    pub(crate) const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u32) != 0
    }

    pub(crate) const fn overlaps(self, other: Actions) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn without(self, other: Actions) -> Actions {
        Actions(self.0 & !other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Action> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let action = Action::ALL.get(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(*action)
        })
    }

    /// The actions whose name matches one of the patterns, with an optional `*` at the end.
    fn matching(patterns: &[&str]) -> Actions {
        let matches = |name: &str| {
            patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == *pattern,
            })
        };
        Actions(
            Action::ALL.iter().filter(|action| matches(action.name())).fold(0, |set, &action| set | 1 << action as u32),
        )
    }
}

impl BitOr for Actions {
    type Output = Actions;

    fn bitor(self, other: Actions) -> Actions {
        Actions(self.0 | other.0)
    }
}

/// The privileges on indices, weakest first. If the two generations of Elasticsearch differ, the common actions.
const INDEX_PRIVILEGES: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("auto_configure", &["indices:admin/auto_create", "indices:admin/mapping/auto_put"]),
    ("create_index", &["indices:admin/create", "indices:admin/auto_create", "indices:admin/data_stream/create"]),
    ("delete_index", &["indices:admin/delete", "indices:admin/data_stream/delete"]),
    ("maintenance", &["indices:admin/refresh*", "indices:admin/flush*", "indices:admin/forcemerge*"]),
    ("create_doc", &["indices:data/write/index:op_type/create", "indices:data/write/bulk*"]),
    ("create", &["indices:data/write/index*", "indices:data/write/bulk*"]),
    ("index", &["indices:data/write/index*", "indices:data/write/bulk*", "indices:data/write/update*"]),
    ("delete", &["indices:data/write/delete*", "indices:data/write/bulk*"]),
    ("monitor", &["indices:monitor/*"]),
    (
        "view_index_metadata",
        &[
            "indices:admin/aliases/get",
            "indices:admin/get",
            "indices:admin/mappings/fields/get*",
            "indices:admin/mappings/get",
            "indices:admin/shards/search_shards",
            "indices:admin/validate/query*",
            "indices:monitor/settings/get",
            "indices:admin/ilm/explain",
            "indices:admin/data_stream/get",
            "indices:admin/resolve/index",
            "indices:data/read/field_caps*",
        ],
    ),
    ("read", &["indices:data/read/*"]),
    ("write", &["indices:data/write/*", "indices:admin/mapping/auto_put"]),
    ("manage", &["indices:monitor/*", "indices:admin/*"]),
    ("all", &["indices:*"]),
];

/// The privileges on the cluster, weakest first.
const CLUSTER_PRIVILEGES: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("read_ilm", &["cluster:admin/ilm/get"]),
    ("read_pipeline", &["cluster:admin/ingest/pipeline/get"]),
    ("monitor_snapshot", &["cluster:admin/snapshot/get", "cluster:admin/repository/get"]),
    ("manage_ilm", &["cluster:admin/ilm/*"]),
    ("manage_ingest_pipelines", &["cluster:admin/ingest/pipeline/*"]),
    ("manage_pipeline", &["cluster:admin/ingest/pipeline/*"]),
    (
        "manage_index_templates",
        &["indices:admin/template/*", "indices:admin/index_template/*", "cluster:admin/component_template/*"],
    ),
    ("monitor", &["cluster:monitor/*"]),
    ("manage", &["cluster:*", "indices:admin/template/*", "indices:admin/index_template/*"]),
    ("all", &["cluster:*", "indices:admin/template/*", "indices:admin/index_template/*"]),
];

/// The object of a privilege.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Cluster,
    Index,
}

impl Scope {
    fn privileges(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Scope::Cluster => CLUSTER_PRIVILEGES,
            Scope::Index => INDEX_PRIVILEGES,
        }
    }

    /// The actions of the privilege with this name. `None`: there is none.
    pub(crate) fn actions(self, privilege: &str) -> Option<Actions> {
        let (name, patterns) = self.privileges().iter().find(|(name, _)| *name == privilege)?;
        let mut actions = Actions::matching(patterns);
        if *name == "manage" || *name == "all" {
            // Names of index actions that Elasticsearch counts as cluster actions.
            let clusters = Actions::matching(&["indices:admin/template/*", "indices:admin/index_template/*"]);
            actions = if self == Scope::Index { actions.without(clusters) } else { actions };
        }
        Some(actions)
    }

    /// The names of all privileges.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        self.privileges().iter().map(|(name, _)| *name)
    }

    /// The names of the privileges that allow the action, weakest first.
    pub(crate) fn granting(self, action: Action) -> impl Iterator<Item = &'static str> {
        self.names().filter(move |name| self.actions(name).is_some_and(|actions| actions.contains(action)))
    }
}

impl Action {
    /// The object that the privilege must be on.
    pub(crate) fn scope(self) -> Scope {
        let name = self.name();
        let is_template =
            name.starts_with("indices:admin/template/") || name.starts_with("indices:admin/index_template/");
        if name.starts_with("cluster:") || is_template { Scope::Cluster } else { Scope::Index }
    }
}

const _: () = assert!(Action::ALL.len() <= 128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_doc_allows_no_overwriting() {
        let actions = Scope::Index.actions("create_doc").unwrap_or_default();
        assert!(actions.contains(Action::CreateDocument) && actions.contains(Action::Bulk));
        assert!(
            !actions.contains(Action::Index) && !actions.contains(Action::Delete) && !actions.contains(Action::Update)
        );
    }

    #[test]
    fn every_action_is_allowed_by_all_of_its_scope() {
        for &action in Action::ALL {
            let all = action.scope().actions("all").unwrap_or_default();
            assert!(all.contains(action), "{}", action.name());
            let other = if action.scope() == Scope::Index { Scope::Cluster } else { Scope::Index };
            assert!(!other.actions("all").unwrap_or_default().contains(action), "{}", action.name());
        }
    }

    #[test]
    fn a_refusal_names_the_least_privilege_first() {
        let names: Vec<_> = Scope::Index.granting(Action::Search).collect();
        assert_eq!(names, ["read", "all"]);
    }
}
