/* The sources that STREAMER_NAME chooses from, and what the seam makes of a source that leaves functions out.
 */
#include "agent/streamers.h"
#include "config/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_word_of_the_setting_has_its_source(void **state)
{
    (void)state;
    const struct setting *setting = config_settings;
    while (strcmp(setting->name, "STREAMER_NAME") != 0)
        setting++;
    size_t by_name = 0;
    for (const struct setting_choice *choice = setting->choices; choice->word; choice++) {
        struct config config = {.streamer = (enum streamer)choice->value};
        const struct source_class *class = streamer_of(&config);
        assert_non_null(class);
        assert_true(class->open && class->resume && class->stop_taking && class->idle && class->close &&
                    class->summary && class->assigned);
        by_name += strcmp(choice->word, class->name) == 0;
        config.streamer = STREAMER_KAFKA;
        assert_int_equal(class->descriptors > 0, class == streamer_of(&config));
    }
    assert_int_equal(by_name, 2); /* another word for one of them aside */
}

static void what_fails_without_port_depends_on_the_source_and_its_settings(void **state)
{
    (void)state;
    struct config kafka = {.streamer = STREAMER_KAFKA}, polling = {.streamer = STREAMER_POLLING},
                  local = {.streamer = STREAMER_KAFKA, .local_port = true};
    assert_string_equal(
        streamer_of(&kafka)->without_port(&kafka),
        "no Kafka credentials can be fetched, so nothing is consumed, and no result can be reported");
    assert_string_equal(streamer_of(&local)->without_port(&local),
                        "no result can be reported: what is delivered waits for that, and is not committed");
    assert_string_equal(streamer_of(&polling)->without_port(&polling),
                        "no run can be claimed, and no result can be reported");
}

static size_t two(struct source *source)
{
    (void)source;
    return 2;
}

static size_t three(const struct source *source)
{
    (void)source;
    return 3;
}

static void a_source_whose_records_come_again_gives_nothing_up(void **state)
{
    (void)state;
    static const struct source_class repeats = {.name = "repeats"},
                                     once = {.name = "once", .give_up = two, .abandon = three};
    struct source again = {&repeats}, lost = {&once};
    assert_true(source_comes_again(&again));
    assert_int_equal(source_give_up(&again), 0);
    assert_int_equal(source_abandon(&again), 0);
    assert_false(source_comes_again(&lost));
    assert_int_equal(source_give_up(&lost), 2);
    assert_int_equal(source_abandon(&lost), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_of_the_setting_has_its_source),
        cmocka_unit_test(what_fails_without_port_depends_on_the_source_and_its_settings),
        cmocka_unit_test(a_source_whose_records_come_again_gives_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
