/* URLs parsed once: which are kept for the next event, and that none is forgotten or freed too early. */
#include "deliver/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct target *find(struct targets *targets, const char *url)
{
    struct error err = {0};
    struct target *target = target_find(targets, slice_of(url), &err);
    if (!target)
        fail_msg("%s: %s", url, err.message);
    return target;
}

/** The URLs number `from` to `to` - 1 are asked for, and let go. */
static void find_many(struct targets *targets, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char url[1024];
        snprintf(url, sizeof url, "http://host-%u/%0900u", i, i);
        target_release(find(targets, url));
        assert_in_range(targets->bytes, 1, TARGETS_BYTES);
    }
}

static void a_url_is_parsed_once(void **state)
{
    (void)state;
    static struct targets targets;
    targets_open(&targets, false);
    struct target *first = find(&targets, "HTTP://svc/a"), *again = find(&targets, "HTTP://svc/a");
    assert_ptr_equal(first, again);
    assert_int_equal(first->references, 3); /* the table's too */
    assert_string_equal(first->written, "HTTP://svc/a");
    assert_string_equal(first->parts.url, "http://svc/a");
    target_release(first);
    target_release(again);
    assert_int_equal(first->references, 1);
    assert_ptr_equal(find(&targets, "HTTP://svc/a"), first);
    target_release(first);
    target_release(NULL);
    targets_free(&targets);
}

static void thousands_of_urls_are_parsed_once(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static struct targets targets;
    static struct target *first[MANY];
    targets_open(&targets, false);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            char url[64];
            snprintf(url, sizeof url, "http://host-%u/hooks", i);
            struct target *target = find(&targets, url);
            if (round == 0)
                first[i] = target;
            assert_ptr_equal(target, first[i]);
            target_release(target);
        }
    }
    targets_free(&targets);
}

static void the_url_not_asked_for_longest_goes_and_who_holds_it_keeps_it(void **state)
{
    (void)state;
    static const char url[] = "http://svc/";
    static struct targets targets;
    targets_open(&targets, false);
    struct target *held = find(&targets, url), *asked = find(&targets, "http://asked/");
    for (unsigned i = 0; held->references > 1; i += 100) {
        find_many(&targets, i, i + 100);
        assert_ptr_equal(find(&targets, "http://asked/"), asked);
        target_release(asked);
    }
    assert_int_equal(held->references, 1);
    assert_string_equal(held->parts.url, url);
    assert_int_equal(asked->references, 2);
    struct target *again = find(&targets, url);
    assert_ptr_not_equal(again, held);
    assert_int_equal(again->references, 2);
    target_release(held); /* nobody's any more: it is freed */
    target_release(again);
    target_release(asked);
    targets_free(&targets);
    assert_int_equal(targets.bytes, 0);
}

static void what_is_long_is_made_for_one_event_alone(void **state)
{
    (void)state;
    static struct targets targets;
    targets_open(&targets, false);
    char url[2100] = "http://svc/";
    memset(url + strlen(url), 'a', 2048 - strlen(url));
    struct target *longest = find(&targets, url);
    assert_int_equal(longest->references, 2);
    url[2048] = 'a';
    struct target *longer = find(&targets, url), *again = find(&targets, url);
    assert_int_equal(longer->references, 1);
    assert_ptr_not_equal(longer, again);
    target_release(longest);
    target_release(longer);
    target_release(again);
    targets_free(&targets);
}

static void what_is_no_url_is_not_kept(void **state)
{
    (void)state;
    static struct targets targets;
    struct error err = {0};
    targets_open(&targets, false);
    assert_null(target_find(&targets, slice_of("svc"), &err));
    assert_true(*err.message);
    assert_int_equal(targets.bytes, 0);
    targets.hide_paths = true;
    struct target *target = find(&targets, "http://svc/secret?a=b");
    assert_null(strstr(target->parts.redacted, "secret"));
    assert_non_null(strstr(target->parts.url, "secret"));
    target_release(target);
    targets_free(&targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_parsed_once),
        cmocka_unit_test(thousands_of_urls_are_parsed_once),
        cmocka_unit_test(the_url_not_asked_for_longest_goes_and_who_holds_it_keeps_it),
        cmocka_unit_test(what_is_long_is_made_for_one_event_alone),
        cmocka_unit_test(what_is_no_url_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
