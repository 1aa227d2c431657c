/* See context.h. */
#include "trace/context.h"
#include "base/cut.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* traceparent: version "-" trace-id "-" parent-id "-" flags, in lower case */

enum { VERSION = 0, TRACE_ID = 3, SPAN_ID = 36, FLAGS = 53, LENGTH = 55 };
enum { SAMPLED = 1, RANDOM = 2 };

static int digit_of(char c)
{
    return char_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool are_digits(struct slice value, size_t at, size_t count)
{
    while (count > 0 && digit_of(value.ptr[at + count - 1]) >= 0)
        count--;
    return count == 0;
}

static bool are_zeros(const char *digits)
{
    return digits[strspn(digits, "0")] == '\0';
}

bool trace_parent_read(struct slice value, struct trace_parent *out)
{
    *out = (struct trace_parent){.sampled = false};
    value = slice_trim(value);
    if (value.len < LENGTH || !are_digits(value, VERSION, 2) || !are_digits(value, TRACE_ID, 32) ||
        !are_digits(value, SPAN_ID, 16) || !are_digits(value, FLAGS, 2) || value.ptr[TRACE_ID - 1] != '-' ||
        value.ptr[SPAN_ID - 1] != '-' || value.ptr[FLAGS - 1] != '-')
        return false;
    bool first = memcmp(value.ptr, "00", 2) == 0, never = memcmp(value.ptr, "ff", 2) == 0;
    if (never || (value.len > LENGTH && (first || value.ptr[LENGTH] != '-')))
        return false;
    struct trace_parent parent = {.sampled = digit_of(value.ptr[FLAGS + 1]) & SAMPLED,
                                  .random = digit_of(value.ptr[FLAGS + 1]) & RANDOM};
    memcpy(parent.trace_id, value.ptr + TRACE_ID, sizeof parent.trace_id - 1);
    memcpy(parent.span_id, value.ptr + SPAN_ID, sizeof parent.span_id - 1);
    if (are_zeros(parent.trace_id) || are_zeros(parent.span_id))
        return false;
    *out = parent;
    return true;
}

void trace_parent_write(const struct trace_parent *parent, char out[TRACEPARENT_SIZE])
{
    snprintf(out, TRACEPARENT_SIZE, "00-%s-%s-0%d", parent->trace_id, parent->span_id,
             (parent->sampled ? SAMPLED : 0) | (parent->random ? RANDOM : 0));
}

/* tracestate: members key "=" value, with commas between them */

enum { MEMBERS_MAX = 32, KEY_MAX = 256, STATE_VALUE_MAX = 256 };

static bool is_key(struct slice key)
{
    if (key.len == 0 || key.len > KEY_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool begins = (c >= 'a' && c <= 'z') || char_is_digit(c);
        if (!begins && (i == 0 || !strchr("_-*/@", c) || c == '\0'))
            return false;
    }
    return true;
}

static bool is_state_value(struct slice value)
{
    if (value.len == 0 || value.len > STATE_VALUE_MAX || value.ptr[value.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] > '~' || value.ptr[i] == '=')
            return false;
    return true;
}

static bool is_state_member(struct slice member)
{
    const char *equals = memchr(member.ptr, '=', member.len);
    if (!equals)
        return false;
    size_t key = (size_t)(equals - member.ptr);
    return is_key((struct slice){member.ptr, key}) &&
           is_state_value((struct slice){equals + 1, member.len - key - 1});
}

struct slice trace_state_usable(struct slice value)
{
    const struct slice none = {NULL, 0};
    struct slice rest = slice_trim(value), usable = {rest.ptr, 0};
    unsigned members = 0;
    if (rest.len > 0 && (memchr(rest.ptr, '\r', rest.len) || memchr(rest.ptr, '\n', rest.len)))
        return none; /* it would be a header of its own */
    while (rest.len > 0) {
        struct slice member = slice_trim(slice_cut(&rest, ','));
        if (member.len == 0) /* "," alone is no member, and may be there */
            continue;
        if (++members > MEMBERS_MAX || !is_state_member(member))
            return none;
        size_t through = (size_t)(member.ptr + member.len - usable.ptr);
        if (through <= TRACESTATE_MAX)
            usable.len = through;
    }
    return usable.len > 0 ? usable : none;
}

/* Recording */

enum { NUMBER_BITS = 20 };

/** splitmix64's last step: one number to another, each from one alone. */
static uint64_t scatter(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/** Differs for each `serial` and `which`, by this process's key. */
static uint64_t id_of(uint64_t key, uint64_t serial, uint64_t which)
{
    uint64_t id = scatter(scatter(key ^ scatter(serial)) + which * 0x9e3779b97f4a7c15U);
    return id ? id : 1;
}

int tracing_key(struct tracing *tracing)
{
    return getrandom(&tracing->key, sizeof tracing->key, 0) == (ssize_t)sizeof tracing->key ? 0 : PA_ERR_IO;
}

int64_t trace_taken_ms(const struct trace *trace)
{
    return (int64_t)(trace->serial >> NUMBER_BITS);
}

void trace_span_id(const struct tracing *tracing, const struct trace *trace, unsigned which,
                   char out[SPAN_ID_SIZE])
{
    enum { FIRST = 3 }; /* behind the trace's two halves and the delivery's own */
    snprintf(out, SPAN_ID_SIZE, "%016llx",
             (unsigned long long)id_of(tracing->key, trace->serial, FIRST + (uint64_t)which));
}

/** By the last 56 bits of the trace's id, which are random wherever any of it is: whoever else decides by a
 * ratio decides likewise. */
static bool is_within(double ratio, const char trace_id[TRACE_ID_SIZE])
{
    uint64_t number = 0;
    for (size_t i = 18; i < TRACE_ID_SIZE - 1; i++)
        number = number << 4 | (uint64_t)digit_of(trace_id[i]);
    return (double)number < ratio * (double)(1ULL << 56);
}

static bool is_recorded(const struct tracing *tracing, const struct trace *trace)
{
    if (tracing->by_parent && *trace->parent)
        return trace->sampled;
    return tracing->sampling == TRACE_ALWAYS ||
           (tracing->sampling == TRACE_RATIO && is_within(tracing->ratio, trace->id));
}

void trace_begin(struct tracing *tracing, const struct trace_parent *parent, uint64_t serial, int64_t now_ms,
                 struct trace *out)
{
    bool continued = *parent->trace_id,
         on = tracing && (tracing->sampling != TRACE_NEVER || tracing->by_parent);
    *out = (struct trace){.sampled = parent->sampled, .random = parent->random};
    if (continued) {
        memcpy(out->id, parent->trace_id, sizeof out->id);
        memcpy(out->parent, parent->span_id, sizeof out->parent);
    }
    if (!on)
        return;
    const uint64_t numbers = (1U << NUMBER_BITS) - 1;
    out->serial = serial ? serial : (uint64_t)now_ms << NUMBER_BITS | (tracing->count++ & numbers);
    if (!continued)
        snprintf(out->id, sizeof out->id, "%016llx%016llx",
                 (unsigned long long)id_of(tracing->key, out->serial, 0),
                 (unsigned long long)id_of(tracing->key, out->serial, 1));
    if (is_recorded(tracing, out))
        snprintf(out->span, sizeof out->span, "%016llx",
                 (unsigned long long)id_of(tracing->key, out->serial, 2));
    else if (!continued) /* told of it, the endpoint would not record its own */
        *out = (struct trace){.serial = out->serial};
}

bool trace_sent_on(const struct tracing *tracing, const struct trace *trace, unsigned attempt,
                   struct trace_parent *out)
{
    if (!*trace->id)
        return false;
    *out = (struct trace_parent){.sampled = trace->sampled || *trace->span, .random = trace->random};
    memcpy(out->trace_id, trace->id, sizeof out->trace_id);
    memcpy(out->span_id, trace->parent, sizeof out->span_id);
    if (*trace->span)
        trace_span_id(tracing, trace, attempt, out->span_id);
    return true;
}
