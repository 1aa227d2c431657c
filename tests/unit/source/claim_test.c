/* Polling's formats: what is asked, and the event that a claimed run stands for, byte for byte. */
#include "../edge.h"
#include "source/polling/claim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void append(void *ctx, const struct claimed *claimed)
{
    struct buffer *out = ctx;
    if (!claimed->id.ptr) {
        buffer_append_text(out, "no id\n");
        return;
    }
    buffer_append_slice(out, claimed->id);
    buffer_append_text(out, claimed->agent ? " " : " (not for an agent) ");
    if (claimed->broken)
        buffer_append_text(out, claimed->broken);
    else
        buffer_append_slice(out, buffer_slice(claimed->event));
    buffer_append_char(out, '\n');
}

/** One line for each run of the answer, then what is wrong with it as a whole. */
static char *read_all(enum claim_kind kind, const char *answer)
{
    struct buffer out = {0};
    struct error err = {0};
    if (claim_read(kind, edge_of(answer), append, &out, &err) != 0)
        buffer_append_text(&out, err.message);
    return buffer_take(&out, NULL);
}

static void assert_reads(enum claim_kind kind, const char *answer, const char *expected)
{
    char *text = read_all(kind, answer);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void a_run_is_its_body_with_headers_method_and_id(void **state)
{
    (void)state;
    assert_reads(
        CLAIM_RUNS,
        "{\"ok\":true,\"runs\":[{\"id\":\"r_1\",\"payload\":{\"type\":\"WEBHOOK\",\"url\":\"http://a/\","
        "\"agent\":true,\"synchronized\":true,\"method\":\"PUT\",\"headers\":{\"X-A\":\"b\"},"
        "\"body\":{\"action\":\"make\",\"context\":{\"entity\":\"e\"},\"payload\":{\"properties\":"
        "{\"n\":12345678901234567890,\"f\":1.0,\"e\":1e-7}}}}}]}",
        "r_1 {\"action\":\"make\",\"context\":{\"entity\":\"e\",\"runId\":\"r_1\"},"
        "\"payload\":{\"properties\":{\"n\":12345678901234567890,\"f\":1.0,\"e\":1e-7},"
        "\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\",\"url\":\"http://a/\","
        "\"synchronized\":true,\"method\":\"PUT\",\"headers\":{\"X-A\":\"b\"}}}},"
        "\"headers\":{\"X-A\":\"b\"}}\n");
}

static void what_the_body_has_is_replaced_in_its_place(void **state)
{
    (void)state;
    assert_reads(
        CLAIM_RUNS,
        "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"url\":\"http://a/\",\"agent\":true,\"body\":{"
        "\"headers\":{\"old\":1},\"payload\":{\"action\":{\"invocationMethod\":{\"url\":\"http://old/\"},"
        "\"trigger\":\"CREATE\"}},\"context\":{\"runId\":\"r_old\",\"by\":1},"
        "\"con\\u0074ext\":{\"runId\":\"r_older\"}}}}]}",
        "r_1 {\"headers\":{},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":null,\"url\":"
        "\"http://a/\",\"synchronized\":false,\"method\":\"POST\",\"headers\":{}},"
        "\"trigger\":\"CREATE\"}},\"context\":{\"runId\":\"r_1\"}}\n");
}

/** As today's agents build it: these members in this order, with these values where Port names none. */
static void the_method_has_five_members_whatever_port_names(void **state)
{
    (void)state;
    assert_reads(CLAIM_RUNS,
                 "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"headers\":null,\"method\":null,\"agent\":true,"
                 "\"synchronized\":null,\"url\":\"http://a/\",\"body\":{},\"type\":\"WEBHOOK\","
                 "\"defaultRef\":\"main\",\"x\":1}}]}",
                 "r_1 {\"headers\":{},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\","
                 "\"url\":\"http://a/\",\"synchronized\":false,\"method\":\"POST\",\"headers\":{}}}},"
                 "\"context\":{\"runId\":\"r_1\"}}\n");
    assert_reads(CLAIM_NODE_RUNS,
                 "{\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{\"agent\":1,\"synchronized\":\"yes\","
                 "\"body\":{\"a\":1}}}]}",
                 "wfnr_1 {\"headers\":{},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":null,"
                 "\"url\":null,\"synchronized\":\"yes\",\"method\":\"POST\",\"headers\":{}}}},"
                 "\"context\":{\"runId\":\"wfnr_1\",\"nodeConfig\":{\"agent\":1,\"synchronized\":\"yes\","
                 "\"body\":{\"a\":1}}}}\n");
}

static void assert_for_an_agent(const char *agent, bool expected)
{
    char answer[256], *text;
    snprintf(answer, sizeof answer, "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"agent\":%s,\"body\":{}}}]}",
             agent);
    text = read_all(CLAIM_RUNS, answer);
    assert_non_null(text);
    if ((strncmp(text, "r_1 {", 5) == 0) != expected)
        fail_msg("agent %s: %s", agent, text);
    free(text);
}

static void a_run_is_for_an_agent_when_python_would_say_so(void **state)
{
    (void)state;
    static const char *const yes[] = {"true",  "1",         "-0.5",    "1e3",    "0.001",         "\"true\"",
                                      "\"0\"", "\"false\"", "[false]", "[ [] ]", "{\"a\":false}", "\" \""};
    static const char *const no[] = {"false", "null", "0",  "-0",  "0.0", "0e9",
                                     "\"\"",  "[]",   "{}", "[ ]", "{ }"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_for_an_agent(yes[i], true);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_for_an_agent(no[i], false);
}

static void a_run_that_does_not_say_for_whom_it_is_fails(void **state)
{
    (void)state;
    assert_reads(CLAIM_RUNS, "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"body\":{}}}]}",
                 "r_1 Port does not say whether it is for an agent: there is no \"agent\"\n");
    assert_reads(CLAIM_NODE_RUNS, "{\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{}}]}",
                 "wfnr_1 Port does not say whether it is for an agent: there is no \"agent\"\n");
}

static void a_node_run_has_these_members_only(void **state)
{
    (void)state;
    assert_reads(CLAIM_NODE_RUNS,
                 "{\"nodeRuns\":[{\"identifier\":\"wfnr_1\",\"config\":{\"type\":\"WEBHOOK\","
                 "\"url\":\"http://a/\",\"agent\":true,\"synchronized\":false,\"method\":\"POST\","
                 "\"headers\":{\"X-A\":\"b\"}}}]}",
                 "wfnr_1 {\"headers\":{\"X-A\":\"b\"},\"payload\":{\"action\":{\"invocationMethod\":{"
                 "\"type\":\"WEBHOOK\",\"url\":\"http://a/\",\"synchronized\":false,\"method\":\"POST\","
                 "\"headers\":{\"X-A\":\"b\"}}}},\"context\":{\"runId\":\"wfnr_1\",\"nodeConfig\":{"
                 "\"type\":\"WEBHOOK\",\"url\":\"http://a/\",\"agent\":true,\"synchronized\":false,"
                 "\"method\":\"POST\",\"headers\":{\"X-A\":\"b\"}}}}\n");
}

static void a_bad_run_spoils_no_other(void **state)
{
    (void)state;
    char good[] = "{\"id\":\"r_2\",\"payload\":{\"agent\":true,\"body\":{}}}";
    char answer[2048], expected[2048];
    snprintf(answer, sizeof answer,
             "{\"runs\":[1,{},{\"id\":7},{\"id\":\"a/b\"},{\"id\":\"r_n\"},{\"id\":\"r_p\",\"payload\":[]},"
             "{\"id\":\"r_b\",\"payload\":{\"agent\":true,\"body\":\"x\"}},"
             "{\"id\":\"r_u\",\"payload\":{\"agent\":true,\"body\":{\"a\":\"\xff\"}}},"
             "{\"id\":\"r_e\",\"payload\":{\"agent\":true,\"body\":{\"a\":1 2}}},%s]}",
             good);
    snprintf(expected, sizeof expected,
             "no id\nno id\nno id\nno id\nr_n its \"payload\" is not an object\n"
             "r_p its \"payload\" is not an object\n"
             "r_b its \"payload.body\" is not an object\n"
             "r_u not JSON: invalid UTF-8 at byte 49\n"
             "r_e not JSON: ',' or '}' expected at byte 50\n"
             "r_2 {\"headers\":{},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":null,\"url\":null,"
             "\"synchronized\":false,\"method\":\"POST\",\"headers\":{}}}},"
             "\"context\":{\"runId\":\"r_2\"}}\n");
    assert_reads(CLAIM_RUNS, answer, expected);
}

static void has_nothing_set(void *ctx, const struct claimed *claimed)
{
    size_t *count = ctx;
    assert_null(claimed->id.ptr);
    assert_false(claimed->agent);
    assert_null(claimed->broken);
    assert_int_equal(claimed->event->len, 0);
    ++*count;
}

static void nothing_is_told_of_a_run_without_an_id(void **state)
{
    (void)state;
    size_t count = 0;
    struct slice answer =
        SLICE_LITERAL("{\"runs\":[{\"payload\":{\"agent\":true,\"body\":{}}},{\"agent\" 1}]}");
    assert_int_equal(claim_read(CLAIM_RUNS, answer, has_nothing_set, &count, NULL), 0);
    assert_int_equal(count, 2);
}

static void an_answer_that_is_none_is_said(void **state)
{
    (void)state;
    assert_reads(CLAIM_RUNS, "", "Port's answer is not a JSON object");
    assert_reads(CLAIM_RUNS, "<html>", "Port's answer is not a JSON object");
    assert_reads(CLAIM_RUNS, "[]", "Port's answer is not a JSON object");
    assert_reads(CLAIM_RUNS, "{\"runs\":[{}", "Port's answer is not JSON");
    assert_reads(CLAIM_RUNS, "{\"runs\":{}}", "\"runs\" in Port's answer is not a list");
    assert_reads(CLAIM_RUNS, "{\"runs\":[{},]}", "no id\n\"runs\" in Port's answer is not JSON");
    assert_reads(CLAIM_RUNS, "{\"runs\":null}", "");
    assert_reads(CLAIM_RUNS, "{}", "");
}

static void deep_answers_are_no_recursion(void **state)
{
    (void)state;
    struct buffer answer = {0};
    buffer_append_text(&answer, "{\"runs\":[{\"id\":\"r_1\",\"payload\":{\"agent\":true,\"body\":{\"a\":");
    for (int i = 0; i < 1000000; i++)
        buffer_append_char(&answer, '[');
    for (int i = 0; i < 1000000; i++)
        buffer_append_char(&answer, ']');
    buffer_append_text(&answer, "}}}]}");
    char *text = read_all(CLAIM_RUNS, buffer_text(&answer));
    assert_string_equal(text, "r_1 not JSON: nesting too deep at byte 557\n");
    free(text);
    buffer_clear(&answer);
}

static void asks_as_port_wants_to_be_asked(void **state)
{
    (void)state;
    struct buffer out = {0};
    claim_body(CLAIM_RUNS, 100, &out);
    assert_string_equal(
        buffer_text(&out),
        "{\"installationId\":\"_PORT_EXEC_AGENT\",\"limit\":100,\"invocationMethod\":\"WEBHOOK\"}");
    out.len = 0;
    claim_body(CLAIM_NODE_RUNS, 7, &out);
    assert_string_equal(buffer_text(&out), "{\"installationId\":\"_PORT_EXEC_AGENT\",\"limit\":7}");
    out.len = 0;
    claim_ack_body(CLAIM_RUNS, edge_of("r_1"), &out);
    assert_string_equal(buffer_text(&out), "{\"runIds\":[\"r_1\"]}");
    out.len = 0;
    claim_ack_body(CLAIM_NODE_RUNS, edge_of("wfnr_1"), &out);
    assert_string_equal(buffer_text(&out), "{\"nodeRunIdentifier\":\"wfnr_1\"}");
    buffer_clear(&out);
}

static void assert_verdict(enum claim_kind kind, const char *answer, enum claim_verdict expected)
{
    enum claim_verdict verdict = claim_acked(kind, edge_of(answer));
    if (verdict != expected)
        fail_msg("%s: %d instead of %d", answer, (int)verdict, (int)expected);
}

static void only_an_acknowledgement_is_one(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "{\"ok\":true,\"ackedCount\":1}", "{ \"ackedCount\" : 2 }",
        "{\"ackedCount\":1.0}",           "{\"ackedCount\":1e2}",
        "{\"ackedCount\":true}",          "{\"ackedCount\":\"1\"}",
        "{\"acked\\u0043ount\":1}",       "{\"ackedCount\":0,\"ackedCount\":1}"};
    static const char *const others[] = {"{\"ackedCount\":0}",    "{\"ackedCount\":-1}",
                                         "{\"ackedCount\":0.0}",  "{\"ackedCount\":\"0\"}",
                                         "{\"ackedCount\":\"\"}", "{\"ackedCount\":false}"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_verdict(CLAIM_RUNS, ours[i], CLAIM_OURS);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_verdict(CLAIM_RUNS, others[i], CLAIM_NOT_OURS);
    assert_verdict(CLAIM_NODE_RUNS, "{\"acked\":true}", CLAIM_OURS);
    assert_verdict(CLAIM_NODE_RUNS, "{\"acked\":1}", CLAIM_OURS);
    assert_verdict(CLAIM_NODE_RUNS, "{\"acked\":\"true\"}", CLAIM_OURS);
    assert_verdict(CLAIM_NODE_RUNS, "{\"acked\":false}", CLAIM_NOT_OURS);
    assert_verdict(CLAIM_NODE_RUNS, "{\"acked\":0}", CLAIM_NOT_OURS);
}

static void an_answer_that_does_not_say_is_no_answer(void **state)
{
    (void)state;
    static const char *const answers[] = {"",
                                          "<html>",
                                          "[]",
                                          "{}",
                                          "null",
                                          "{\"ackedCount\":1",
                                          "true",
                                          "{\"acked\":null}",
                                          "{\"x\":true}",
                                          "{\"acked\":{}}",
                                          "{\"acked\":[]}",
                                          "{\"acked\":\"maybe\"}",
                                          "{\"ackedCount\":\"1 of 2\",\"acked\":\"1 of 2\"}",
                                          "{\"ackedCount\":\"1e2\",\"acked\":\"1e2\"}",
                                          "1"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_verdict(CLAIM_RUNS, answers[i], CLAIM_UNSAID);
        assert_verdict(CLAIM_NODE_RUNS, answers[i], CLAIM_UNSAID);
    }
    assert_verdict(CLAIM_RUNS, "{\"acked\":true}", CLAIM_UNSAID);
    assert_verdict(CLAIM_NODE_RUNS, "{\"ackedCount\":1}", CLAIM_UNSAID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_its_body_with_headers_method_and_id),
        cmocka_unit_test(what_the_body_has_is_replaced_in_its_place),
        cmocka_unit_test(the_method_has_five_members_whatever_port_names),
        cmocka_unit_test(a_run_is_for_an_agent_when_python_would_say_so),
        cmocka_unit_test(a_run_that_does_not_say_for_whom_it_is_fails),
        cmocka_unit_test(a_node_run_has_these_members_only),
        cmocka_unit_test(a_bad_run_spoils_no_other),
        cmocka_unit_test(nothing_is_told_of_a_run_without_an_id),
        cmocka_unit_test(an_answer_that_is_none_is_said),
        cmocka_unit_test(deep_answers_are_no_recursion),
        cmocka_unit_test(asks_as_port_wants_to_be_asked),
        cmocka_unit_test(only_an_acknowledgement_is_one),
        cmocka_unit_test(an_answer_that_does_not_say_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
