/* What mod_proxy is about to send: the target, and the body as it arrives. For httpd 2.4 only. */
#include "proxied.h"

#include "ap_mmn.h"

#if MODULE_MAGIC_NUMBER_MAJOR >= 20120211

#include "apr_strings.h"
#include "apr_uri.h"
#include "http_protocol.h"

const char *esauth_target(request_rec *r, const char *url)
{
    apr_uri_t uri;

    if (apr_uri_parse(r->pool, url, &uri) != APR_SUCCESS || uri.hostname == NULL || uri.path == NULL) {
        return NULL;
    }
    return apr_pstrcat(r->pool, uri.path, uri.query ? "?" : "", uri.query ? uri.query : "", uri.fragment ? "#" : "",
                       uri.fragment ? uri.fragment : "", NULL);
}

int esauth_is_stream(request_rec *r)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 45)
    return r->connection->master != NULL;
#else
    (void)r;
    return 0;
#endif
}

void esauth_discard_body(request_rec *r)
{
    /* A client that waits for 100 Continue sends no body after a final answer, and httpd closes its connection. */
    if (r->expecting_100) {
        return;
    }
    if (esauth_is_stream(r)) {
        /* Also where httpd would close a connection: a stream that is reset takes the answer with it in some clients. */
        apr_bucket_brigade *brigade = esauth_brigade_create(r);
        int ended = 0;

        while (!ended
               && ap_get_brigade(r->input_filters, brigade, AP_MODE_READBYTES, APR_BLOCK_READ, 65536) == APR_SUCCESS) {
            apr_bucket *last = APR_BRIGADE_LAST(brigade);

            ended = APR_BRIGADE_EMPTY(brigade) || APR_BUCKET_IS_EOS(last);
            apr_brigade_cleanup(brigade);
        }
        return;
    }
    (void)ap_discard_request_body(r);
}

apr_status_t esauth_brigade_read(apr_bucket_brigade *brigade, esauth_take take, void *receiver, int *ended)
{
    apr_bucket *bucket;

    for (bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *bytes;
        apr_size_t length;
        apr_status_t status;

        if (APR_BUCKET_IS_EOS(bucket)) {
            *ended = 1;
            return APR_SUCCESS;
        }
        if (APR_BUCKET_IS_METADATA(bucket)) {
            continue;
        }
        status = apr_bucket_read(bucket, &bytes, &length, APR_BLOCK_READ);
        if (status != APR_SUCCESS) {
            return status;
        }
        if (length > 0 && !take(receiver, bytes, length)) {
            return APR_EGENERAL;
        }
    }
    return APR_SUCCESS;
}

apr_status_t esauth_brigade_keep(apr_bucket_brigade *held, apr_bucket_brigade *from, apr_pool_t *pool)
{
    while (!APR_BRIGADE_EMPTY(from)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(from);
        apr_status_t status = APR_BUCKET_IS_METADATA(bucket) ? APR_SUCCESS : apr_bucket_setaside(bucket, pool);

        if (status != APR_SUCCESS && status != APR_ENOTIMPL) {
            return status;
        }
        APR_BUCKET_REMOVE(bucket);
        if (APR_BUCKET_IS_METADATA(bucket)) {
            apr_bucket_destroy(bucket);
        }
        else {
            APR_BRIGADE_INSERT_TAIL(held, bucket);
        }
    }
    return APR_SUCCESS;
}

apr_status_t esauth_brigade_move(apr_bucket_brigade *to, apr_bucket_brigade *from, apr_off_t length)
{
    apr_bucket *end;
    apr_status_t status = apr_brigade_partition(from, length, &end);

    if (status != APR_SUCCESS) {
        return status;
    }
    while (APR_BRIGADE_FIRST(from) != end) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(from);

        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(to, bucket);
    }
    return APR_SUCCESS;
}

void esauth_brigade_end(apr_bucket_brigade *brigade)
{
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(brigade->bucket_alloc));
}

apr_bucket_brigade *esauth_brigade_create(request_rec *r)
{
    return apr_brigade_create(r->pool, r->connection->bucket_alloc);
}

#endif
