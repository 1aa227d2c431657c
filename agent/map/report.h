/* The report that an answer leads to, for `port-agent map`. */
#pragma once
#include "explain.h"

enum { MAP_RESPONSE_MAX = 16 << 20 };

/** Reads the answer: {"statusCode", "headers", "text" or "json"} (an object with a statusCode), or any other
 * bytes, which are the body of an answer 200. 0; PA_ERR_INVALID with what is wrong with it; PA_ERR_MEMORY.
 * Clear `out` with map_response_clear in every case. */
PA_MUST_USE int map_response_read(struct slice text, struct explained_response *out, struct error *err);
void map_response_clear(struct explained_response *response);

/** Fills `report` of an explanation that has a request. `trace` hears of the report's expressions. */
void map_report_make(const struct explain_options *options, const struct mapping_trace *trace,
                     struct explanation *out);
