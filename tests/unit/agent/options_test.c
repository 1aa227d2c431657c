/* Command lines: what is read of them, what is said when they are wrong, and --help. */
#include "agent/commands.h"
#include "agent/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS = 8 };

static const char *file, *operand;
static bool quiet;
static struct option_list list, rest;
static const struct command_option OPTIONS[] = {
    {.name = "file", .value = "PATH", .help = "what is read", .text = &file},
    {.name = "quiet", .help = "no words", .flag = &quiet},
    {.name = "event", .value = "FILE", .help = "any number of them", .list = &list},
};
static const struct command_usage BARE = {.command = "map",
                                          .summary = "[OPTION ...]",
                                          .intro = "Maps.",
                                          .exit_codes = "Exit codes: 0, 1.",
                                          .options = OPTIONS,
                                          .option_count = 3};
/** What was written to the descriptor meanwhile. */
static char said[4096];

/** Reads the words (up to a NULL), with what goes to descriptor `fd` in `said`. */
static int parse(const struct command_usage *usage, int fd, ...)
{
    char words[WORDS][64], *argv[WORDS + 1] = {NULL};
    int argc = 0;
    va_list arguments;
    va_start(arguments, fd);
    for (const char *word; (word = va_arg(arguments, const char *)) != NULL; argc++) {
        snprintf(words[argc], sizeof words[argc], "%s", word);
        argv[argc] = words[argc];
    }
    va_end(arguments);
    file = operand = NULL;
    quiet = false;
    free((void *)list.items);
    free((void *)rest.items);
    list = rest = (struct option_list){0};

    FILE *written = tmpfile();
    fflush(stdout);
    int before = dup(fd);
    dup2(fileno(written), fd);
    int outcome = options_parse(usage, argc, argv);
    fflush(stdout);
    dup2(before, fd);
    close(before);
    rewind(written);
    said[fread(said, 1, sizeof said - 1, written)] = '\0';
    fclose(written);
    return outcome;
}

static struct command_usage with(const char **one, struct option_list *many)
{
    struct command_usage usage = BARE;
    usage.operand = one;
    usage.operands = many;
    return usage;
}

static void options_go_where_the_table_says(void **state)
{
    (void)state;
    assert_int_equal(parse(&BARE, 2, "--event", "a", "--quiet", "--file=b", "--event=c", NULL),
                     OPTIONS_GO_ON);
    assert_string_equal(said, "");
    assert_true(quiet);
    assert_non_null(file);
    assert_int_equal(list.count, 2);
}

static void without_words_nothing_is_set(void **state)
{
    (void)state;
    assert_int_equal(parse(&BARE, 2, NULL), OPTIONS_GO_ON);
    assert_null(file);
    assert_false(quiet);
    assert_int_equal(list.count, 0);
}

static void texts_are_the_callers_own(void **state)
{
    (void)state;
    char option[] = "--file", value[] = "b", *argv[] = {option, value, NULL};
    file = NULL;
    assert_int_equal(options_parse(&BARE, 2, argv), OPTIONS_GO_ON);
    assert_ptr_equal(file, value);
    assert_ptr_equal(argv[0], option);
}

static void what_is_wrong_is_said_in_one_line(void **state)
{
    (void)state;
    assert_int_equal(parse(&BARE, 2, "--file", "a", "--file", "b", NULL), EXIT_CODE_USAGE);
    assert_string_equal(said, "port-agent map: --file is given twice; try 'port-agent map --help'\n");
    assert_int_equal(parse(&BARE, 2, "--file", NULL), EXIT_CODE_USAGE);
    assert_string_equal(said, "port-agent map: --file needs a value; try 'port-agent map --help'\n");
    assert_int_equal(parse(&BARE, 2, "--nonsense", NULL), EXIT_CODE_USAGE);
    assert_string_equal(said, "port-agent map: unknown option '--nonsense'; try 'port-agent map --help'\n");
    assert_int_equal(parse(&BARE, 2, "--evnet=x", NULL), EXIT_CODE_USAGE);
    assert_string_equal(said, "port-agent map: unknown option '--evnet=x' (did you mean --event?); try "
                              "'port-agent map --help'\n");
    assert_int_equal(parse(&BARE, 2, "word", NULL), EXIT_CODE_USAGE);
    assert_string_equal(said, "port-agent map: unexpected argument 'word'; try 'port-agent map --help'\n");
}

