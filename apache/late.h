/* Answers that are sent late. For httpd 2.4 only. */
#ifndef ESAUTH_LATE_H
#define ESAUTH_LATE_H

#include "httpd.h"

/* Takes the end of a connection over: bytes that are still to be sent, and a socket to be duplicated before this returns. True
 * if it has. */
typedef int esauth_take_over(int socket, const char *bytes, apr_size_t size);

/* Registers the filter. For the time when a module registers its hooks. */
void esauth_register_late(esauth_take_over *take_over);

/* Has the answer to `r` handed to the function above, after TLS has encrypted it, and the connection ended; its worker is free at
 * once. Not for a stream of HTTP/2, nor while an earlier answer is still being sent: such an answer goes out as ever. */
void esauth_answer_late(request_rec *r);

#endif
