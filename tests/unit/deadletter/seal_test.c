/* A letter's MAC: over every member, unambiguous, and under a key of its own. */
#include "../edge.h"
#include "deadletter/seal.h"
#include "event/signature.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char ID[] = "0123456789abcdef";

static struct dead_letter letter_of(void)
{
    return (struct dead_letter){.reason = "no answer",
                                .attempts = 5,
                                .status = 503,
                                .topic = "",
                                .partition = -1,
                                .offset = -1,
                                .id = SLICE_LITERAL("r_1"),
                                .time_ms = 1768317616641,
                                .url = "https://svc.internal/",
                                .run_id = SLICE_LITERAL("r_1"),
                                .key = {NULL, 0},
                                .value = SLICE_LITERAL("{\"a\":1}")};
}

static void mac_of(struct letter_seal *seal, const char *id, const struct dead_letter *letter,
                   char out[LETTER_MAC_SIZE])
{
    assert_int_equal(letter_seal_mac(seal, slice_of(id), letter, out), 0);
}

static void a_mac_is_the_same_for_the_same_letter_and_secret(void **state)
{
    (void)state;
    char mac[LETTER_MAC_SIZE];
    struct dead_letter letter = letter_of();
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("s3cret-of-the-organisation-0123456789"));
    mac_of(seal, ID, &letter, mac);
    /* From Python: HMAC-SHA-256 under HKDF-SHA-256(secret, info "port-agent dead letters 1"). */
    assert_string_equal(mac, "dl1,mBPnrqg8L/Un8hPIsRh+OLp5WV9crptdvpM1GdEMR2M=");
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, slice_of(mac)), SEAL_VALID);
    letter_seal_free(seal);
}

static void every_member_changes_the_mac(void **state)
{
    (void)state;
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("secret"));
    struct dead_letter letters[16];
    char macs[16][LETTER_MAC_SIZE];
    size_t count = 0;
    for (; count < 15; count++)
        letters[count] = letter_of();
    letters[1].reason = "no answe";
    letters[2].attempts = 6;
    letters[3].status = -503;
    letters[4].topic = "org.runs";
    letters[5].partition = 0;
    letters[6].offset = 0;
    letters[7].id = SLICE_LITERAL("r_2");
    letters[8].time_ms++;
    letters[9].url = "";
    letters[10].run_id = (struct slice){NULL, 0};
    letters[11].run_id = SLICE_LITERAL("");
    letters[12].key = SLICE_LITERAL("");
    letters[13].value = SLICE_LITERAL("{\"a\":1} ");
    letters[14].value = (struct slice){NULL, 0};
    for (size_t i = 0; i < count; i++)
        mac_of(seal, ID, &letters[i], macs[i]);
    letters[15] = letter_of();
    mac_of(seal, "0123456789abcdee", &letters[15], macs[15]);
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(macs[i], macs[j]) == 0)
                fail_msg("letters %zu and %zu have one MAC", i, j);
    letter_seal_free(seal);
}

static void what_is_in_one_member_cannot_pass_as_being_in_the_next(void **state)
{
    (void)state;
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("secret"));
    struct dead_letter one = letter_of(), other = letter_of();
    char mac[LETTER_MAC_SIZE], another[LETTER_MAC_SIZE];
    one.key = SLICE_LITERAL("a");
    one.value = SLICE_LITERAL("b");
    other.key = SLICE_LITERAL("a,1:b");
    other.value = (struct slice){NULL, 0};
    mac_of(seal, ID, &one, mac);
    mac_of(seal, ID, &other, another);
    assert_string_not_equal(mac, another);
    one.key = (struct slice){NULL, 0};
    other = one;
    other.key = SLICE_LITERAL("-");
    mac_of(seal, ID, &one, mac);
    mac_of(seal, ID, &other, another);
    assert_string_not_equal(mac, another);
    letter_seal_free(seal);
}

