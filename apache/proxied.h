/* What mod_proxy is about to send: the target, and the body as it arrives. For httpd 2.4 only. */
#ifndef ESAUTH_PROXIED_H
#define ESAUTH_PROXIED_H

#include "httpd.h"
#include "apr_buckets.h"
#include "util_filter.h"

/* Path and query (and fragment) of `url` as mod_proxy_http puts them into the request line. NULL: it refuses the URL. */
const char *esauth_target(request_rec *r, const char *url);

/* True for a stream of HTTP/2. */
int esauth_is_stream(request_rec *r);

/* Reads the rest of a body and drops it, so that the connection can serve the next request. */
void esauth_discard_body(request_rec *r);

/* Receives a part of a body. Zero: no more is wanted. */
typedef int (*esauth_take)(void *receiver, const char *bytes, apr_size_t length);

/* Hands the data in `brigade` to `take`, which stays there. Sets `*ended` at the end of the body. APR_EGENERAL where `take`
 * wants no more. */
apr_status_t esauth_brigade_read(apr_bucket_brigade *brigade, esauth_take take, void *receiver, int *ended);

/* Moves the data in `from` behind `held`, in a form that lasts as long as the pool. Everything else is dropped. */
apr_status_t esauth_brigade_keep(apr_bucket_brigade *held, apr_bucket_brigade *from, apr_pool_t *pool);

/* Moves the first `length` bytes of `from`, which has so many, behind `to`. */
apr_status_t esauth_brigade_move(apr_bucket_brigade *to, apr_bucket_brigade *from, apr_off_t length);

/* Marks the end of a body. */
void esauth_brigade_end(apr_bucket_brigade *brigade);

/* An empty brigade that lasts as long as the request. */
apr_bucket_brigade *esauth_brigade_create(request_rec *r);

#endif
