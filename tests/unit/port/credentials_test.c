/* Reading the answer of GET /v1/kafka-credentials. */
#include "../edge.h"
#include "port/api.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_list_or_a_text_of_brokers_is_read(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "{\"credentials\":{\"brokers\":[\"a:9\",\"b:9\"],\"username\":\"u\",\"password\":\"p\"}}",
        "{\"ok\":true,\"credentials\":{\"brokers\":\"a:9,b:9\",\"username\":\"u\",\"password\":\"p\"}}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct kafka_credentials credentials;
        struct error err = {0};
        assert_int_equal(kafka_credentials_parse(edge_of(answers[i]), &credentials, &err), 0);
        assert_string_equal(credentials.brokers, "a:9,b:9");
        assert_string_equal(credentials.username, "u");
        assert_string_equal(credentials.password, "p");
        kafka_credentials_clear(&credentials);
        assert_null(credentials.password);
        kafka_credentials_clear(&credentials);
    }
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *missing;
    } cases[] = {
        {"", "brokers"},
        {"null", "brokers"},
        {"[1]", "brokers"},
        {"{\"credentials\":", "brokers"},
        {"{\"credentials\":\"x\"}", "brokers"},
        {"{\"credentials\":{\"brokers\":\"a\",\"username\":\"u\",\"password\":\"p\"}}}", "brokers"},
        {"{\"credentials\":{\"brokers\":[],\"username\":\"u\",\"password\":\"p\"}}", "brokers"},
        {"{\"credentials\":{\"brokers\":[1,null],\"username\":\"u\",\"password\":\"p\"}}", "brokers"},
        {"{\"credentials\":{\"brokers\":\"a\",\"password\":\"p\"}}", "username"},
        {"{\"credentials\":{\"brokers\":\"a\",\"username\":\"u\",\"password\":7}}", "password"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kafka_credentials credentials;
        struct error err = {0};
        assert_int_equal(kafka_credentials_parse(edge_of(cases[i].answer), &credentials, &err),
                         PA_ERR_INVALID);
        if (!strstr(err.message, cases[i].missing))
            fail_msg("%s: %s", cases[i].answer, err.message);
        assert_null(credentials.brokers);
        assert_null(credentials.username);
        assert_null(credentials.password);
    }
}

static void the_null_slice_is_an_error(void **state)
{
    (void)state;
    struct kafka_credentials credentials;
    assert_int_equal(kafka_credentials_parse((struct slice){NULL, 0}, &credentials, NULL), PA_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_or_a_text_of_brokers_is_read),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(the_null_slice_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
