/* Which connections may be used again, for whom, and in which order they go. */
#include "http/connections.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct connections connections;
static struct connection_key key;

static int begin(void **state)
{
    (void)state;
    connections_init(&connections, NULL);
    key = (struct connection_key){.origin = SLICE_LITERAL("http://a:80")};
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_true(TAILQ_EMPTY(&connections.idle));
    assert_int_equal(connections.count, 0);
    assert_int_equal(connections.idle_bytes, 0);
    for (size_t i = 0; i < CONNECTIONS_BUCKETS; i++)
        assert_true(LIST_EMPTY(&connections.buckets[i]));
    return 0;
}

static struct connection *make(void)
{
    struct connection *connection = connection_new(&connections, &key);
    assert_non_null(connection);
    assert_false(connection->used);
    assert_int_equal(connection->fd, CURL_SOCKET_BAD);
    return connection;
}

static void only_one_that_nobody_uses_is_taken(void **state)
{
    (void)state;
    struct connection *connection = make();
    assert_null(connections_take(&connections, &key));
    connection_is_idle(connection, 5);
    assert_true(connection->used);
    assert_int_equal(connection->idle_since_ms, 5);
    assert_ptr_equal(connections_take(&connections, &key), connection);
    assert_null(connections_take(&connections, &key));
    assert_int_equal(connections.count, 1);
    connection_free(connection);
}

static void the_one_that_was_used_last_is_taken_and_the_one_idle_for_longest_is_first(void **state)
{
    (void)state;
    struct connection *a = make(), *b = make(), *c = make();
    connection_is_idle(a, 1);
    connection_is_idle(b, 2);
    connection_is_idle(c, 3);
    assert_ptr_equal(TAILQ_FIRST(&connections.idle), a);
    assert_ptr_equal(connections_take(&connections, &key), c);
    assert_ptr_equal(connections_take(&connections, &key), b);
    connection_is_idle(b, 4);
    connection_is_idle(c, 5);
    assert_ptr_equal(TAILQ_FIRST(&connections.idle), a);
    connection_in_use(a);
    assert_ptr_equal(TAILQ_FIRST(&connections.idle), b);
    assert_ptr_equal(connections_take(&connections, &key), c);
    assert_ptr_equal(connections_take(&connections, &key), b);
    connection_free(a);
    connection_free(b);
    connection_free(c);
}

static void connections_that_lead_elsewhere_are_not_taken(void **state)
{
    (void)state;
    const struct proxy proxy = {0};
    static const char certificate[] = "cert";
    struct connection *connection = make();
    connection_is_idle(connection, 1);
    const struct connection_key others[] = {
        {.origin = SLICE_LITERAL("http://b:80")},           {.origin = SLICE_LITERAL("http://a:8")},
        {.origin = SLICE_LITERAL("http://a:800")},          {.origin = key.origin, .proxy = &proxy},
        {.origin = key.origin, .certificate = certificate},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(connections_take(&connections, &others[i]));
    /* Nor if they are in the same place of the table. */
    char name[32];
    struct connection_key beside = {.origin = {name, 0}};
    uint64_t place = slice_hash(key.origin) % CONNECTIONS_BUCKETS;
    for (int i = 0; beside.origin.len == 0 || slice_hash(beside.origin) % CONNECTIONS_BUCKETS != place; i++)
        beside.origin.len = (size_t)snprintf(name, sizeof name, "http://%06d:80", i);
    assert_null(connections_take(&connections, &beside));
    assert_ptr_equal(connections_take(&connections, &key), connection);
    connection_free(connection);
}

static void what_idle_ones_hold_is_counted(void **state)
{
    (void)state;
    struct connection *plain = make(), *tls = make();
    tls->tls = true;
    assert_int_equal(connections.idle_bytes, 0);
    connection_is_idle(plain, 1);
    assert_int_equal(connections.idle_bytes, CONNECTION_BYTES);
    connection_is_idle(tls, 1);
    assert_int_equal(connections.idle_bytes, CONNECTION_BYTES + CONNECTION_TLS_BYTES);
    connection_in_use(plain);
    assert_int_equal(connections.idle_bytes, CONNECTION_TLS_BYTES);
    connection_in_use(tls);
    connection_free(plain);
    assert_int_equal(connections.count, 1);
    connection_free(tls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_one_that_nobody_uses_is_taken),
        TEST(the_one_that_was_used_last_is_taken_and_the_one_idle_for_longest_is_first),
        TEST(connections_that_lead_elsewhere_are_not_taken),
        TEST(what_idle_ones_hold_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