static void another_secret_gives_another_mac(void **state)
{
    (void)state;
    char mac[LETTER_MAC_SIZE];
    struct dead_letter letter = letter_of();
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("secret")),
                       *other = letter_seal_new(SLICE_LITERAL("secret2"));
    mac_of(seal, ID, &letter, mac);
    assert_int_equal(letter_seal_verify(other, slice_of(ID), &letter, slice_of(mac)), SEAL_WRONG);
    letter_seal_free(seal);
    letter_seal_free(other);
}

static void macs_under_the_secret_before_are_valid_too_and_none_is_made_with_it(void **state)
{
    (void)state;
    char before[LETTER_MAC_SIZE], now[LETTER_MAC_SIZE], again[LETTER_MAC_SIZE];
    struct dead_letter letter = letter_of();
    struct letter_seal *old = letter_seal_new(SLICE_LITERAL("old")),
                       *seal = letter_seal_new(SLICE_LITERAL("new")),
                       *other = letter_seal_new(SLICE_LITERAL("other"));
    mac_of(old, ID, &letter, before);
    mac_of(seal, ID, &letter, now);
    assert_int_equal(letter_seal_accept_too(seal, SLICE_LITERAL("")), 0);
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, slice_of(before)), SEAL_WRONG);
    assert_int_equal(letter_seal_accept_too(seal, SLICE_LITERAL("other")), 0);
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, slice_of(before)), SEAL_WRONG);
    assert_int_equal(letter_seal_accept_too(seal, SLICE_LITERAL("old")), 0); /* instead of the other */
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, slice_of(before)), SEAL_VALID);
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, slice_of(now)), SEAL_VALID);
    mac_of(seal, ID, &letter, again);
    assert_string_equal(again, now);
    mac_of(other, ID, &letter, again);
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, slice_of(again)), SEAL_WRONG);
    letter_seal_free(old);
    letter_seal_free(seal);
    letter_seal_free(other);
    letter_seal_free(NULL);
}

static void a_mac_that_is_missing_is_told_from_a_wrong_one(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "dl1,", "v1,",
                                        "dl1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    struct dead_letter letter = letter_of();
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("secret"));
    assert_int_equal(letter_seal_verify(seal, slice_of(ID), &letter, (struct slice){NULL, 0}), SEAL_MISSING);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(letter_seal_verify(seal, edge_of(ID), &letter, edge_of(wrong[i])), SEAL_WRONG);
    letter_seal_free(seal);
}

/** The one that has the client secret signs whatever it is given: none of it is a letter's MAC, even over the
 * very bytes that the MAC is over. */
static void nothing_that_is_signed_is_a_mac(void **state)
{
    (void)state;
    static const char bytes[] =
        "dead letter 1\n16:0123456789abcdef,13:1768317616641,9:no answer,1:5,3:503,0:,"
        "2:-1,2:-1,3:r_1,21:https://svc.internal/,3:r_1,-,7:{\"a\":1},";
    static const char *const timestamps[] = {"", "1768317616", "dead letter 1\n",
                                             "port-agent dead letters 1"};
    char mac[LETTER_MAC_SIZE], signature[SIGNATURE_SIZE];
    struct dead_letter letter = letter_of();
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL("secret"));
    struct signer *signer = signer_new(SLICE_LITERAL("secret"));
    mac_of(seal, ID, &letter, mac);
    for (size_t i = 0; i < sizeof timestamps / sizeof *timestamps; i++) {
        assert_int_equal(signer_sign_text(signer, edge_of(timestamps[i]), SLICE_LITERAL(bytes), signature),
                         0);
        assert_string_not_equal(signature + 3, mac + 4);
    }
    signer_free(signer);
    letter_seal_free(seal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mac_is_the_same_for_the_same_letter_and_secret),
        cmocka_unit_test(every_member_changes_the_mac),
        cmocka_unit_test(what_is_in_one_member_cannot_pass_as_being_in_the_next),
        cmocka_unit_test(another_secret_gives_another_mac),
        cmocka_unit_test(macs_under_the_secret_before_are_valid_too_and_none_is_made_with_it),
        cmocka_unit_test(a_mac_that_is_missing_is_told_from_a_wrong_one),
        cmocka_unit_test(nothing_that_is_signed_is_a_mac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
