/* What is taken for a secret, and where it is found in a text. */
#include "../edge.h"
#include "base/secrets.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void redacted_within(const char *const values[], const char *text, size_t limit, const char *expected)
{
    struct secrets secrets = {0};
    struct buffer out = {0};
    /* no byte behind it may be read: the sanitizers see to that */
    char *exact = malloc(strlen(text) + (*text == '\0'));
    assert_non_null(exact);
    memcpy(exact, text, strlen(text));
    for (size_t i = 0; values[i]; i++)
        secrets_add(&secrets, edge_of(values[i]), 1);
    redact(&secrets, (struct slice){exact, strlen(text)}, limit, &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
    secrets_clear(&secrets);
    free(exact);
}

static void redacted(const char *const values[], const char *text, const char *expected)
{
    redacted_within(values, text, SIZE_MAX, expected);
}

static void a_secret_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const one[] = {"s3cret", NULL}, *const none[] = {NULL};
    redacted(one, "s3cret", "***");
    redacted(one, "s3crets3cret as3cretb s3creT", "****** a***b s3creT");
    redacted(one, "", "");
    redacted(one, "s3s3cret", "s3***");
    redacted(none, "s3cret \\u0041 %41+", "s3cret \\u0041 %41+");
}

static void the_longest_of_overlapping_ones_counts(void **state)
{
    (void)state;
    static const char *const nested[] = {"abc", "xabcy", "abcdef", NULL};
    redacted(nested, "xabcy xabc abcde abcdef", "*** x*** ***de ***");
    static const char *const chained[] = {"one-two", "two-three", NULL};
    redacted(chained, "one-two-three", "***-three");
}

static void escapes_are_seen_through(void **state)
{
    (void)state;
    static const char *const signature[] = {"aB/c+d==", NULL};
    redacted(signature, "aB\\/c+d== aB%2Fc%2Bd%3D%3D aB\\u002fc\\u002Bd=\\u003d", "*** *** ***");
    static const char *const odd[] = {"a\\b%41", NULL};
    redacted(odd, "a\\b%41 a\\\\b%2541", "*** ***");
}

static void base64_and_hexadecimal_are_seen_through(void **state)
{
    (void)state;
    static const char *const password[] = {"pass>word?~", NULL};
    /* alone; behind one byte, and two; in the alphabet of URLs; with an escape within */
    redacted(password, "cGFzcz53b3JkP34= eHBhc3M+d29yZD9+ eHlwYXNzPndvcmQ/fg==", "***4= eH*** eHl***g==");
    redacted(password, "eHBhc3M-d29yZD9- eHlwYXNzPndvcmQ_fg", "eH*** eHl***g");
    redacted(password, "eHBhc3M%2Bd29yZD9%2B eHlwYXNzPndvcmQ\\/fg", "eH*** eHl***g");
    redacted(password, "706173733e776f72643f7e 706173733E776F72643F7E 706173733e776F72643f7E!",
             "*** *** ***!");
    redacted(password, "706173733e776f72643f7d", "706173733e776f72643f7d");
    static const char *const few[] = {"short", NULL};
    redacted(few, "c2hvcnQ= 73686f7274", "c2hvcnQ= 73686f7274");
}

static void digits_in_lines_and_with_colons_are_seen_through(void **state)
{
    (void)state;
    static const char *const password[] = {"pass>word?~", NULL};
    redacted(password,
             "cGFz\r\ncz53b3J\nkP34= cGFz\\r\\ncz53b3J\\nkP34= cGFz%0D%0Acz53b3JkP34=", "***4= ***4= ***4=");
    redacted(password, "c\nG\nF\nz\nc\nz\n5\n3\nb\n3\nJ\nk\nP\n3\n4=", "***\n4=");
    redacted(password, "70:61:73:73:3e:77:6f:72:64:3f:7e 70:61:73:73:3E:\n77:6F:72:64:3F:7E:", "*** ***:");
    redacted(password, "706173733e\n776f72643f7e", "***");
    redacted(password, "706173733e\n\n\n\n776f72643f7e cGFzcz5:3b3JkP34=",
             "706173733e\n\n\n\n776f72643f7e cGFzcz5:3b3JkP34=");
    redacted(password, "pass\n>word?~", "pass\n>word?~"); /* as it is it has no lines */
    redacted_within(password, "x 70:61:73:73:3e:77", 19, "x ***");
}

/** Whatever is compared is consumed, or soon given up. */
static void a_long_one_is_known_by_its_beginning(void **state)
{
    (void)state;
    char secret[8001] = {0}, text[65536] = {0};
    memset(secret, 'a', sizeof secret - 1);
    secret[sizeof secret - 2] = 'b';
    memset(text, 'a', sizeof text - 1);
    const char *const values[] = {secret, NULL};
    for (int i = 0; i < 50; i++) /* 50 times 64 KiB times 8,000 bytes would take minutes */
        redacted_within(values, text, 6, "******");
    static const char *const long_one[] = {
        "0123456789012345678901234567890123456789012345678901234567890123zz", NULL};
    redacted(long_one, "0123456789012345678901234567890123456789012345678901234567890123 012345678901zz",
             "*** 012345678901zz");
}

