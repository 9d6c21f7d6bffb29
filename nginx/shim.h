/* Functions for the parts of nginx that only C can use: macros, string constants made by macros, and variadic functions. */
#ifndef ESAUTH_SHIM_H
#define ESAUTH_SHIM_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#if !(NGX_THREADS)
#error "this nginx is configured without --with-threads, which the module needs for hashing"
#endif

/* The options that an nginx and its modules must have in common. */
extern const char esauth_signature[];

/* Writes `text` to `log` if it takes lines of `level`; `error` is an error number or 0. */
void esauth_log(ngx_log_t *log, ngx_uint_t level, ngx_err_t error, const ngx_str_t *text);

/* Adds a header to the answer. Key and value must live as long as the request. */
ngx_int_t esauth_add_header(ngx_http_request_t *r, const ngx_str_t *key, const ngx_str_t *value);

/* Adds a challenge to the answer, and returns the answer's status. */
ngx_int_t esauth_challenge(ngx_http_request_t *r, const ngx_str_t *value);

/* Sends an answer that no cache keeps. Both strings must live as long as the request. */
ngx_int_t esauth_send(ngx_http_request_t *r, ngx_uint_t status, const ngx_str_t *type, const ngx_str_t *body);

/* The same in a handler that is not the content's, which is to return NGX_DONE. The request may have ended then. */
void esauth_answer(ngx_http_request_t *r, ngx_uint_t status, const ngx_str_t *type, const ngx_str_t *body);

/* True if the location admits a request that any of its access modules admits. */
ngx_int_t esauth_any_satisfies(ngx_http_request_t *r);

/* Has the event loop call `work` when there is something to read from the descriptor, until the latter is followed no more.
 * Declined without epoll, which alone tells of descriptors in the order in which they became readable. One at a time. */
ngx_int_t esauth_follow(int descriptor, void (*work)(void));
void esauth_unfollow(void);

/* True if `work` has read what there was to read from the descriptor when the request began: the event loop was told of both in
 * this turn, in their order. That is known of no first request of a connection, which might be read together with the end of
 * a TLS handshake, and of none that is read along with others. */
ngx_int_t esauth_is_behind(ngx_http_request_t *r);

/* The number of clients' connections that all workers can have. */
ngx_uint_t esauth_connections(ngx_cycle_t *cycle);

/* Has the event loop call `work` again and again, after so long each time, until the worker stops. Call it once in a worker. */
void esauth_repeat(void (*work)(void), ngx_msec_t milliseconds);

/* Makes the request wait for esauth_resume(). A client that goes away meanwhile ends it. */
ngx_int_t esauth_suspend(ngx_http_request_t *r);

/* Makes the request wait for so long; then the handler that returned NGX_AGAIN is called again. */
ngx_int_t esauth_rest(ngx_http_request_t *r, ngx_msec_t milliseconds);

/* Calls the handler that returned NGX_AGAIN again. The request may have ended when this returns. */
void esauth_resume(ngx_http_request_t *r);

#endif
