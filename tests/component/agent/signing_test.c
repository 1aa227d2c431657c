/* `port-agent sign`, `verify` and `settings`: what they print, and their exit codes. */
#include "command.h"

static int write_body(void **state)
{
    (void)state;
    clear_environment();
    write_file("body", "{\"a\":1}");
    write_file("secret", "secret\r\n");
    return 0;
}

/** Another program's: openssl dgst -sha256 -hmac secret. */
#define SIGNATURE "v1,zWSYuRB/8tV8IAGVi7VNzynYRegtkaZb8LM0jN78WOs="

static void what_sign_prints_verify_accepts(void **state)
{
    (void)state;
    setenv("PORT_CLIENT_SECRET", "secret", 1);
    assert_int_equal(run_command(command_sign, "--timestamp", "1768317616", "body", NULL), EXIT_CODE_OK);
    assert_string_equal(printed, "X-Port-Timestamp: 1768317616\nX-Port-Signature: " SIGNATURE "\n");
    assert_string_equal(complained, "");
    assert_int_equal(
        run_command(command_verify, "--timestamp", "1768317616", "--signature", SIGNATURE, "body", NULL),
        EXIT_CODE_OK);
    assert_has(printed, "valid: the signature is right\n");
    clear_environment();
    assert_int_equal(
        run_command(command_sign, "--secret-file", "secret", "--timestamp", "1768317616", "body", NULL),
        EXIT_CODE_OK);
    assert_has(printed, SIGNATURE);
}

static void a_newline_at_the_end_is_signed_and_told(void **state)
{
    (void)state;
    write_file("body", "{\"a\":1}\n");
    assert_int_equal(run_command(command_sign, "--secret-file", "secret", "body", NULL), EXIT_CODE_OK);
    assert_has_not(printed, SIGNATURE);
    assert_has(complained, "the body ends in a newline");
    assert_int_equal(run_command(command_verify, "--secret-file", "secret", "--timestamp", "1768317616",
                                 "--signature", SIGNATURE, "body", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(printed, "not valid\n  - ");
}

static void an_event_has_everything_in_it(void **state)
{
    (void)state;
    write_file("event", "{\"a\":1,\"headers\":{\"X-Port-Signature\":\"v1,x\",\"X-Port-Timestamp\":\"1\"}}");
    assert_int_equal(run_command(command_verify, "--secret-file", "secret", "--event", "event", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(printed, "not valid\n  - ");
    write_file("event", "[]");
    assert_int_equal(run_command(command_verify, "--secret-file", "secret", "--event", "event", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(printed, "not a record\n");
}

static void without_a_secret_or_a_body_nothing_is_said_of_signatures(void **state)
{
    (void)state;
    int (*const commands[])(int argc, char **argv) = {command_sign, command_verify};
    for (size_t i = 0; i < 2; i++) {
        const char *more = i == 1 ? "--event" : "--timestamp=1";
        assert_int_equal(run_command(commands[i], more, "body", NULL), EXIT_CODE_CONFIG);
        assert_has(complained, "there is no client secret; set PORT_CLIENT_SECRET or give --secret-file");
        assert_int_equal(run_command(commands[i], more, "--secret-file", "nowhere", "body", NULL),
                         EXIT_CODE_CONFIG);
        assert_has(complained, "--secret-file: 'nowhere' cannot be read");
        write_file("empty", "\n");
        assert_int_equal(run_command(commands[i], more, "--secret-file", "empty", "body", NULL),
                         EXIT_CODE_CONFIG);
        assert_has(complained, "'empty' is empty");
        write_file("blank", "secret \n");
        assert_int_equal(run_command(commands[i], more, "--secret-file", "blank", "nowhere", NULL),
                         EXIT_CODE_FAILURE);
        assert_has(complained, "white space at the end of the secret is cut off");
        assert_has(complained, "'nowhere' cannot be read");
        assert_string_equal(printed, "");
    }
    setenv("PORT_CLIENT_SECRET_FILE", "nowhere", 1);
    assert_int_equal(run_command(command_sign, "body", NULL), EXIT_CODE_CONFIG);
    assert_has(complained, "PORT_CLIENT_SECRET_FILE");
}

static void wrong_words_are_told(void **state)
{
    (void)state;
    static const char *const wrong[] = {"now", "-1", "", "1234567890123456789", "1.0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(run_command(command_sign, "--timestamp", wrong[i], NULL), EXIT_CODE_USAGE);
        assert_has(complained, "is not a number of seconds since the epoch");
    }
    assert_int_equal(run_command(command_verify, "--event", "--timestamp", "1", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "leave the other options out");
    assert_int_equal(run_command(command_verify, "--event", "--signature", "1", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_command(command_verify, NULL), EXIT_CODE_USAGE);
    assert_has(complained, "--signature and --timestamp are missing");
    assert_int_equal(run_command(command_verify, "--help", NULL), EXIT_CODE_OK);
    assert_int_equal(run_command(command_sign, "--help", NULL), EXIT_CODE_OK);
}

static void settings_are_a_table(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_settings, NULL), EXIT_CODE_OK);
    assert_has(printed, "| `PORT_CLIENT_SECRET` |");
    assert_int_equal(run_command(command_settings, "--help", NULL), EXIT_CODE_OK);
    assert_has(printed, "Usage: port-agent settings");
    assert_int_equal(run_command(command_settings, "-x", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "unknown option '-x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_sign_prints_verify_accepts, write_body),
        cmocka_unit_test_setup(a_newline_at_the_end_is_signed_and_told, write_body),
        cmocka_unit_test_setup(an_event_has_everything_in_it, write_body),
        cmocka_unit_test_setup(without_a_secret_or_a_body_nothing_is_said_of_signatures, write_body),
        cmocka_unit_test_setup(wrong_words_are_told, write_body),
        cmocka_unit_test_setup(settings_are_a_table, write_body),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
