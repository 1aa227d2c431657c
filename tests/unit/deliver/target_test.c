/* URLs parsed once: which are kept for the next event, and that none is forgotten or freed too early. */
#include "deliver/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = sizeof((struct targets *)0)->kept / sizeof *((struct targets *)0)->kept };

static struct target *find(struct targets *targets, const char *url)
{
    struct error err = {0};
    struct target *target = target_find(targets, slice_of(url), &err);
    if (!target)
        fail_msg("%s: %s", url, err.message);
    return target;
}

/** Another URL that is kept in the slot of the first. */
static void url_of_same_slot(const char *first, char out[32])
{
    for (unsigned i = 0;; i++) {
        snprintf(out, 32, "http://host-%u/", i);
        if (slice_hash(slice_of(out)) % SLOTS == slice_hash(slice_of(first)) % SLOTS)
            return;
    }
}

static void a_url_is_parsed_once(void **state)
{
    (void)state;
    static struct targets targets;
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

static void another_url_takes_the_slot_and_who_holds_the_first_keeps_it(void **state)
{
    (void)state;
    static const char url[] = "http://svc/";
    static struct targets targets;
    char other[32];
    url_of_same_slot(url, other);
    struct target *held = find(&targets, url), *second = find(&targets, other);
    assert_ptr_not_equal(held, second);
    assert_int_equal(held->references, 1);
    assert_string_equal(held->parts.url, url);
    assert_int_equal(second->references, 2);
    target_release(held); /* nobody's any more: it is freed */
    target_release(second);
    target_release(find(&targets, url)); /* and the second one is, in its turn */
    targets_free(&targets);
}

static void what_is_long_is_made_for_one_event_alone(void **state)
{
    (void)state;
    static struct targets targets;
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

static void what_is_no_url_leaves_the_slot_alone(void **state)
{
    (void)state;
    static struct targets targets;
    struct error err = {0};
    assert_null(target_find(&targets, slice_of("svc"), &err));
    assert_true(*err.message);
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
        cmocka_unit_test(another_url_takes_the_slot_and_who_holds_the_first_keeps_it),
        cmocka_unit_test(what_is_long_is_made_for_one_event_alone),
        cmocka_unit_test(what_is_no_url_leaves_the_slot_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
