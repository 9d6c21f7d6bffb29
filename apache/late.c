/* A filter on the connection, below TLS, which keeps the last answer until the connection ends. */
#include "late.h"

#include "ap_mmn.h"

#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "proxied.h"
#include "util_filter.h"

#include <string.h>

/* Longer answers are sent at once. */
#define LONGEST 16384

struct held {
    /* Everything passes. (The filter stays where it is, since the request's filters point to it.) */
    int let_go;
    apr_size_t size;
    char bytes[LONGEST];
};

static ap_filter_rec_t *filter;
static esauth_take_over *to_be_sent;

/* Sends what was kept, and all else, as if there were no filter. */
static apr_status_t let_go(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct held *held = f->ctx;

    held->let_go = 1;
    APR_BRIGADE_INSERT_HEAD(bb, apr_bucket_pool_create(held->bytes, held->size, f->c->pool, f->c->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

static int hand_over(conn_rec *c, const struct held *held)
{
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t descriptor;

    return socket != NULL && apr_os_sock_get(&descriptor, socket) == APR_SUCCESS
           && to_be_sent(descriptor, held->bytes, held->size);
}

static apr_status_t keep(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct held *held = f->ctx;
    apr_bucket *b, *next;

    if (held->let_go) {
        return ap_pass_brigade(f->next, bb);
    }
    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = next) {
        if (AP_BUCKET_IS_EOC(b)) {
            if (!hand_over(f->c, held)) {
                return let_go(f, bb);
            }
            /* So that httpd closes its own descriptor, and does not shut the socket down. */
            f->c->aborted = 1;
            held->let_go = 1;
            break;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            next = APR_BUCKET_NEXT(b);
            if (APR_BUCKET_IS_FLUSH(b)) {
                apr_bucket_delete(b);
            }
        }
        else {
            const char *bytes;
            apr_size_t size;

            if (apr_bucket_read(b, &bytes, &size, APR_BLOCK_READ) != APR_SUCCESS || size > LONGEST - held->size) {
                return let_go(f, bb);
            }
            memcpy(held->bytes + held->size, bytes, size);
            held->size += size;
            /* Reading a file's bucket may have split it. */
            next = APR_BUCKET_NEXT(b);
            apr_bucket_delete(b);
        }
    }
    return ap_pass_brigade(f->next, bb);
}

void esauth_register_late(esauth_take_over *take_over)
{
    to_be_sent = take_over;
    /* As close to the network as a module can be. */
    filter = ap_register_output_filter("rust_esauth_late", keep, NULL, AP_FTYPE_NETWORK - 1);
}

void esauth_answer_late(request_rec *r)
{
    conn_rec *c = r->connection;
    struct held *held;
    int threads = 0;

    /* Without threads, a process may end with its connection. */
    if (r->main != NULL || esauth_is_stream(r) || c->data_in_output_filters
        || ap_mpm_query(AP_MPMQ_IS_THREADED, &threads) != APR_SUCCESS || !threads) {
        return;
    }
    held = apr_palloc(c->pool, sizeof *held);
    held->let_go = 0;
    held->size = 0;
    /* With the request, whose own filters would go past it otherwise. */
    if (ap_add_output_filter_handle(filter, held, r, c) != NULL) {
        c->keepalive = AP_CONN_CLOSE;
    }
}

#endif
