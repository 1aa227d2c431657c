/* The world outside, in a thread of its own: Port, and endpoints that check what reaches them. */
#pragma once
#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>

/** Of the answer to /large/. Where Port is told of a long answer, its line has "large" for the whole of it,
 * and "cut" for less. */
enum { OUTSIDE_LARGE_BYTES = (1 << 20) + 1024 };
#define OUTSIDE_SECRET SLICE_LITERAL("0123456789abcdef0123456789abcdef")

struct outside;
struct tls_front;

/** Ends the process when it cannot start. */
struct outside *outside_new(void);
void outside_free(struct outside *outside);
/** "http://127.0.0.1:NNNN": Port below /v1, and these endpoints, each followed by a name. All of them end the
 * process when a signature is wrong:
 *   /ok/NAME      200 with {"ok":true}
 *   /fail/NAME    500 with {"error":"no"}
 *   /busy/NAME    429, once; then as /ok
 *   /moved/NAME   307 to /ok/NAME
 *   /zipped/NAME  as /ok, with Content-Encoding: gzip and a charset to read it by
 *   /mapped/NAME  as /ok; ends the process when it is not what mappings_file makes of the run
 *   /held/NAME    as /ok, but not before outside_release */
const char *outside_url(const struct outside *outside);

/** The same over TLS, and the authority to trust; "" until outside_set_tls. */
const char *outside_tls_url(const struct outside *outside);
const char *outside_ca_bundle(const struct outside *outside);
void outside_set_tls(struct outside *outside, const struct tls_front *front, const char *ca_bundle);

/** Runs that may be claimed now: the JSON of one, until it is acknowledged. NULL: none. Borrowed. */
struct outside_offer {
    const char *id, *run;
    bool node_run;
};
void outside_offer(struct outside *outside, const struct outside_offer *offer);

/** What Port has been told of a run: its PATCHes that are results, one a line, "PATH BODY\n", and once where
 * the same was told again (its answer was lost); the caller frees. */
char *outside_results(struct outside *outside, const char *run_id);
/** Webhooks that came to an endpoint with this name, as soon as they are `expected`, or after some seconds
 * fewer: the endpoint's thread may yet have to read what was sent to it. */
size_t outside_webhooks(struct outside *outside, const char *name, size_t expected);
/** What is held is answered, and from now on nothing is held. */
void outside_release(struct outside *outside);
/** Forgets everything, and holds again. */
void outside_reset(struct outside *outside);
