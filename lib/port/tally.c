/* See tally.h. */
#include "port/tally.h"
#include <stdbool.h>
#include <string.h>

const char *const port_tally_routes[PORT_ROUTES] = {"token", "kafka_credentials", "claim", "ack", "log",
                                                    "run",   "organization",      "other"};

/** 0: no answer; -1: any other. */
static const int codes[PORT_CODES] = {0,   200, 201, 202, 204, 400, 401, 403, 404, 408,
                                      409, 413, 415, 422, 429, 500, 502, 503, 504, -1};

const char *const port_tally_codes[PORT_CODES] = {"none", "200", "201", "202", "204", "400",  "401",
                                                  "403",  "404", "408", "409", "413", "415",  "422",
                                                  "429",  "500", "502", "503", "504", "other"};

static bool has_start(const char *path, const char *words)
{
    return strncmp(path, words, strlen(words)) == 0;
}

static bool has_end(const char *path, const char *words)
{
    size_t length = strlen(path), end = strlen(words);
    return length >= end && memcmp(path + length - end, words, end) == 0;
}

/** By its place in port_tally_routes. */
static size_t route_of(const char *path)
{
    const bool is_route[PORT_ROUTES] = {
        has_start(path, "/v1/auth/access_token"),
        has_start(path, "/v1/kafka-credentials"),
        has_end(path, "/claim-pending"),
        has_end(path, "/ack"),
        has_end(path, "/logs"),
        has_start(path, "/v1/actions/runs/") || has_start(path, "/v1/workflows/nodes/runs/"),
        has_start(path, "/v1/organization"),
        true,
    };
    size_t route = 0;
    while (!is_route[route])
        route++;
    return route;
}

static size_t code_of(int status)
{
    size_t code = 0;
    while (code < PORT_CODES - 1 && codes[code] != status)
        code++;
    return code;
}

void port_tally_note(struct port_tally *tally, const char *path, int status)
{
    tally->answers[route_of(path)][code_of(status)]++;
}