static void the_beginning_of_one_at_the_end_of_a_text_counts(void **state)
{
    (void)state;
    static const char *const one[] = {"secret/value", NULL};
    redacted(one, "a secret/valu", "a ***");
    redacted(one, "a secret", "a ***");
    redacted(one, "a secre", "a secre"); /* too little to tell */
    redacted(one, "a secret\\", "a ***");
    redacted(one, "a secret\\u002", "a ***");
    redacted(one, "a secret%2", "a ***");
    redacted(one, "a secret%20", "a secret%20");
    redacted(one, "a secret\\u0041\"}", "a secret\\u0041\"}");
    redacted(one, "a secrets", "a secrets");
}

static void the_beginning_of_one_where_a_text_was_cut_counts(void **state)
{
    (void)state;
    static const char *const one[] = {"secret/value", NULL}, *const dotted[] = {"secret…value", NULL};
    redacted(one, "a secret/valu… not followed", "a ***… not followed");
    redacted(one, "a secret… and secret…", "a ***… and ***…");
    redacted(one, "a secre… not", "a secre… not"); /* too little to tell */
    redacted(one, "a secret%2… not", "a ***… not");
    redacted(one, "a secret\\u002…", "a ***…");
    redacted(one, "a secret%20… not", "a secret%20… not");
    redacted(one, "a secret..… not", "a secret..… not");
    redacted(one, "a secret\xE2\x80", "a secret\xE2\x80");
    redacted(dotted, "a secret…value, secret…valu, secret…val…", "a ***, secret…valu, ***…");
}

static void no_more_than_the_limit_is_given(void **state)
{
    (void)state;
    static const char *const one[] = {"s3cret", NULL};
    redacted_within(one, "abcdef", 3, "abc");
    redacted_within(one, "ab s3cret", 6, "ab ***");
    redacted_within(one, "ab s3cret", 5, "ab **");
    redacted_within(one, "ab s3cret", 3, "ab ");
    redacted_within(one, "s3crets3cret.", 7, "******.");
    redacted_within(one, "s3cret", 0, "");
    redacted_within(one, "a€€", 6, "a€");
    redacted_within(one, "a€€", 4, "a€");
    redacted_within(one, "aก", 3, "a"); /* its first byte is the least of three */
    redacted_within(one, "🚀", 3, "");
    redacted_within(one, "s3cret€", 5, "***");
    redacted_within(one, "x\x80\x80\x80\x80", 4, "x\x80\x80\x80"); /* no text at all */
    redacted_within(one, "x\xe2\x82", 100, "x");                   /* cut by who kept it */
    redacted(one, "x\xe2\x82", "x\xe2\x82");
}

/** Whatever the limit, the text is cut before a character that it does not hold whole, and what stood in the
 * buffer stays; bytes that begin no character are kept. */
static void a_limit_cuts_between_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        /** How much of the text is given at most, limit by limit. */
        size_t kept[9];
    } cases[] = {{"abc", {0, 1, 2, 3, 3}},
                 {"\xc3\xbc"
                  "b",
                  {0, 0, 2, 3, 3}},
                 {"\xe2\x82\xac"
                  "b",
                  {0, 0, 0, 3, 4, 4}},
                 {"\xf0\x9f\x9a\x80"
                  "b",
                  {0, 0, 0, 0, 4, 5, 5}},
                 {"a\xf0\x9f\x9a\x80", {0, 1, 1, 1, 1, 5, 5}},
                 {"\x80\x80\x80\x80\x80", {0, 1, 2, 3, 4, 5, 5}},
                 {"\xc3\xbc\xc3\xbc", {0, 0, 2, 2, 4, 4}}};
    static const char *const befores[] = {"", "b", "before \xc3", "\xf0\x9f\x9a"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < sizeof befores / sizeof *befores; j++)
            for (size_t limit = 0; limit <= strlen(cases[i].text) + 1; limit++) {
                struct secrets secrets = {0};
                struct buffer out = {0};
                buffer_append_text(&out, befores[j]);
                redact(&secrets, edge_of(cases[i].text), limit, &out);
                struct slice given = buffer_slice(&out);
                size_t before = strlen(befores[j]);
                if (given.len != before + cases[i].kept[limit])
                    fail_msg("case %zu, '%s', limit %zu: %zu", i, befores[j], limit, given.len - before);
                assert_memory_equal(given.ptr, befores[j], before);
                assert_memory_equal(given.ptr + before, cases[i].text, cases[i].kept[limit]);
                buffer_clear(&out);
                secrets_clear(&secrets);
            }
}

