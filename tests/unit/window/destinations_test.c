/* Destinations by name: which are remembered when they are idle, and which are forgotten. */
#include "window/destination.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PLACES = sizeof((struct destinations *)0)->idle / sizeof *((struct destinations *)0)->idle };

static char listed[256];

static void list_name(void *ctx, const struct destination *destination)
{
    (void)ctx;
    strcat(listed, destination->name);
    strcat(listed, ";");
}

static const char *list_all(const struct destinations *all)
{
    *listed = '\0';
    destinations_each(all, list_name, NULL);
    return listed;
}

/** Names that are remembered in the same place, `size` bytes each. */
static void names_of_one_place(size_t place, size_t count, char names[][32])
{
    size_t found = 0;
    for (unsigned i = 0; found < count; i++) {
        snprintf(names[found], 32, "http://host-%u", i);
        found += slice_hash(slice_of(names[found])) % PLACES == place;
    }
}

static struct schedule schedule;

static struct destination *idle(struct destinations *all, const char *name)
{
    struct destination *destination = destination_find(all, name, 7);
    assert_non_null(destination);
    destination_settle(destination);
    return destination;
}

static void each_name_is_made_once_and_shown_in_order(void **state)
{
    (void)state;
    struct destinations all = {.schedule = &schedule};
    static const char *const names[] = {"http://m", "http://c", "http://t",
                                        "http://a", "http://z", "http://e"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct destination *destination = destination_find(&all, names[i], 7);
        assert_string_equal(destination->name, names[i]);
        assert_int_equal(destination->limit, 7);
        assert_ptr_equal(destination_find(&all, names[i], 8), destination);
        assert_int_equal(destination->limit, 7);
    }
    assert_string_equal(list_all(&all), "http://a;http://c;http://e;http://m;http://t;http://z;");
    destinations_free(&all);
    assert_string_equal(list_all(&(struct destinations){0}), "");
}

static void an_idle_one_is_remembered_until_another_takes_its_place(void **state)
{
    (void)state;
    struct destinations all = {.schedule = &schedule};
    char names[2][32], elsewhere[1][32], expected[80];
    names_of_one_place(3, 2, names);
    names_of_one_place(4, 1, elsewhere);
    struct destination *first = idle(&all, names[0]);
    first->latency_ms = 42;
    destination_settle(first); /* of itself it takes no place */
    idle(&all, elsewhere[0]);
    assert_ptr_equal(destination_find(&all, names[0], 7), first);
    assert_true(first->latency_ms > 41);
    idle(&all, names[1]);
    bool ordered = strcmp(names[1], elsewhere[0]) < 0;
    snprintf(expected, sizeof expected, "%s;%s;", ordered ? names[1] : elsewhere[0],
             ordered ? elsewhere[0] : names[1]);
    assert_string_equal(list_all(&all), expected);
    destinations_free(&all);
}

enum use { REFERENCES, IN_TURN, IN_KEPT_RING, USES };

static void use(struct destination *destination, enum use how, bool used)
{
    destination->references = used && how == REFERENCES;
    destination->in_turn = used && how == IN_TURN;
    destination->in_kept_ring = used && how == IN_KEPT_RING;
}

static void one_in_use_is_neither_remembered_nor_forgotten(void **state)
{
    (void)state;
    char names[3][32];
    names_of_one_place(5, 3, names);
    for (enum use how = 0; how < USES; how++) {
        struct destinations all = {.schedule = &schedule};
        struct destination *first = destination_find(&all, names[0], 7), *second = idle(&all, names[1]);
        use(first, how, true);
        destination_settle(first); /* in use: the second keeps its place */
        assert_ptr_equal(all.idle[5], second);
        use(second, how, true); /* used again: whoever takes its place does not end it */
        use(first, how, false);
        destination_settle(first);
        assert_ptr_equal(all.idle[5], first);
        assert_ptr_equal(destination_find(&all, names[1], 7), second);
        use(first, how, true);
        idle(&all, names[2]);
        assert_ptr_equal(destination_find(&all, names[0], 7), first);
        destinations_free(&all);
    }
}

static void a_breaker_is_counted_while_it_is_not_closed(void **state)
{
    (void)state;
    struct destinations all = {.schedule = &schedule, .breakers_open = 1};
    char names[2][32];
    names_of_one_place(6, 2, names);
    struct destination *first = destination_find(&all, names[0], 7);
    destination_close_breaker(first); /* it is closed */
    assert_int_equal(all.breakers_open, 1);
    first->breaker.state = BREAKER_OPEN;
    destination_settle(first);
    idle(&all, names[1]); /* forgotten with it */
    assert_int_equal(all.breakers_open, 0);
    destinations_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_is_made_once_and_shown_in_order),
        cmocka_unit_test(an_idle_one_is_remembered_until_another_takes_its_place),
        cmocka_unit_test(one_in_use_is_neither_remembered_nor_forgotten),
        cmocka_unit_test(a_breaker_is_counted_while_it_is_not_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
