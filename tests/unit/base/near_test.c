/* How far one word is from another, and which word was meant. */
#include "base/near.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_slip_is_a_letter_more_less_changed_or_two_swapped(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned slips;
    } cases[] = {{"", "", 0},
                 {"a", "a", 0},
                 {"a", "", 1},
                 {"", "abc", 3},
                 {"a", "b", 1},
                 {"ab", "ba", 1},
                 {"abc", "bac", 1},
                 {"abc", "acb", 1},
                 {"abc", "cba", 2},
                 {"abcd", "badc", 2},
                 {"check", "chekc", 1},
                 {"check", "chek", 1},
                 {"check", "checks", 1},
                 {"check", "cheek", 1},
                 {"abc", "xyz", 3},
                 {"kitten", "sitting", 3},
                 {"ab", "bca", 3},
                 {"events", "listen", 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (near_distance(cases[i].a, cases[i].b) != cases[i].slips)
            fail_msg("%s, %s: %u", cases[i].a, cases[i].b, near_distance(cases[i].a, cases[i].b));
        if (near_distance(cases[i].b, cases[i].a) != cases[i].slips)
            fail_msg("%s, %s: %u", cases[i].b, cases[i].a, near_distance(cases[i].b, cases[i].a));
    }
}

static void longer_words_are_allowed_more_slips(void **state)
{
    (void)state;
    static const unsigned allowed[] = {0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3};
    static const char letters[] = "abcdefghijklmno";
    for (size_t len = 0; len < sizeof letters; len++)
        assert_int_equal(near_allowed(letters + sizeof letters - 1 - len), allowed[len]);
}

static void the_nearest_word_is_meant_and_the_first_of_those_as_near(void **state)
{
    (void)state;
    static const char *const words[] = {"run", "check", "events", "resume", "pause", NULL}, *const none[] = {
                                                                                                NULL};
    assert_string_equal(near_word("rum", words), "run");
    assert_string_equal(near_word("run", words), "run");
    assert_string_equal(near_word("chekc", words), "check");
    assert_string_equal(near_word("evens", words), "events");
    assert_null(near_word("r", words));
    assert_null(near_word("sleep", words));
    assert_null(near_word("check", none));
    static const char *const alike[] = {"aab", "aac", NULL};
    assert_string_equal(near_word("aaa", alike), "aab");
    static const char *const nearer[] = {"abcdxx", "abcdex", NULL};
    assert_string_equal(near_word("abcdef", nearer), "abcdex");
}

static void words_that_are_too_long_are_none(void **state)
{
    (void)state;
    char longest[NEAR_MAX_LEN + 1], longer[NEAR_MAX_LEN + 2], slip[NEAR_MAX_LEN + 1];
    memset(longest, 'a', sizeof longest);
    memset(longer, 'a', sizeof longer);
    longest[NEAR_MAX_LEN] = longer[NEAR_MAX_LEN + 1] = '\0';
    memcpy(slip, longest, sizeof slip);
    slip[5] = 'b';
    const char *const words[] = {longer, longest, NULL};
    assert_ptr_equal(near_word(slip, words), longest);
    assert_null(near_word(longer, words));
}

static void a_question_is_asked_of_what_is_near_alone(void **state)
{
    (void)state;
    char question[NEAR_QUESTION_SIZE], longest[NEAR_MAX_LEN + 1];
    assert_string_equal(near_question("", NULL, question), "");
    assert_string_equal(near_question("", "check", question), " (did you mean check?)");
    assert_string_equal(near_question("--", "run", question), " (did you mean --run?)");
    memset(longest, 'a', NEAR_MAX_LEN);
    longest[NEAR_MAX_LEN] = '\0';
    assert_int_equal(strlen(near_question("--", longest, question)),
                     strlen(" (did you mean --?)") + NEAR_MAX_LEN);
    assert_string_equal(question + strlen(question) - 2, "?)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_is_a_letter_more_less_changed_or_two_swapped),
        cmocka_unit_test(longer_words_are_allowed_more_slips),
        cmocka_unit_test(the_nearest_word_is_meant_and_the_first_of_those_as_near),
        cmocka_unit_test(words_that_are_too_long_are_none),
        cmocka_unit_test(a_question_is_asked_of_what_is_near_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