static void one_operand_is_taken_and_no_second(void **state)
{
    (void)state;
    struct command_usage usage = with(&operand, NULL);
    assert_int_equal(parse(&usage, 2, "word", "--quiet", NULL), OPTIONS_GO_ON);
    assert_non_null(operand);
    assert_true(quiet);
    assert_int_equal(parse(&usage, 2, NULL), OPTIONS_GO_ON);
    assert_null(operand);
    assert_int_equal(parse(&usage, 2, "word", "other", NULL), EXIT_CODE_USAGE);
    assert_string_equal(said,
                        "port-agent map: one argument too many: 'other'; try 'port-agent map --help'\n");
}

static void as_many_operands_are_taken_as_there_are(void **state)
{
    (void)state;
    struct command_usage usage = with(NULL, &rest);
    assert_int_equal(parse(&usage, 2, "a", "b", "--", "--file", NULL), OPTIONS_GO_ON);
    assert_int_equal(rest.count, 3);
    assert_null(file);
    assert_int_equal(parse(&usage, 2, NULL), OPTIONS_GO_ON);
    assert_int_equal(rest.count, 0);
}

static void help_lists_every_option(void **state)
{
    (void)state;
    static const char help[] = "Usage: port-agent map [OPTION ...]\n\nMaps.\n\nOptions:\n"
                               "  --file PATH                what is read\n"
                               "  --quiet                    no words\n"
                               "  --event FILE               any number of them\n"
                               "  --help, -h                 this text\n\nExit codes: 0, 1.\n";
    assert_int_equal(parse(&BARE, 1, "--help", "--nonsense", NULL), EXIT_CODE_OK);
    assert_string_equal(said, help);
    assert_int_equal(parse(&BARE, 1, "-h", NULL), EXIT_CODE_OK);
    assert_string_equal(said, help);
}

static void help_is_wrapped_and_examples_are_not(void **state)
{
    (void)state;
    struct command_usage usage = BARE;
    usage.intro = "One two three four five six seven eight nine ten.\nEleven.\n\n  an example that is much "
                  "longer than forty columns are";
    setenv("COLUMNS", "40", 1);
    assert_int_equal(parse(&usage, 1, "--help", NULL), EXIT_CODE_OK);
    unsetenv("COLUMNS");
    assert_non_null(strstr(said,
                           "\nOne two three four five six seven eight\nnine ten. Eleven.\n\n  an example "
                           "that is much longer than forty columns are\n"));
    assert_non_null(strstr(said, "  --event FILE               any number\n                             of "
                                 "them\n"));
}

static void a_page_has_no_text_that_is_a_request(void **state)
{
    (void)state;
    struct command_usage usage = BARE;
    usage.intro = ".so /etc/passwd\n'x \\-\xe2\x80\xa6";
    assert_int_equal(parse(&usage, 1, "--help-as=man", NULL), EXIT_CODE_OK);
    assert_non_null(strstr(said, "\n\\&.so /etc/passwd\n\\&'x \\e\\-\\[u2026]\n"));
    assert_non_null(strstr(said, ".TP\n.B \\-\\-file PATH\nwhat is read\n"));
}

static void output_is_text_or_json(void **state)
{
    (void)state;
    bool json = false;
    const struct command_option output[] = {OPTION_OUTPUT(&json, "json: all of it")};
    struct command_usage usage = BARE;
    usage.options = output;
    usage.option_count = 1;
    assert_int_equal(parse(&usage, 2, NULL), OPTIONS_GO_ON);
    assert_false(json);
    assert_int_equal(parse(&usage, 2, "--output", "json", NULL), OPTIONS_GO_ON);
    assert_true(json);
    assert_int_equal(parse(&usage, 2, "--output", "text", NULL), OPTIONS_GO_ON);
    assert_false(json);
    assert_int_equal(parse(&usage, 2, "--output=yaml", NULL), EXIT_CODE_USAGE);
    assert_non_null(strstr(said, "--output: 'yaml' is neither text nor json; try"));
    assert_int_equal(parse(&usage, 2, "--output", "text", "--output", "text", NULL), EXIT_CODE_USAGE);
    assert_non_null(strstr(said, "--output is given twice"));
    assert_int_equal(parse(&usage, 1, "--help", NULL), EXIT_CODE_OK);
    assert_non_null(strstr(said, "--output text|json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_go_where_the_table_says),
        cmocka_unit_test(without_words_nothing_is_set),
        cmocka_unit_test(texts_are_the_callers_own),
        cmocka_unit_test(what_is_wrong_is_said_in_one_line),
        cmocka_unit_test(one_operand_is_taken_and_no_second),
        cmocka_unit_test(as_many_operands_are_taken_as_there_are),
        cmocka_unit_test(help_lists_every_option),
        cmocka_unit_test(help_is_wrapped_and_examples_are_not),
        cmocka_unit_test(a_page_has_no_text_that_is_a_request),
        cmocka_unit_test(output_is_text_or_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
