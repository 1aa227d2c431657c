/* Signatures: which are made, which are accepted, and what is said of the others. */
#include "event/signature.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char payload[] = "{\"a\":1}";

/** An event that carries them; NULL: the member is not there. */
static struct event event_with(const char *timestamp, const char *signature)
{
    return (struct event){.payload = {.ptr = payload, .len = sizeof payload - 1},
                          .has_timestamp_member = timestamp != NULL,
                          .has_signature_member = signature != NULL,
                          .timestamp = slice_of(timestamp),
                          .signature = slice_of(signature)};
}

static void assert_verdict(struct signer *signer, const char *timestamp, const char *signature,
                           enum signature_verdict expected)
{
    struct event event = event_with(timestamp, signature);
    enum signature_verdict verdict = signer_verify(signer, &event);
    if (verdict != expected)
        fail_msg("%s, %s: %d", timestamp, signature, verdict);
}

/** Computed with another program: openssl dgst -sha256 -hmac secret. */
#define TIMESTAMP "1768317616"
#define OF_SECRET "v1,zWSYuRB/8tV8IAGVi7VNzynYRegtkaZb8LM0jN78WOs="
#define OF_NOTHING "v1,4wq3XvbpLNvGU5YYzArELf2t/malcgOeuHxWX4ZyKdI="

static void a_signature_is_over_timestamp_and_payload(void **state)
{
    (void)state;
    char text[SIGNATURE_SIZE], number[SIGNATURE_SIZE];
    struct signer *signer = signer_new(slice_of("secret"));
    assert_int_equal(signer_sign_text(signer, slice_of(TIMESTAMP), slice_of(payload), text), 0);
    assert_int_equal(signer_sign(signer, 1768317616, slice_of(payload), number), 0);
    assert_string_equal(text, OF_SECRET);
    assert_string_equal(number, OF_SECRET);
    assert_int_equal(signer_sign(signer, 1768317616, (struct slice){"", 0}, number), 0);
    assert_string_equal(number, OF_NOTHING);
    signer_free(signer);
    struct signer *empty = signer_new((struct slice){"", 0}), *none = signer_new((struct slice){NULL, 0});
    assert_int_equal(signer_sign_text(empty, slice_of(TIMESTAMP), slice_of(payload), text), 0);
    assert_int_equal(signer_sign_text(none, slice_of(TIMESTAMP), slice_of(payload), number), 0);
    assert_string_equal(text, number);
    assert_string_not_equal(text, OF_SECRET);
    signer_free(empty);
    signer_free(none);
}

static void what_is_missing_malformed_and_wrong_is_told_apart(void **state)
{
    (void)state;
    static const char other[] = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    struct signer *signer = signer_new(slice_of("secret"));
    assert_verdict(signer, TIMESTAMP, OF_SECRET, SIGNATURE_VALID);
    assert_verdict(signer, NULL, OF_SECRET, SIGNATURE_MISSING);
    assert_verdict(signer, TIMESTAMP, NULL, SIGNATURE_MISSING);
    assert_verdict(signer, "", OF_SECRET, SIGNATURE_MALFORMED);
    assert_verdict(signer, "1768317616.0", OF_SECRET, SIGNATURE_MALFORMED);
    assert_verdict(signer, "1768317617", OF_SECRET, SIGNATURE_WRONG);
    assert_verdict(signer, TIMESTAMP, "", SIGNATURE_WRONG);
    assert_verdict(signer, TIMESTAMP, OF_SECRET "=", SIGNATURE_WRONG);
    assert_verdict(signer, TIMESTAMP, other, SIGNATURE_WRONG);
    signer_free(signer);
    signer = signer_new(slice_of("secret2"));
    assert_verdict(signer, TIMESTAMP, OF_SECRET, SIGNATURE_WRONG);
    signer_free(signer);
}

static void a_member_that_is_no_text_is_a_wrong_signature(void **state)
{
    (void)state;
    struct signer *signer = signer_new(slice_of("secret"));
    struct event event = event_with(TIMESTAMP, "");
    event.signature = (struct slice){NULL, 0};
    assert_int_equal(signer_verify(signer, &event), SIGNATURE_WRONG);
    event = event_with("", OF_SECRET);
    event.timestamp = (struct slice){NULL, 0};
    assert_int_equal(signer_verify(signer, &event), SIGNATURE_MALFORMED);
    signer_free(signer);
}

