/* Input of bindgen: every header of httpd and APR that src/ uses, and our own shim. */
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "ap_mmn.h"
#include "ap_mpm.h"
#include "ap_provider.h"
#include "apr_base64.h"
#include "apr_hooks.h"
#include "apr_optional.h"
#include "apr_optional_hooks.h"
#include "apr_pools.h"
#include "apr_tables.h"
#include "mod_auth.h"
#include "scoreboard.h"
#include "unixd.h"
#include "util_cfgtree.h"
#include "util_md5.h"
#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211
#include "ap_expr.h"
#endif
#include "shim.h"
#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211
#include "late.h"
#include "proxied.h"
#endif
