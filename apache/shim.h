/* Functions for what httpd offers to C only, as macros or with a variable number of arguments, and in the two
 * generations differently. */
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

/* Where a directive that is for the whole server must not stand. */
enum esauth_context {
    ESAUTH_GLOBAL_ONLY = GLOBAL_ONLY
};

/* Whether a line of `level` would be written for `r`, so that the caller need not compose one in vain. */
int esauth_request_logs(const request_rec *r, int module_index, int level);

/* Writes `message` to the error log that is in charge of `r`; a `status` other than 0 puts its text in front. */
void esauth_log_request(const char *file, int line, int module_index, int level, apr_status_t status,
                        const request_rec *r, const char *message);

/* The same outside a request; a null `s` writes to the main server's log whatever its level. */
void esauth_log_server(const char *file, int line, int module_index, int level, apr_status_t status,
                       const server_rec *s, const char *message);

/* True while httpd reads its configuration for the first time at start-up, which it does only to throw it away. */
int esauth_is_rehearsal(server_rec *s);

/* An address that is kept in the process's pool, while modules are unloaded and loaded again. NULL: none yet. */
void *esauth_kept_memory(apr_pool_t *process);
void esauth_keep_memory(apr_pool_t *process, void *memory);

#endif