static void the_secret_before_is_accepted_and_never_signs(void **state)
{
    (void)state;
    char signature[SIGNATURE_SIZE];
    struct signer *signer = signer_new(slice_of("new"));
    struct signer *empty = signer_new((struct slice){"", 0}), *least = signer_new(slice_of("x"));
    assert_int_equal(signer_accept_too(signer, (struct slice){NULL, 0}), 0); /* nobody's */
    assert_verdict(signer, TIMESTAMP, OF_SECRET, SIGNATURE_WRONG);
    assert_int_equal(signer_sign_text(empty, slice_of(TIMESTAMP), slice_of(payload), signature), 0);
    assert_verdict(signer, TIMESTAMP, signature, SIGNATURE_WRONG);
    assert_int_equal(signer_sign_text(least, slice_of(TIMESTAMP), slice_of(payload), signature), 0);
    assert_int_equal(signer_accept_too(signer, slice_of("x")), 0);
    assert_verdict(signer, TIMESTAMP, signature, SIGNATURE_VALID);
    signer_free(empty);
    signer_free(least);
    assert_int_equal(signer_accept_too(signer, slice_of("older")), 0);
    assert_int_equal(signer_accept_too(signer, slice_of("secret")), 0); /* beside that */
    assert_verdict(signer, TIMESTAMP, OF_SECRET, SIGNATURE_VALID);
    assert_verdict(signer, "1768317617", OF_SECRET, SIGNATURE_WRONG);
    assert_int_equal(signer_sign_text(signer, slice_of(TIMESTAMP), slice_of(payload), signature), 0);
    assert_string_not_equal(signature, OF_SECRET);
    assert_verdict(signer, TIMESTAMP, signature, SIGNATURE_VALID);
    signer_free(signer);
    signer_free(NULL);
}

static void a_copy_signs_and_accepts_the_same_on_its_own(void **state)
{
    (void)state;
    char signature[SIGNATURE_SIZE], copied[SIGNATURE_SIZE];
    struct signer *signer = signer_new(slice_of("new")), *plain = signer_copy(signer);
    assert_non_null(plain);
    assert_int_equal(signer_accept_too(signer, slice_of("older")), 0);
    assert_int_equal(signer_accept_too(signer, slice_of("secret")), 0);
    struct signer *copy = signer_copy(signer);
    assert_non_null(copy);
    assert_int_equal(signer_sign_text(signer, slice_of(TIMESTAMP), slice_of(payload), signature), 0);
    signer_free(signer);
    assert_int_equal(signer_sign_text(copy, slice_of(TIMESTAMP), slice_of(payload), copied), 0);
    assert_string_equal(copied, signature);
    assert_verdict(copy, TIMESTAMP, OF_SECRET, SIGNATURE_VALID);
    assert_verdict(plain, TIMESTAMP, signature, SIGNATURE_VALID);
    assert_verdict(plain, TIMESTAMP, OF_SECRET, SIGNATURE_WRONG);
    signer_free(copy);
    signer_free(plain);
}

static void a_signer_takes_another_secret_and_others_to_accept(void **state)
{
    (void)state;
    const struct slice too[] = {{NULL, 0}, SLICE_LITERAL("older"), SLICE_LITERAL("secret")};
    char signature[SIGNATURE_SIZE], older[SIGNATURE_SIZE];
    struct signer *signer = signer_new(slice_of("first")), *other = signer_new(slice_of("older"));
    assert_int_equal(signer_accept_too(signer, slice_of("secret")), 0);
    assert_int_equal(signer_change(signer, slice_of("new"), NULL, 0), 0);
    assert_verdict(signer, TIMESTAMP, OF_SECRET, SIGNATURE_WRONG); /* forgotten */
    assert_int_equal(signer_change(signer, slice_of("new"), too, 3), 0);
    assert_verdict(signer, TIMESTAMP, OF_SECRET, SIGNATURE_VALID);
    assert_int_equal(signer_sign_text(other, slice_of(TIMESTAMP), slice_of(payload), older), 0);
    assert_verdict(signer, TIMESTAMP, older, SIGNATURE_VALID);
    assert_int_equal(signer_sign_text(signer, slice_of(TIMESTAMP), slice_of(payload), signature), 0);
    assert_verdict(signer, TIMESTAMP, signature, SIGNATURE_VALID);
    assert_string_not_equal(signature, OF_SECRET);
    signer_free(signer);
    signer_free(other);
}

static void a_timestamp_is_whole_seconds_in_decimal(void **state)
{
    (void)state;
    static const char *const usable[] = {"0", "9", "1768317616", "123456789012345678"};
    static const char *const others[] = {"",    "-1",  "+1", " 1", "1 ",
                                         "1e3", "1.0", "/",  ":",  "1234567890123456789"};
    for (size_t i = 0; i < sizeof usable / sizeof *usable; i++)
        if (!signature_timestamp_is_usable(slice_of(usable[i])))
            fail_msg("'%s' is not usable", usable[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (signature_timestamp_is_usable(slice_of(others[i])))
            fail_msg("'%s' is usable", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_over_timestamp_and_payload),
        cmocka_unit_test(what_is_missing_malformed_and_wrong_is_told_apart),
        cmocka_unit_test(a_member_that_is_no_text_is_a_wrong_signature),
        cmocka_unit_test(the_secret_before_is_accepted_and_never_signs),
        cmocka_unit_test(a_copy_signs_and_accepts_the_same_on_its_own),
        cmocka_unit_test(a_signer_takes_another_secret_and_others_to_accept),
        cmocka_unit_test(a_timestamp_is_whole_seconds_in_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
