/* What an answer of Port's API means to the call that asked. Pure. */
#pragma once
#include "base/secrets.h"
#include "port/api.h"

PA_MUST_USE enum port_answer port_answer_of(const struct http_result *http);
/** There was no memory for the answer: another attempt may succeed. */
PA_MUST_USE bool port_answer_starved(const struct http_result *http);
/** How long Port asks to be left alone, within a bound of five minutes; -1: it does not say. */
PA_MUST_USE int64_t port_answer_quiet_ms(const struct http_result *http, const struct clock *clock);
/** Writes it in words, without the secrets; `quoted`: with the beginning of what Port says about a refusal.
 */
void port_answer_describe(const struct http_result *http, bool quoted, const struct secrets *secrets,
                          char *out, size_t size);
