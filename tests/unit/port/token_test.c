/* What Port is asked for a token, which answers have one, and for how long it is kept. */
#include "../edge.h"
#include "base/secrets.h"
#include "port/token.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_question_replaces_what_was_there(void **state)
{
    (void)state;
    struct buffer body = {0};
    assert_true(port_token_question("id\"1", edge_of("s\\3\n"), &body));
    assert_true(port_token_question("id", edge_of("secret"), &body));
    assert_string_equal(buffer_text(&body), "{\"clientId\":\"id\",\"clientSecret\":\"secret\"}");
    assert_true(port_token_question("id\"1", edge_of("s\\3\n"), &body));
    assert_string_equal(buffer_text(&body), "{\"clientId\":\"id\\\"1\",\"clientSecret\":\"s\\\\3\\n\"}");
    body.failed = true;
    assert_false(port_token_question("id", edge_of("secret"), &body));
    assert_true(port_token_question("id", edge_of("secret"), &body));
    buffer_clear(&body);
}

static void a_token_is_kept_for_most_of_its_time(void **state)
{
    (void)state;
    static const struct {
        const char *expires_in;
        int64_t lifetime_ms, kept_ms;
    } cases[] = {{"3600", 3600000, 3240000}, /* a tenth before */
                 {"610", 610000, 549000},    /* which is more than a minute */
                 {"600", 600000, 540000},    /* a minute before */
                 {"590", 590000, 530000},
                 {"121", 121000, 61000}, /* more than half of it */
                 {"120", 120000, 96000}, /* otherwise four fifths */
                 {"60", 60000, 48000},
                 {"1", 1000, 800},
                 {"0.5", 500, 400},
                 {"0", 3600000, 3240000}, /* none is said */
                 {"-5", 3600000, 3240000},
                 {"null", 3600000, 3240000},
                 {"\"60\"", 3600000, 3240000},
                 {"true", 3600000, 3240000},
                 {"2592000", 2592000000, 2332800000}, /* 30 days at most */
                 {"2592001", 2592000000, 2332800000},
                 {"1e300", 2592000000, 2332800000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct port_token token = {0};
        char body[128];
        snprintf(body, sizeof body, "{\"accessToken\":\"t\",\"expiresIn\":%s}", cases[i].expires_in);
        assert_true(port_token_parse(edge_of(body), &token));
        if (token.lifetime_ms != cases[i].lifetime_ms || token.kept_ms != cases[i].kept_ms)
            fail_msg("%s: good for %lld, kept for %lld", cases[i].expires_in, (long long)token.lifetime_ms,
                     (long long)token.kept_ms);
        assert_string_equal(token.text, "t");
        free(token.text);
    }
}

static void only_what_may_stand_in_a_header_is_a_token(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "{}",
                                       "[]",
                                       "null",
                                       "no json",
                                       "{\"accessToken\":null}",
                                       "{\"accessToken\":7}",
                                       "{\"accessToken\":\"\"}",
                                       "{\"accesstoken\":\"t\"}",
                                       "{\"accessToken\":\"a b\"}",
                                       "{\"accessToken\":\"a\\n\"}",
                                       "{\"accessToken\":\"\\u007f\"}",
                                       "{\"accessToken\":\"\\u00fc\"}",
                                       "{\"accessToken\":\"t\"",
                                       "{\"accessToken\":\"t\"}}"};
    struct port_token token;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (port_token_parse(edge_of(none[i]), &token) || token.text)
            fail_msg("'%s' has a token", none[i]);
    assert_false(port_token_parse((struct slice){NULL, 0}, &token));
    for (int c = '!'; c <= '~'; c++) {
        char body[64];
        snprintf(body, sizeof body, "{\"accessToken\":\"%s%c\"}", c == '"' || c == '\\' ? "\\" : "", c);
        assert_true(port_token_parse(edge_of(body), &token));
        assert_true(token.text[0] == c && token.text[1] == '\0');
        free(token.text);
    }
}

/** What is used now, and the one before, which goes on being masked. */
static void a_token_that_is_retired_is_the_old_one(void **state)
{
    (void)state;
    struct buffer header = {0}, old = {0};
    port_token_retire(&header, &old);
    assert_true(!header.ptr && !old.ptr);
    static const char *const texts[] = {"first-token", "second", "third-token"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char expected[64];
        struct port_token token = {.text = strdup(texts[i])};
        port_token_use(&token, &header);
        assert_null(token.text);
        snprintf(expected, sizeof expected, "Bearer %s", texts[i]);
        assert_string_equal(buffer_text(&header), expected);
        port_token_retire(&header, &old);
        assert_int_equal(header.len, 0);
        assert_string_equal(buffer_text(&old), expected);
        port_token_retire(&header, &old); /* there is none: the old one stays */
        assert_string_equal(buffer_text(&old), expected);
    }
    struct secrets secrets = {0};
    struct buffer shown = {0};
    token_mask(&secrets, &header);
    token_mask(&secrets, &old);
    redact(&secrets, SLICE_LITERAL("Bearer third-token, first-token"), SIZE_MAX, &shown);
    assert_string_equal(buffer_text(&shown), "Bearer ***, first-token");
    buffer_clear(&shown);
    secrets_clear(&secrets);
    buffer_clear(&header);
    buffer_clear(&old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_question_replaces_what_was_there),
        cmocka_unit_test(a_token_is_kept_for_most_of_its_time),
        cmocka_unit_test(only_what_may_stand_in_a_header_is_a_token),
        cmocka_unit_test(a_token_that_is_retired_is_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