static void short_ones_are_left_out(void **state)
{
    (void)state;
    struct secrets secrets = {0};
    struct buffer out = {0};
    secrets_add(&secrets, SLICE_LITERAL("12345"), SECRET_MIN);
    secrets_add(&secrets, SLICE_LITERAL(""), 0);
    secrets_add(&secrets, (struct slice){NULL, 0}, 0);
    assert_int_equal(secrets.count, 0);
    for (size_t i = 0; i < 20; i++)
        secrets_add(&secrets, SLICE_LITERAL("123456"), SECRET_MIN);
    assert_int_equal(secrets.count, 20 * 5); /* in each of its writings */
    redact(&secrets, SLICE_LITERAL("12345 123456"), SIZE_MAX, &out);
    assert_string_equal(buffer_text(&out), "12345 ***");
    buffer_clear(&out);
    secrets_clear(&secrets);
}

/** Whoever writes a URL writes secrets: they may all begin as what its endpoint then answers does. */
static void the_work_grows_with_the_text_alone(void **state)
{
    (void)state;
    enum { MANY = 256, LONG = 60, TEXT = 8192 };
    static char values[MANY][LONG + 1], text[TEXT];
    struct secrets secrets = {0};
    struct buffer out = {0};
    for (size_t i = 0; i < MANY; i++) {
        memset(values[i], 'a', LONG);
        snprintf(values[i] + LONG - 4, 5, "%04zu", i);
        secrets_add(&secrets, slice_of(values[i]), SECRET_MIN);
    }
    memset(text, 'a', TEXT);
    memcpy(text + TEXT - LONG, values[7], LONG);
    size_t bound = REDACT_STEPS_MIN + TEXT * REDACT_STEPS_PER_BYTE + (size_t)2 * MANY * SECRET_ENOUGH;
    assert_true(redact(&secrets, (struct slice){text, TEXT}, SIZE_MAX, &out) <= bound);
    assert_null(memmem(out.ptr, out.len, values[7], LONG));
    assert_memory_equal(out.ptr + out.len - 4, "a***", 4);
    buffer_clear(&out);
    /* what is shown of an answer has nothing of the kind, and costs little */
    assert_true(redact(&secrets, SLICE_LITERAL("an answer, and a banana"), SIZE_MAX, &out) < 10000);
    assert_string_equal(buffer_text(&out), "an answer, and a banana");
    buffer_clear(&out);
    secrets_clear(&secrets);
}

/** One that is nearly all that may come in a URL, and comes back. */
static void a_very_long_one_is_found_in_one_go(void **state)
{
    (void)state;
    enum { LONG = 7900 };
    static char value[LONG], text[LONG];
    struct secrets secrets = {0};
    struct buffer out = {0};
    memset(value, 'a', LONG);
    memset(text, 'a', LONG);
    value[LONG - 1] = 'b';
    secrets_add(&secrets, (struct slice){value, LONG}, SECRET_MIN);
    assert_true(redact(&secrets, (struct slice){text, LONG}, SIZE_MAX, &out) < (size_t)4 * LONG);
    assert_memory_equal(out.ptr, "***", 3);
    assert_true(out.len < 16);
    buffer_clear(&out);
    secrets_clear(&secrets);
}

static void without_memory_for_the_list_nothing_is_shown(void **state)
{
    (void)state;
    const struct secrets secrets = {.failed = true};
    struct buffer out = {0};
    redact(&secrets, SLICE_LITERAL("s3cret"), SIZE_MAX, &out);
    assert_true(out.failed);
    assert_int_equal(out.len, 0);
    buffer_clear(&out);
}

static void names_of_credentials_are_known(void **state)
{
    (void)state;
    static const char *const secret[] = {"Authorization",
                                         "PRIVATE-TOKEN",
                                         "x-api-key",
                                         "Set-Cookie",
                                         "DB_PASSWORD",
                                         "x-functions-key",
                                         "Ocp-Apim-Subscription-Key",
                                         "X-Session-Id"};
    static const char *const plain[] = {"Content-Type", "Author",          "X-Request-Id", "",
                                        "Accept",       "Idempotency-Key", "Key",          "X-Partition-Key"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        assert_true(secret_name(edge_of(secret[i])));
        assert_false(secret_name(edge_of(plain[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_found_wherever_it_stands),
        cmocka_unit_test(the_longest_of_overlapping_ones_counts),
        cmocka_unit_test(escapes_are_seen_through),
        cmocka_unit_test(base64_and_hexadecimal_are_seen_through),
        cmocka_unit_test(digits_in_lines_and_with_colons_are_seen_through),
        cmocka_unit_test(a_long_one_is_known_by_its_beginning),
        cmocka_unit_test(the_beginning_of_one_at_the_end_of_a_text_counts),
        cmocka_unit_test(the_beginning_of_one_where_a_text_was_cut_counts),
        cmocka_unit_test(no_more_than_the_limit_is_given),
        cmocka_unit_test(a_limit_cuts_between_characters),
        cmocka_unit_test(short_ones_are_left_out),
        cmocka_unit_test(the_work_grows_with_the_text_alone),
        cmocka_unit_test(a_very_long_one_is_found_in_one_go),
        cmocka_unit_test(without_memory_for_the_list_nothing_is_shown),
        cmocka_unit_test(names_of_credentials_are_known),
    };
    return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
