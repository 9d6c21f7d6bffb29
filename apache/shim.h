/* Functions for the parts of httpd that only C can use: macros and variadic functions, which also differ between the two
 * generations. */
#ifndef ESAUTH_SHIM_H
#define ESAUTH_SHIM_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

/* httpd's log levels: macros over syslog's numbers in one generation, numbers in the other. */
enum esauth_level {
    ESAUTH_ERROR = APLOG_ERR,
    ESAUTH_WARNING = APLOG_WARNING,
    ESAUTH_NOTICE = APLOG_NOTICE,
    ESAUTH_INFO = APLOG_INFO,
    ESAUTH_DEBUG = APLOG_DEBUG
};

/* The contexts in which a directive for the whole server is not allowed. */
enum esauth_context {
    ESAUTH_GLOBAL_ONLY = GLOBAL_ONLY
};

/* Whether a line of `level` would be logged for `r`, so that the caller composes no line in vain. */
int esauth_request_logs(const request_rec *r, int module_index, int level);

/* Writes `message` to the error log of `r`, preceded by the text of a `status` other than 0. */
void esauth_log_request(const char *file, int line, int module_index, int level, apr_status_t status,
                        const request_rec *r, const char *message);

/* The same outside a request; a null `s` writes to the main server's log whatever its level. */
void esauth_log_server(const char *file, int line, int module_index, int level, apr_status_t status,
                       const server_rec *s, const char *message);

/* True while httpd reads its configuration for the first time at start-up, which it does only to throw it away. */
int esauth_is_rehearsal(server_rec *s);

/* The path of a file in the folder for files of a running server. */
const char *esauth_runtime_path(apr_pool_t *pool, const char *name);

/* An address kept in the process's pool while modules are unloaded and loaded again. NULL: none yet. */
void *esauth_kept_memory(apr_pool_t *process);
void esauth_keep_memory(apr_pool_t *process, void *memory);

#endif
