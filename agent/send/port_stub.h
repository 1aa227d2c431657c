/* Port's API on loopback, in the place of Port: gives out a token, accepts everything, and tells what it was
 * told. So an event that Port never made is never reported to Port. */
#pragma once
#include "agent/http_server/server.h"

struct port_stub {
    struct http_server *server;
    /** A call other than the token's; borrowed. */
    void (*told)(void *ctx, struct slice method, struct slice path, struct slice body);
    void *ctx;
};

/** Serves on `loop`; the other two members are the caller's. 0, or an error with the cause in err. */
PA_MUST_USE int port_stub_open(struct port_stub *stub, uv_loop_t *loop, struct error *err);
/** "http://127.0.0.1:PORT" as an allocated text; NULL: out of memory. */
PA_MUST_USE char *port_stub_url(const struct port_stub *stub);
/** Does nothing where it is not open. */
void port_stub_close(struct port_stub *stub);
