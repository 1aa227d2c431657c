/* The headers of W3C Trace Context: what is read of them, what is sent on, and the ids of spans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/context.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define PARENT "00-" TRACE "-" SPAN "-01"

static bool is_read(const char *text)
{
    struct trace_parent parent;
    bool read = trace_parent_read(slice_of(text), &parent);
    assert_int_equal(read, *parent.trace_id != '\0');
    return read;
}

static void a_traceparent_is_read_and_written_again(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {{PARENT, PARENT},
                 {" \t" PARENT " ", PARENT},
                 {"00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00"},
                 {"00-" TRACE "-" SPAN "-03", "00-" TRACE "-" SPAN "-03"},
                 {"00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-03"},
                 {"00-" TRACE "-" SPAN "-fc", "00-" TRACE "-" SPAN "-00"},
                 {"cc-" TRACE "-" SPAN "-01", PARENT},
                 {"01-" TRACE "-" SPAN "-01-what comes later", PARENT},
                 {"fe-" TRACE "-" SPAN "-01-", PARENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_parent parent;
        char out[TRACEPARENT_SIZE];
        assert_true(trace_parent_read(slice_of(cases[i].in), &parent));
        trace_parent_write(&parent, out);
        assert_string_equal(out, cases[i].out);
    }
}

static void what_is_no_traceparent_is_not_read(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "-",
                                        "00",
                                        "00-" TRACE "-" SPAN,
                                        "00-" TRACE "-" SPAN "-",
                                        "00-" TRACE "-" SPAN "-0",
                                        "00-" TRACE "-" SPAN "-011",
                                        "00-" TRACE "-" SPAN "-01-more",
                                        "00-" TRACE "-" SPAN "-01-",
                                        "01-" TRACE "-" SPAN "-01more",
                                        "ff-" TRACE "-" SPAN "-01",
                                        "0-" TRACE "-" SPAN "-01",
                                        "000-" TRACE "-" SPAN "-01",
                                        "00-00000000000000000000000000000000-" SPAN "-01",
                                        "00-" TRACE "-0000000000000000-01",
                                        "00-" TRACE "0-" SPAN "-01",
                                        "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-01",
                                        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
                                        "00-" TRACE "-00F067AA0BA902B7-01",
                                        "00-" TRACE "-" SPAN "-0A",
                                        "00_" TRACE "-" SPAN "-01",
                                        "00-" TRACE "_" SPAN "-01",
                                        "00-" TRACE "-" SPAN "_01",
                                        PARENT "," PARENT};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (is_read(cases[i]))
            fail_msg("read: %s", cases[i]);
}

/** Each byte in turn as anything else: only digits may change, and never to what is not one. */
static void every_byte_counts(void **state)
{
    (void)state;
    for (size_t at = 0; at < strlen(PARENT); at++)
        for (int c = 0; c < 256; c++) {
            char text[] = PARENT;
            struct trace_parent parent;
            text[at] = (char)c;
            bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            bool at_hyphen = at == 2 || at == 35 || at == 52;
            /* Nothing makes these ids zero, or the version ff, by one digit. */
            bool expected = at_hyphen ? c == '-' : digit;
            if (trace_parent_read((struct slice){text, sizeof text - 1}, &parent) != expected)
                fail_msg("byte %zu as %d", at, c);
        }
}

static void what_is_shorter_is_read_by_nobody(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(PARENT); len++) {
        struct trace_parent parent;
        char *copy = slice_to_text((struct slice){PARENT, len});
        assert_non_null(copy);
        assert_false(trace_parent_read((struct slice){copy, len}, &parent));
        free(copy);
    }
    assert_false(is_read(NULL));
}

static void assert_state(const char *in, const char *expected)
{
    char *usable = slice_to_text(trace_state_usable(slice_of(in)));
    assert_non_null(usable);
    assert_string_equal(usable, expected);
    free(usable);
}

static void a_tracestate_is_sent_on_where_it_is_valid(void **state)
{
    (void)state;
    assert_state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    assert_state(" a=1 , b=2\t", "a=1 , b=2");
    assert_state("fw529a3039@dt=FfAAAA,0a_-*/@=a b:c;d", "fw529a3039@dt=FfAAAA,0a_-*/@=a b:c;d");
    assert_state("a=1,,b=2", "a=1,,b=2");
    static const char *const wrong[] = {
        "",      " ",      ",",         "a",           "a=",          "=1",
        "A=1",   "a b=1",  "a=1=2",     "a=\xc3\xa9",  "a=1,b",       "-a=1",
        "a=1\n", "a=1\rb", "a=1,\nb=2", "a=1,\r\nb=2", "a=1\x7f,b=2", "a=1\tb"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        /* line breaks at the end are cut off, as white space around any header's value is */
        if (strcmp(wrong[i], "a=1\n") != 0 && !slice_is_null(trace_state_usable(slice_of(wrong[i]))))
            fail_msg("usable: %s", wrong[i]);
    }
}

