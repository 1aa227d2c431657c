/* `port-agent dead-letters list` and `show`: which letters they find in a directory, and what they say of
 * them. */
#include "command.h"
#include "deadletter/internal.h"
#include "deadletter/seal.h"

#define SECRET "s3cret-of-the-organisation-0123456789"
#define VALUE                                                                                               \
    "{\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\"," \
    "\"agent\":"                                                                                            \
    "true,\"url\":\"http://svc/\"}}}}"

/** The letter as the agent writes it, with this ID. */
static void append_letter(struct buffer *out, const char *id, const struct dead_letter *letter)
{
    char mac[LETTER_MAC_SIZE];
    struct letter_seal *seal = letter_seal_new(SLICE_LITERAL(SECRET));
    assert_int_equal(letter_seal_mac(seal, slice_of(id), letter, mac), 0);
    line_append(out, id, letter, mac);
    letter_seal_free(seal);
}

static int write_letters(void **state)
{
    (void)state;
    struct buffer lines = {0};
    struct dead_letter polled = {.reason = "no answer: connection refused",
                                 .attempts = 5,
                                 .topic = "",
                                 .partition = -1,
                                 .offset = -1,
                                 .id = SLICE_LITERAL("r_1"),
                                 .time_ms = 1768317616641, /* 2026-01-13T15:20:16.641Z */
                                 .url = "http://svc/",
                                 .run_id = SLICE_LITERAL("r_1"),
                                 .value = SLICE_LITERAL(VALUE)};
    struct dead_letter other = polled;
    other.reason = "the endpoint answered 503\033[2J";
    other.status = 503;
    other.topic = "org.runs";
    other.partition = 2;
    other.offset = 77;
    other.run_id = (struct slice){NULL, 0};
    other.key = SLICE_LITERAL("key");
    other.value = SLICE_LITERAL("no event");
    other.time_ms += 86400000;
    clear_environment();
    setenv("DEAD_LETTER_DIR", "letters", 1);
    setenv("PORT_ORG_ID", "org", 1);
    setenv("PORT_CLIENT_SECRET", SECRET, 1);
    mkdir("letters", 0700);
    append_letter(&lines, "00000000000000a1", &polled);
    buffer_append_text(&lines, "not a letter\n");
    write_file("letters/dead-letters-2026-01-13.jsonl", buffer_text(&lines));
    lines.len = 0;
    append_letter(&lines, "00000000000000b2", &other);
    append_letter(&lines, "00000000000000c3", &polled);
    write_file("letters/dead-letters-2026-01-14.jsonl", buffer_text(&lines));
    write_file("letters/dead-letters-2026-01-14.replayed", "00000000000000c3 2026-01-15T00:00:00.000Z\n");
    buffer_clear(&lines);
    return 0;
}

static void letters_are_listed_with_what_a_replay_would_do(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_dead_letters, "list", NULL), EXIT_CODE_OK);
    assert_has(printed, "  NO ID               TIME ");
    assert_has(
        printed,
        "   1 00000000000000a1 2026-01-13T15:20:16.641Z r_1                          5      0 no       "
        "polled: no answer: connection refused\n");
    assert_has(
        printed,
        "   2 00000000000000b2 2026-01-14T15:20:16.641Z -                            5    503 refused  "
        "org.runs[2]@77: the endpoint answered 503");
    assert_has(printed, "; replay refuses it: ");
    assert_has_not(printed, "\033");
    assert_has_not(printed, "c3");
    assert_has(complained,
               "port-agent dead-letters list: no letter: letters/dead-letters-2026-01-13.jsonl:2: ");
    assert_int_equal(run_command(command_dead_letters, "list", "--replayed", "--output", "json", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "[\n{\"number\":1,\"id\":\"00000000000000a1\"");
    assert_has(printed, ",\n{\"number\":3,\"id\":\"00000000000000c3\"");
    assert_has(printed, "\"replayed\":true");
    assert_has(printed, "}\n]\n");
}

static void assert_listed(const char *option, const char *value, bool first, bool second)
{
    assert_int_equal(run_command(command_dead_letters, "list", option, value, NULL), EXIT_CODE_OK);
    if (!strstr(printed, "00a1") == first || !strstr(printed, "00b2") == second)
        fail_msg("%s %s: %s", option, value, printed);
    if (!first && !second)
        assert_string_equal(printed, "no dead letters\n");
}

