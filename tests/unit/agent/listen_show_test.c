/* What `listen` shows of a webhook: nothing in it steers the terminal, and both ways to check its signature
 * are told apart. */
#include "agent/listen/show.h"
#include "event/signature.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char HEADERS[] = "Content-Type: application/json\r\nX-Twice: 1\r\nx-twice: 2\r\n";

static struct webhook webhook_of(const char *body)
{
    return (struct webhook){.wall_ms = 1768317616641,
                            .method = SLICE_LITERAL("POST"),
                            .target = SLICE_LITERAL("/vm?a=1"),
                            .headers = slice_of(HEADERS),
                            .body = slice_of(body),
                            .ways = {true, true, true}};
}

static void shows(const struct webhook *webhook, bool colour, const char *says)
{
    struct buffer text = {0};
    webhook_show_text(webhook, colour, &text);
    if (!strstr(buffer_text(&text), says))
        fail_msg("'%s' is not in '%s'", says, buffer_text(&text));
    buffer_clear(&text);
}

static void a_body_is_laid_out_and_coloured(void **state)
{
    (void)state;
    struct webhook webhook = webhook_of("{\"a\":[1,true,{}],\"b\":\"x: \\\"y\\\"\"}");
    shows(&webhook, false, " POST /vm?a=1\n  Content-Type: application/json\n");
    shows(&webhook, false, "{\n  \"a\": [\n    1,\n    true,\n    {}\n  ],\n  \"b\": \"x: \\\"y\\\"\"\n}\n");
    shows(&webhook, true, "\033[36m\"a\"\033[0m: [\n    \033[33m1\033[0m");
    shows(&webhook, true, "\033[32m\"x: \\\"y\\\"\"\033[0m");
}

static void nothing_in_it_steers_the_terminal(void **state)
{
    (void)state;
    struct webhook webhook = webhook_of("no JSON \033[2J\nand more");
    webhook.target = SLICE_LITERAL("/\033]0;title\a");
    webhook.headers = SLICE_LITERAL("X: \x9b\x32J\r\n");
    struct buffer text = {0};
    webhook_show_text(&webhook, false, &text);
    assert_null(strchr(buffer_text(&text), '\033'));
    assert_null(strchr(buffer_text(&text), '\x9b'));
    assert_non_null(strstr(buffer_text(&text), "no JSON ?[2J\nand more\n"));
    buffer_clear(&text);
}

static void a_long_body_is_cut(void **state)
{
    (void)state;
    static char body[200000];
    memset(body, 'x', sizeof body - 1);
    struct webhook webhook = webhook_of(body);
    struct buffer text = {0};
    webhook_show_text(&webhook, false, &text);
    assert_true(text.len < 70000);
    buffer_clear(&text);
    shows(&webhook, false, "--output json shows all of it");
}

static void a_verdict_names_the_way(void **state)
{
    (void)state;
    struct webhook webhook = webhook_of("{}");
    shows(&webhook, false, "signature valid: over the body as it came, and over JSON.stringify");
    webhook.ways = (struct signature_ways){.raw = true, .json = true};
    shows(&webhook, false, "signature valid over the body as it came, and not valid over JSON.stringify");
    webhook.ways = (struct signature_ways){.parsed = true, .json = true};
    shows(&webhook, false, "signature valid over JSON.stringify(JSON.parse(body)) alone");
    webhook.ways = (struct signature_ways){.json = true};
    webhook.findings = SLICE_LITERAL("there is no signature\nthere is no timestamp\n");
    shows(&webhook, false, "signature not valid\n    - there is no signature\n    - there is no timestamp\n");
}

static void as_json_a_header_stands_once(void **state)
{
    (void)state;
    struct webhook webhook = webhook_of("{\"n\":12345678901234567890}");
    struct buffer json = {0};
    webhook.findings = SLICE_LITERAL("one\ntwo\n");
    webhook_show_json(&webhook, &json);
    assert_string_equal(
        buffer_text(&json),
        "{\"time\":\"2026-01-13T15:20:16.641Z\",\"method\":\"POST\",\"path\":\"/vm?a=1\",\"headers\":"
        "{\"Content-Type\":\"application/json\",\"X-Twice\":\"1\"},\"body\":{\"n\":12345678901234567890},"
        "\"signature\":{\"valid\":true,\"raw\":true,\"parsed\":true,\"findings\":[\"one\",\"two\"]}");
    buffer_clear(&json);
}

static void check(const char *body, bool raw, bool parsed, bool json)
{
    char signature[SIGNATURE_SIZE];
    struct signer *signer = signer_new(SLICE_LITERAL("secret"));
    assert_int_equal(signer_sign(signer, 1000, slice_of(body), signature), 0);
    signer_free(signer);
    const struct signature_case given = {.secret = SLICE_LITERAL("secret"),
                                         .body = slice_of(body),
                                         .timestamp = SLICE_LITERAL("1000"),
                                         .signature = slice_of(signature)};
    const struct signature_ways ways = signature_check_ways(&given);
    if (ways.raw != raw || ways.parsed != parsed || ways.json != json)
        fail_msg("'%s': raw %d, parsed %d, json %d", body, ways.raw, ways.parsed, ways.json);
}

static void both_ways_are_checked(void **state)
{
    (void)state;
    check("{\"a\":1}", true, true, true);
    check("", true, true, true);
    check("{\"a\":1.0}", true, false, true); /* JavaScript writes 1 */
    check("{\"a\": 1}", true, false, true);
    check("no JSON", true, false, false);
    const struct signature_case none = {.secret = SLICE_LITERAL("secret"), .body = SLICE_LITERAL("{}")};
    assert_false(signature_check_ways(&none).raw);
    assert_false(signature_check_ways(&none).parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_laid_out_and_coloured),
        cmocka_unit_test(nothing_in_it_steers_the_terminal),
        cmocka_unit_test(a_long_body_is_cut),
        cmocka_unit_test(a_verdict_names_the_way),
        cmocka_unit_test(as_json_a_header_stands_once),
        cmocka_unit_test(both_ways_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
