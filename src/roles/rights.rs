//! What a user's roles allow, by the files as they are now.

use std::ffi::{CStr, CString};
use std::sync::{Arc, PoisonError, RwLock};

use esauth_engine::verification::FileKind;
use esauth_roles::{Rights, RightsCache};

use crate::config::section::DirConfig;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::state::files;

/// Users whose rights a child remembers for each pair of files, and pairs of files.
const USERS: usize = 10_000;
const PAIRS: usize = 64;

/// The rights cannot be told; the log says why.
pub(crate) struct Unknown;

/// The rights of `user` under the section's roles file and group file.
pub(crate) fn of(request: Request<'_>, roles_path: &CStr, user: &CStr) -> Result<Arc<Rights>, Unknown> {
    let roles = files::roles(request, roles_path).map_err(|_| Unknown)?;
    if let Err(faults) = roles.roles() {
        files::report_faults(request, FileKind::Roles, roles_path, &roles, faults);
        return Err(Unknown);
    }
    let config = DirConfig::of(request);
    let Some(groups_path) = config.roles_group_file() else {
        let text = b"rust_esauth: EsAuthRoles needs AuthGroupFile in the server's own configuration, which says who has which \
                     role; until then, every request is refused";
        log_request!(request, Level::Error, 0, text);
        return Err(Unknown);
    };
    let groups = files::groups(request, groups_path).map_err(|_| Unknown)?;
    Ok(cache(roles_path, groups_path).rights(&roles, &groups, user.to_bytes()))
}

type Caches = Vec<(CString, CString, Arc<RightsCache>)>;

/// The cache of a pair of files, by their paths.
fn cache(roles: &CStr, groups: &CStr) -> Arc<RightsCache> {
    static CACHES: RwLock<Caches> = RwLock::new(Vec::new());
    let find = |caches: &Caches| {
        let known = caches.iter().find(|(of_roles, of_groups, _)| (&**of_roles, &**of_groups) == (roles, groups));
        known.map(|(_, _, cache)| Arc::clone(cache))
    };
    if let Some(cache) = find(&CACHES.read().unwrap_or_else(PoisonError::into_inner)) {
        return cache;
    }
    let mut caches = CACHES.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(cache) = find(&caches) {
        return cache;
    }
    if caches.len() == PAIRS {
        caches.clear();
    }
    let cache = Arc::new(RightsCache::new(USERS));
    caches.push((roles.to_owned(), groups.to_owned(), Arc::clone(&cache)));
    cache
}