static void options_select_letters(void **state)
{
    (void)state;
    assert_listed("--run", "r_1", true, false);
    assert_listed("--run", "r_2", false, false);
    assert_listed("--reason", "ANSWERED 503", false, true);
    assert_listed("--since", "2026-01-13", true, true);
    assert_listed("--since", "2026-01-13T15:20:16.641Z", true, true);
    assert_listed("--since", "2026-01-13T15:20:16.642Z", false, true);
    assert_listed("--since", "2026-01-13T15:20:17Z", false, true);
    assert_listed("--until", "2026-01-13T15:20:16.640Z", false, false);
    assert_listed("--until", "2026-01-13T15:20:16.641Z", true, false);
    assert_listed("--until", "2026-01-13", true, false);
    assert_listed("--until", "2026-01-14", true, true);
    static const char *const wrong[] = {"yesterday",
                                        "2026-02-30",
                                        "2026-01-13T25:00:00Z",
                                        "2026-01-13T15:20:16",
                                        "2026-01-13 15:20",
                                        "2026-01-13T15:20:16.5",
                                        ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(run_command(command_dead_letters, "list", "--since", wrong[i], NULL),
                         EXIT_CODE_USAGE);
        assert_has(complained, "is no time; write 2026-01-13 or 2026-01-13T15:20:16Z");
        assert_int_equal(run_command(command_dead_letters, "list", "--until", wrong[i], NULL),
                         EXIT_CODE_USAGE);
    }
}

static void one_letter_is_shown_whole(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_dead_letters, "show", "1", NULL), EXIT_CODE_OK);
    assert_has(printed, "id         00000000000000a1\n");
    assert_has(printed, "from       polled\n");
    assert_has(printed, "key        -\n");
    assert_has(printed, " bytes; --payload shows it\n");
    assert_int_equal(run_command(command_dead_letters, "show", "--payload", "00000000000000b2", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "refused    ");
    assert_has(printed, "run        -\n");
    assert_has(printed, "key        key\n");
    assert_has(printed, "payload    8 bytes:\nno event\n");
    assert_int_equal(run_command(command_dead_letters, "show", "--payload", "--output", "json", "3", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "\"key\":null,\"payload\":\"{\\\"context\\\"");
    assert_int_equal(run_command(command_dead_letters, "show", "4", NULL), EXIT_CODE_FAILURE);
    assert_has(complained, "there is no letter '4'");
    assert_int_equal(run_command(command_dead_letters, "show", "1000000001", NULL), EXIT_CODE_FAILURE);
}

static void without_a_secret_nothing_is_refused_and_that_is_said(void **state)
{
    (void)state;
    clear_environment();
    assert_int_equal(run_command(command_dead_letters, "list", "--dir", "letters", NULL), EXIT_CODE_OK);
    assert_has(complained, "which letters a replay would refuse is not known");
    assert_has_not(printed, "refuses");
    mkdir("none", 0700);
    assert_int_equal(run_command(command_dead_letters, "list", "--dir", "none", "--output", "json", NULL),
                     EXIT_CODE_OK);
    assert_string_equal(printed, "[]\n");
    assert_int_equal(run_command(command_dead_letters, "list", "--dir", "nowhere", NULL), EXIT_CODE_FAILURE);
    assert_has(complained, "nowhere");
    assert_int_equal(run_command(command_dead_letters, "list", NULL), EXIT_CODE_CONFIG);
    assert_has(complained, "no place for dead letters is set");
    setenv("DEAD_LETTER_MAX_BYTES", "some", 1);
    assert_int_equal(run_command(command_dead_letters, "show", "1", NULL), EXIT_CODE_CONFIG);
    assert_has(complained, "DEAD_LETTER_MAX_BYTES");
}

static void wrong_words_are_told(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_dead_letters, NULL), EXIT_CODE_USAGE);
    assert_has(complained, "the subcommand is missing; write list, show or replay");
    assert_int_equal(run_command(command_dead_letters, "burn", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "there is no 'burn'");
    assert_int_equal(run_command(command_dead_letters, "--help", NULL), EXIT_CODE_OK);
    assert_has(printed, "Usage: port-agent dead-letters list|show|replay");
    assert_int_equal(run_command(command_dead_letters, "show", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "the letter is missing; write its ID");
    assert_int_equal(run_command(command_dead_letters, "list", "--dir", "a", "--topic", "b", NULL),
                     EXIT_CODE_USAGE);
    assert_has(complained, "--dir and --topic are both given");
    assert_int_equal(run_command(command_dead_letters, "list", "--topic", "a b", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "is not the name of a topic");
    assert_int_equal(run_command(command_dead_letters, "list", "--output", "b", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_command(command_dead_letters, "show", "--output", "b", "1", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_command(command_dead_letters, "replay", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "the letters are missing; write their IDs, or --all");
    assert_int_equal(run_command(command_dead_letters, "replay", "--all", "1", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_command(command_dead_letters, "replay", "--all", "--output", "b", NULL),
                     EXIT_CODE_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(letters_are_listed_with_what_a_replay_would_do, write_letters),
        cmocka_unit_test_setup(options_select_letters, write_letters),
        cmocka_unit_test_setup(one_letter_is_shown_whole, write_letters),
        cmocka_unit_test_setup(without_a_secret_nothing_is_refused_and_that_is_said, write_letters),
        cmocka_unit_test_setup(wrong_words_are_told, write_letters),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