static void of_a_long_tracestate_whole_members_are_sent_on(void **state)
{
    (void)state;
    char text[4096] = "", member[280], expected[TRACESTATE_MAX + 1] = "";
    for (int i = 0; i < 10; i++) {
        snprintf(member, sizeof member, "%sk%d=%0150d", i ? "," : "", i, i);
        strcat(text, member);
        if (strlen(text) <= TRACESTATE_MAX)
            strcpy(expected, text);
    }
    assert_true(strlen(text) > TRACESTATE_MAX);
    assert_state(text, expected);
    *text = '\0';
    for (int i = 0; i < 33; i++) {
        snprintf(member, sizeof member, "%sk%d=1", i ? "," : "", i);
        strcat(text, member);
    }
    assert_state(text, ""); /* more members than there may be */
    text[strlen(text) - strlen(",k32=1")] = '\0';
    assert_state(text, text);
    snprintf(text, sizeof text, "k=%0257d", 1);
    assert_state(text, "");
    snprintf(text, sizeof text, "k=%0256d", 1);
    assert_state(text, text);
}

/* Recording */

static const struct trace_parent none;

static struct trace_parent parent_of(const char *text)
{
    struct trace_parent parent;
    assert_true(trace_parent_read(slice_of(text), &parent));
    return parent;
}

static void where_nothing_is_recorded_a_trace_goes_on_as_it_came_and_none_begins(void **state)
{
    (void)state;
    struct tracing off = {.sampling = TRACE_NEVER};
    struct trace trace;
    struct trace_parent sent;
    trace_begin(NULL, &none, 0, 1000, &trace);
    assert_string_equal(trace.id, "");
    trace_begin(&off, &none, 0, 1000, &trace);
    assert_string_equal(trace.id, "");
    assert_false(trace_sent_on(&off, &trace, 1, &sent));
    static const char *const parents[] = {PARENT, "00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-02"};
    for (size_t i = 0; i < 3; i++) {
        struct trace_parent parent = parent_of(parents[i]);
        char out[TRACEPARENT_SIZE];
        trace_begin(&off, &parent, 0, 1000, &trace);
        assert_string_equal(trace.span, "");
        assert_string_equal(trace.id, TRACE);
        assert_true(trace_sent_on(&off, &trace, 2, &sent));
        trace_parent_write(&sent, out);
        assert_string_equal(out, parents[i]);
    }
}

static void each_attempt_of_a_recorded_trace_is_the_endpoints_parent(void **state)
{
    (void)state;
    struct tracing on = {.sampling = TRACE_ALWAYS, .by_parent = true, .key = 7};
    struct trace trace, other;
    struct trace_parent first, second, parent = parent_of(PARENT);
    char span[SPAN_ID_SIZE];
    trace_begin(&on, &parent, 0, 1700000000123, &trace);
    assert_string_equal(trace.id, TRACE);
    assert_string_equal(trace.parent, SPAN);
    assert_int_equal(strlen(trace.span), 16);
    assert_int_equal(trace_taken_ms(&trace), 1700000000123);
    assert_true(trace_sent_on(&on, &trace, 1, &first));
    assert_true(trace_sent_on(&on, &trace, 2, &second));
    assert_true(first.sampled && second.sampled);
    assert_string_equal(first.trace_id, TRACE);
    assert_string_not_equal(first.span_id, second.span_id);
    trace_span_id(&on, &trace, 1, span);
    assert_string_equal(first.span_id, span);
    trace_span_id(&on, &trace, TRACE_SPAN_REPORT, span);
    assert_string_not_equal(first.span_id, span);
    assert_string_not_equal(trace.span, span);
    trace_begin(&on, &parent, 0, 1700000000123, &other);
    assert_string_not_equal(other.span, trace.span);
}

