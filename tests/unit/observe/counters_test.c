/* The table of counters: the struct, the summary line and the documentation say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "observe/counters.h"

/** Each counter has its place in the table as its value: 1, 2, … */
static struct counters numbered(void)
{
    struct counters counters;
    uint64_t *values = (uint64_t *)(void *)&counters;
    for (size_t i = 0; i < COUNTERS_COUNT; i++)
        values[i] = i + 1;
    return counters;
}

static void the_summary_line_has_every_counter_in_order_and_then_the_sources_fields(void **state)
{
    (void)state;
    struct counters counters = numbered();
    struct caught caught = logs_catch();
    const struct log_field more[] = {F_INT("partitions", 7), F_BOOL("all_read", true)};
    counters_log_summary(&counters, more, 2);
    char *text = logs_end(&caught);
    assert_non_null(strstr(
        text, "\"level\":\"INFO\",\"msg\":\"summary\",\"taken\":1,\"delivered\":2,\"failed\":3,\"retries\":4,"
              "\"skipped\":5,\"expired\":6,\"stale\":7,\"deduplicated\":8,"
              "\"bad_records\":9,\"bad_signatures\":10,\"dropped\":11,\"refused_results\":12,"
              "\"resent\":13,\"read_again\":14,\"gone\":15,\"signature_age_s\":16,"
              "\"queued\":17,\"in_flight\":18,\"kept\":19,\"waiting_for_retry\":20,"
              "\"waiting_for_port\":21,\"circuits_open\":22,\"bytes_held\":23,\"report_bytes\":24,"
              "\"dead_letters_written\":25,\"dead_letters_waiting\":26,\"spans_dropped\":27,"
              "\"partitions\":7,\"all_read\":true}\n"));
    free(text);
}

static void a_counter_that_the_agent_has_not_got_is_left_out(void **state)
{
    (void)state;
    struct counters counters = numbered();
    struct caught caught = logs_catch();
    counters.dead_letters_written = counters.dead_letters_waiting = counters.spans_dropped = COUNTER_NONE;
    counters_log_summary(&counters, NULL, 0);
    char *text = logs_end(&caught);
    assert_non_null(strstr(text, "\"report_bytes\":24}\n"));
    free(text);
}

static void fields_that_are_too_many_are_left_out(void **state)
{
    (void)state;
    struct counters counters = numbered();
    struct caught caught = logs_catch();
    struct log_field more[64];
    for (size_t i = 0; i < 64; i++)
        more[i] = F_INT("more", i);
    counters_log_summary(&counters, more, 64);
    char *text = logs_end(&caught);
    assert_non_null(strstr(text, "\"more\":15}\n"));
    free(text);
}

static void no_summary_is_made_for_a_level_that_is_off(void **state)
{
    (void)state;
    struct counters counters = numbered();
    FILE *file = tmpfile();
    assert_non_null(file);
    struct log_options options = {.fd = fileno(file), .level = LOG_WARNING};
    struct log *log = log_new(&options), *before = log_set_current(log);
    counters_log_summary(&counters, NULL, 0);
    log_set_current(before);
    log_free(log, 2000);
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
}

static void the_table_names_the_members_of_the_struct(void **state)
{
    (void)state;
    struct counters counters = numbered();
    assert_true(slice_equal_text(counters_table[0].name, "taken"));
    assert_int_equal(counters_value(&counters, 0), counters.taken);
    assert_true(slice_equal_text(counters_table[14].name, "gone"));
    assert_int_equal(counters_value(&counters, 14), counters.gone);
    assert_int_equal(counters_table[14].kind, COUNTER_TOTAL);
    assert_int_equal(counters_table[15].kind, COUNTER_NOW);
    for (size_t i = 0; i < COUNTERS_COUNT; i++)
        assert_true(*counters_table[i].unit && *counters_table[i].help);
}

static char *read_document(void)
{
    const char *path = getenv("OPERATING_MD");
    FILE *file = path ? fopen(path, "r") : NULL;
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    return text;
}

/** When it fails, it prints the table as it should be. */
static void the_documentation_is_the_table(void **state)
{
    (void)state;
    struct buffer table = {0};
    char *document = read_document();
    buffer_append_text(&table, "| field | unit | what it counts |\n|---|---|---|\n");
    for (size_t i = 0; i < COUNTERS_COUNT; i++) {
        const struct counter *counter = &counters_table[i];
        buffer_appendf(&table, "| `%s` | %s%s | %s |\n", counter->name.ptr, counter->unit,
                       counter->kind == COUNTER_NOW ? ", now" : "", counter->help);
    }
    if (!strstr(document, buffer_text(&table)))
        print_error("docs/operating.md should have this table:\n%s", buffer_text(&table));
    assert_non_null(strstr(document, buffer_text(&table)));
    buffer_clear(&table);
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_summary_line_has_every_counter_in_order_and_then_the_sources_fields),
        cmocka_unit_test(a_counter_that_the_agent_has_not_got_is_left_out),
        cmocka_unit_test(fields_that_are_too_many_are_left_out),
        cmocka_unit_test(no_summary_is_made_for_a_level_that_is_off),
        cmocka_unit_test(the_table_names_the_members_of_the_struct),
        cmocka_unit_test(the_documentation_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
