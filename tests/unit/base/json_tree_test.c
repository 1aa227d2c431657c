/* Text that is one JSON value, and nothing else. */
#include "../edge.h"
#include "base/json_tree.h"
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_value_with_blanks_around_it_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", " {\"a\":1}\r\n\t ", "[1]", "\n7\n", "null"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cJSON *tree = json_tree(edge_of(texts[i]), NULL);
        if (!tree)
            fail_msg("'%s' was not read", texts[i]);
        cJSON_Delete(tree);
    }
}

static void what_else_there_is_is_told_by_its_byte(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "is not JSON, at byte 1"},
        {"{\"a\": x}", "is not JSON, at byte 7"},
        {"{} {}", "has something behind the end of its JSON, at byte 4"},
        {"{}\n}", "has something behind the end of its JSON, at byte 4"},
        {"{},", "has something behind the end of its JSON, at byte 3"},
        {"1 2", "has something behind the end of its JSON, at byte 3"},
        {"nullx", "has something behind the end of its JSON, at byte 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        assert_null(json_tree(edge_of(cases[i][0]), &err));
        assert_int_equal(err.kind, PA_ERR_INVALID);
        assert_string_equal(err.message, cases[i][1]);
    }
    struct error err = {0};
    assert_null(json_tree((struct slice){"{}\0", 3}, &err));
    assert_string_equal(err.message, "has something behind the end of its JSON, at byte 3");
    assert_null(json_tree((struct slice){NULL, 0}, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_with_blanks_around_it_is_read),
        cmocka_unit_test(what_else_there_is_is_told_by_its_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