static void a_trace_begins_where_it_is_recorded_and_stays_the_same_when_it_is_read_again(void **state)
{
    (void)state;
    struct tracing on = {.sampling = TRACE_ALWAYS, .by_parent = true, .key = 7};
    struct trace trace, again, other;
    struct trace_parent sent, read;
    char out[TRACEPARENT_SIZE];
    trace_begin(&on, &none, 0, 1700000000123, &trace);
    assert_string_equal(trace.parent, "");
    assert_true(trace_sent_on(&on, &trace, 1, &sent) && sent.sampled);
    trace_parent_write(&sent, out);
    assert_true(trace_parent_read(slice_of(out), &read));
    trace_begin(&on, &none, trace.serial, 1800000000000, &again);
    assert_memory_equal(&trace, &again, sizeof trace);
    trace_begin(&on, &none, 0, 1700000000123, &other);
    assert_string_not_equal(other.id, trace.id);
}

static void no_trace_begins_that_is_not_recorded(void **state)
{
    (void)state;
    struct tracing half = {.sampling = TRACE_RATIO, .ratio = 0.5, .by_parent = true, .key = 11};
    struct trace trace;
    struct trace_parent sent;
    unsigned recorded = 0;
    for (int i = 0; i < 1000; i++) {
        trace_begin(&half, &none, 0, 1700000000123, &trace);
        recorded += *trace.span != '\0';
        assert_int_equal(*trace.id != '\0', *trace.span != '\0');
        assert_int_equal(trace_sent_on(&half, &trace, 1, &sent), *trace.span != '\0');
    }
    assert_in_range(recorded, 400, 600);
    half.ratio = 0;
    trace_begin(&half, &none, 0, 1700000000123, &trace);
    assert_string_equal(trace.id, "");
    half.ratio = 1;
    trace_begin(&half, &none, 0, 1700000000123, &trace);
    assert_string_not_equal(trace.span, "");
}

static void whoever_sent_the_event_decides_where_that_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        struct tracing tracing;
        bool sampled_is_recorded, unsampled_is_recorded;
    } cases[] = {{{.sampling = TRACE_ALWAYS, .by_parent = true}, true, false},
                 {{.sampling = TRACE_NEVER, .by_parent = true}, true, false},
                 {{.sampling = TRACE_ALWAYS}, true, true},
                 {{.sampling = TRACE_NEVER}, false, false},
                 {{.sampling = TRACE_RATIO, .ratio = 0}, false, false},
                 /* the last 56 bits of this trace's id are 0.807 of what they can be */
                 {{.sampling = TRACE_RATIO, .ratio = 0.80}, false, false},
                 {{.sampling = TRACE_RATIO, .ratio = 0.81}, true, true}};
    struct trace_parent sampled = parent_of(PARENT), unsampled = parent_of("00-" TRACE "-" SPAN "-00"), sent;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tracing tracing = cases[i].tracing;
        struct trace trace;
        trace_begin(&tracing, &sampled, 0, 1, &trace);
        assert_int_equal(*trace.span != '\0', cases[i].sampled_is_recorded);
        trace_begin(&tracing, &unsampled, 0, 1, &trace);
        assert_int_equal(*trace.span != '\0', cases[i].unsampled_is_recorded);
        assert_true(trace_sent_on(&tracing, &trace, 1, &sent));
        assert_int_equal(sent.sampled, cases[i].unsampled_is_recorded);
    }
}

static void each_process_has_ids_of_its_own(void **state)
{
    (void)state;
    struct tracing one = {.sampling = TRACE_ALWAYS}, other = {.sampling = TRACE_ALWAYS};
    struct trace a, b;
    assert_int_equal(tracing_key(&one), 0);
    assert_int_equal(tracing_key(&other), 0);
    trace_begin(&one, &none, 0, 1700000000123, &a);
    trace_begin(&other, &none, 0, 1700000000123, &b);
    assert_string_not_equal(a.id, b.id);
    assert_string_not_equal(a.span, b.span);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_is_read_and_written_again),
        cmocka_unit_test(what_is_no_traceparent_is_not_read),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(what_is_shorter_is_read_by_nobody),
        cmocka_unit_test(a_tracestate_is_sent_on_where_it_is_valid),
        cmocka_unit_test(of_a_long_tracestate_whole_members_are_sent_on),
        cmocka_unit_test(where_nothing_is_recorded_a_trace_goes_on_as_it_came_and_none_begins),
        cmocka_unit_test(each_attempt_of_a_recorded_trace_is_the_endpoints_parent),
        cmocka_unit_test(a_trace_begins_where_it_is_recorded_and_stays_the_same_when_it_is_read_again),
        cmocka_unit_test(no_trace_begins_that_is_not_recorded),
        cmocka_unit_test(whoever_sent_the_event_decides_where_that_is_asked_for),
        cmocka_unit_test(each_process_has_ids_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
