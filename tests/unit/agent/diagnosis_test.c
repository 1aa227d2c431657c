/* What is said of signatures that do not match; tests/e2e/test_cli_signatures.py has every cause. */
#include "agent/json_form.h"
#include "agent/verify/diagnosis.h"
#include "event/signature.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef-and-more"

static void sign(const char *secret, const char *stamp, const char *body, char out[SIGNATURE_SIZE])
{
    struct signer *signer = signer_new(slice_of(secret));
    assert_int_equal(signer_sign_text(signer, slice_of(stamp), slice_of(body), out), 0);
    signer_free(signer);
}

static bool diagnose(struct signature_case given, const char *says)
{
    struct buffer findings = {0};
    bool unreadable = false;
    given.now_s = 1000;
    bool valid = signature_diagnose(&given, &findings, &unreadable);
    if (!strstr(buffer_text(&findings), says))
        fail_msg("'%s' does not say '%s'", buffer_text(&findings), says);
    if (strstr(buffer_text(&findings), SECRET))
        fail_msg("the secret is in '%s'", buffer_text(&findings));
    buffer_clear(&findings);
    return valid;
}

static void a_right_signature_is_valid(void **state)
{
    (void)state;
    char signature[SIGNATURE_SIZE];
    sign(SECRET, "1000", "{}", signature);
    struct signature_case given = {.secret = SLICE_LITERAL(SECRET),
                                   .body = SLICE_LITERAL("{}"),
                                   .timestamp = SLICE_LITERAL("1000"),
                                   .signature = slice_of(signature)};
    assert_true(diagnose(given, ""));
    given.body = SLICE_LITERAL("{ }");
    assert_false(diagnose(given, "compact JSON"));
    given.secret = SLICE_LITERAL(SECRET "\n");
    assert_false(diagnose(given, "line breaks around the secret are removed, and the body is written as"));
}

static void a_secret_is_named_by_what_is_wrong_with_it_only(void **state)
{
    (void)state;
    struct signature_case given = {.secret = SLICE_LITERAL("'" SECRET "'"),
                                   .body = SLICE_LITERAL("\xff\xfe"),
                                   .timestamp = SLICE_LITERAL("1000"),
                                   .signature =
                                       SLICE_LITERAL("v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")};
    assert_false(diagnose(given, "the secret has quotes around it"));
}

static void every_part_may_be_empty_or_absent(void **state)
{
    (void)state;
    static const struct slice parts[] = {{NULL, 0}, {"", 0}, {"v1,", 3}, {"\"", 1}, {"'\n", 2}};
    size_t count = sizeof parts / sizeof *parts;
    for (size_t i = 0; i < count * count * count * 2; i++) {
        struct signature_case given = {.secret = parts[i % count],
                                       .body = parts[i / count % count],
                                       .signature = parts[i / count / count % count],
                                       .timestamp = parts[(i + 1) % count],
                                       .record = i >= count * count * count};
        assert_false(diagnose(given, ""));
    }
}

static void assert_form(const char *canonical, struct json_form form, const char *expected)
{
    struct buffer out = {0};
    json_write(slice_of(canonical), &form, &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void json_is_written_in_other_forms(void **state)
{
    (void)state;
    static const char value[] = "{\"a\":[1.0,{},\"x\\\"é😀<\"],\"b\":[],\"c\":-1e21}";
    const struct json_form blanks = {" ", " ", 0, true, true, false},
                           pretty = {"", " ", 2, false, false, false};
    const struct json_form script = {"", "", 0, false, false, true};
    assert_form(value, blanks,
                "{\"a\": [1.0, {}, \"x\\\"\\u00e9\\ud83d\\ude00\\u003c\"], \"b\": [], \"c\": -1e21}");
    assert_form(value, pretty,
                "{\n  \"a\": [\n    1.0,\n    {},\n    \"x\\\"é😀<\"\n  ],\n  \"b\": [],\n  \"c\": -1e21\n}");
    assert_form("[1.0,0.1,100,1e-7,0.000001,1e21,12345678901234567890,-0,5e-324,123.456,1e999,-1e999,true]",
                script,
                "[1,0.1,100,1e-7,0.000001,1e+21,12345678901234567000,0,5e-324,123.456,null,null,true]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_signature_is_valid),
        cmocka_unit_test(a_secret_is_named_by_what_is_wrong_with_it_only),
        cmocka_unit_test(every_part_may_be_empty_or_absent),
        cmocka_unit_test(json_is_written_in_other_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
