#include "shim.h"

#include "apr_pools.h"
#include "apr_strings.h"
#include "ap_config_layout.h"
#include "http_core.h"
#include "ap_mmn.h"
#include "scoreboard.h"

#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211 /* httpd 2.4 */

int esauth_request_logs(const request_rec *r, int module_index, int level)
{
    return APLOG_R_MODULE_IS_LEVEL(r, module_index, level);
}

void esauth_log_request(const char *file, int line, int module_index, int level, apr_status_t status,
                        const request_rec *r, const char *message)
{
    ap_log_rerror(file, line, module_index, level, status, r, "%s", message);
}

void esauth_log_server(const char *file, int line, int module_index, int level, apr_status_t status,
                       const server_rec *s, const char *message)
{
    ap_log_error(file, line, module_index, level, status, s, "%s", message);
}

#else /* httpd 2.2: one level for the whole server, and lines do not name a module */

int esauth_request_logs(const request_rec *r, int module_index, int level)
{
    (void)module_index;
    return (r->server->loglevel & APLOG_LEVELMASK) >= level;
}

void esauth_log_request(const char *file, int line, int module_index, int level, apr_status_t status,
                        const request_rec *r, const char *message)
{
    (void)module_index;
    ap_log_rerror(file, line, level, status, r, "%s", message);
}

void esauth_log_server(const char *file, int line, int module_index, int level, apr_status_t status,
                       const server_rec *s, const char *message)
{
    (void)module_index;
    ap_log_error(file, line, level, status, s, "%s", message);
}

#endif

int esauth_is_rehearsal(server_rec *s)
{
#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211
    (void)s;
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;
#else
    /* httpd 2.2 does not tell. Kept in the process's pool, since the module itself is unloaded between the two readings. */
    static const char key[] = "rust_esauth rehearsed";
    void *seen = NULL;

    /* A restart, which may be the first to load this module. */
    if (ap_my_generation > 0) {
        return 0;
    }
    apr_pool_userdata_get(&seen, key, s->process->pool);
    if (seen != NULL) {
        return 0;
    }
    /* _set copies the key, which would vanish when this library is unloaded; the value is only compared with NULL. */
    apr_pool_userdata_set((void *)1, key, NULL, s->process->pool);
    return 1;
#endif
}

const char *esauth_runtime_path(apr_pool_t *pool, const char *name)
{
#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211
    return ap_runtime_dir_relative(pool, name);
#else
    return ap_server_root_relative(pool, apr_pstrcat(pool, DEFAULT_REL_RUNTIMEDIR "/", name, NULL));
#endif
}

/* apr_pool_userdata_set copies keys, since this library's own memory does not last. */
static const char kept_memory[] = "rust_esauth memory";

void *esauth_kept_memory(apr_pool_t *process)
{
    void *memory = NULL;

    apr_pool_userdata_get(&memory, kept_memory, process);
    return memory;
}

void esauth_keep_memory(apr_pool_t *process, void *memory)
{
    apr_pool_userdata_set(memory, kept_memory, NULL, process);
}
