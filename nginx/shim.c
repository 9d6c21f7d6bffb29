#include "shim.h"

const char esauth_signature[] = NGX_MODULE_SIGNATURE;

void esauth_log(ngx_log_t *log, ngx_uint_t level, ngx_err_t error, const ngx_str_t *text) {
    ngx_log_error(level, log, error, "%V", text);
}

static ngx_table_elt_t *add_header(ngx_http_request_t *r, const ngx_str_t *key, const ngx_str_t *value) {
    ngx_table_elt_t *header = ngx_list_push(&r->headers_out.headers);
    if (header != NULL) {
        header->hash = 1;
        header->key = *key;
        header->value = *value;
#if (nginx_version >= 1023000)
        header->next = NULL;
#endif
    }
    return header;
}

ngx_int_t esauth_add_header(ngx_http_request_t *r, const ngx_str_t *key, const ngx_str_t *value) {
    return add_header(r, key, value) == NULL ? NGX_ERROR : NGX_OK;
}

ngx_int_t esauth_challenge(ngx_http_request_t *r, const ngx_str_t *value) {
    static const ngx_str_t key = ngx_string("WWW-Authenticate");
    r->headers_out.www_authenticate = add_header(r, &key, value);
    return r->headers_out.www_authenticate == NULL ? NGX_HTTP_INTERNAL_SERVER_ERROR : NGX_HTTP_UNAUTHORIZED;
}

ngx_int_t esauth_send(ngx_http_request_t *r, ngx_uint_t status, const ngx_str_t *type, const ngx_str_t *body) {
    static const ngx_str_t key = ngx_string("Cache-Control"), value = ngx_string("no-store");
    ngx_chain_t out;
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }
    r->headers_out.status = status;
    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    out.buf = ngx_calloc_buf(r->pool);
    out.next = NULL;
    if (out.buf == NULL || add_header(r, &key, &value) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }
    out.buf->pos = body->data;
    out.buf->last = body->data + body->len;
    out.buf->memory = body->len > 0;
    out.buf->last_buf = r == r->main;
    out.buf->last_in_chain = 1;
    return ngx_http_output_filter(r, &out);
}

void esauth_answer(ngx_http_request_t *r, ngx_uint_t status, const ngx_str_t *type, const ngx_str_t *body) {
    ngx_http_finalize_request(r, esauth_send(r, status, type, body));
}

ngx_int_t esauth_any_satisfies(ngx_http_request_t *r) {
    ngx_http_core_loc_conf_t *location = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    return location->satisfy == NGX_HTTP_SATISFY_ANY;
}

static ngx_int_t (*process_events)(ngx_cycle_t *cycle, ngx_msec_t timer, ngx_uint_t flags);
static ngx_uint_t in_turn;

static ngx_int_t process_turn(ngx_cycle_t *cycle, ngx_msec_t timer, ngx_uint_t flags) {
    ngx_int_t rc;
    /* Posted events are handled later. */
    in_turn = !(flags & NGX_POST_EVENTS);
    rc = process_events(cycle, timer, flags);
    in_turn = 0;
    return rc;
}

static ngx_connection_t *followed;
static void (*followed_by)(void);

static void follow(ngx_event_t *event) {
    followed_by();
}

ngx_int_t esauth_follow(int descriptor, void (*work)(void)) {
    ngx_connection_t *connection;
    if (!(ngx_event_flags & NGX_USE_EPOLL_EVENT)) {
        return NGX_DECLINED;
    }
    connection = ngx_get_connection(descriptor, ngx_cycle->log);
    if (connection == NULL) {
        return NGX_ERROR;
    }
    connection->log = ngx_cycle->log;
    connection->read->log = ngx_cycle->log;
    connection->read->handler = follow;
    followed_by = work;
    if (ngx_add_event(connection->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) != NGX_OK) {
        ngx_free_connection(connection);
        connection->fd = (ngx_socket_t) -1;
        return NGX_ERROR;
    }
    followed = connection;
    process_events = ngx_event_actions.process_events;
    ngx_event_actions.process_events = process_turn;
    return NGX_OK;
}

void esauth_unfollow(void) {
    if (followed != NULL) {
        ngx_del_event(followed->read, NGX_READ_EVENT, 0);
        ngx_free_connection(followed);
        /* Or nginx takes it for one that was left open. */
        followed->fd = (ngx_socket_t) -1;
        followed = NULL;
        ngx_event_actions.process_events = process_events;
    }
}

ngx_int_t esauth_is_behind(ngx_http_request_t *r) {
    return in_turn && followed != NULL && r->connection->requests > 1 && r->http_version < NGX_HTTP_VERSION_20;
}

ngx_uint_t esauth_connections(ngx_cycle_t *cycle) {
    ngx_core_conf_t *core = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    return cycle->connection_n * (core->worker_processes > 0 ? (ngx_uint_t) core->worker_processes : 1);
}

static void (*repeated)(void);
static ngx_msec_t interval;

static void repeat(ngx_event_t *event) {
    repeated();
    ngx_add_timer(event, interval);
}

void esauth_repeat(void (*work)(void), ngx_msec_t milliseconds) {
    /* For nginx's debug log. */
    static ngx_connection_t none;
    static ngx_event_t timer;
    none.fd = (ngx_socket_t) -1;
    repeated = work;
    interval = milliseconds;
    timer.data = &none;
    timer.handler = repeat;
    timer.log = ngx_cycle->log;
    /* No worker waits for it before it exits. */
    timer.cancelable = 1;
    ngx_add_timer(&timer, milliseconds);
}

/* A worker that is told to stop exits when it has no timer left, whatever its threads are doing: a request that waits must
 * have one. When it expires, it is set again. */
static void keep_waiting(ngx_http_request_t *r) {
    ngx_event_t *write = r->connection->write;
    if (!write->delayed) {
        write->delayed = 1;
        ngx_add_timer(write, 60000);
    }
}

static void stop_waiting(ngx_event_t *write) {
    write->delayed = 0;
    if (write->timer_set) {
        ngx_del_timer(write);
    }
}

/* Ends the request if its client goes away. */
static ngx_int_t watch_client(ngx_http_request_t *r) {
    ngx_event_t *read = r->connection->read;
    r->read_event_handler = ngx_http_test_reading;
    if (read->ready) {
        ngx_post_event(read, &ngx_posted_events);
        return NGX_OK;
    }
    return ngx_handle_read_event(read, 0);
}

static void go_on(ngx_http_request_t *r) {
    /* For the log, as in ngx_http_process_request(): a subrequest may have set it meanwhile. */
    r->connection->log->action = NULL;
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}

ngx_int_t esauth_suspend(ngx_http_request_t *r) {
    r->write_event_handler = keep_waiting;
    keep_waiting(r);
    return watch_client(r);
}

void esauth_resume(ngx_http_request_t *r) {
    ngx_connection_t *connection = r->connection;
    ngx_http_set_log_request(connection->log, r);
    stop_waiting(connection->write);
    go_on(r);
    ngx_http_run_posted_requests(connection);
}

static void rested(ngx_http_request_t *r) {
    ngx_event_t *write = r->connection->write;
    if (!write->delayed) {
        go_on(r);
    } else if (ngx_handle_write_event(write, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}

ngx_int_t esauth_rest(ngx_http_request_t *r, ngx_msec_t milliseconds) {
    ngx_event_t *write = r->connection->write;
    r->write_event_handler = rested;
    write->delayed = 1;
    ngx_add_timer(write, milliseconds);
    return watch_client(r);
}
