/* A webhook that came, as text for people and as JSON. Pure: what is said of its signature is handed in. */
#pragma once
#include "agent/verify/diagnosis.h"

/** Everything is borrowed. */
struct webhook {
    int64_t wall_ms;
    struct slice method, target;
    /** "Name: value" lines, each ended by CR LF. */
    struct slice headers;
    struct slice body;
    struct signature_ways ways;
    /** signature_diagnose's, a line each. */
    struct slice findings;
};

/** Lines for a terminal: method, path, headers, body (JSON written on several lines), and what its signature
 * is worth. */
void webhook_show_text(const struct webhook *webhook, bool colour, struct buffer *out);
/** The members of a JSON object, without its closing bracket. */
void webhook_show_json(const struct webhook *webhook, struct buffer *out);
