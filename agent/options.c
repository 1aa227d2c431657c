/* getopt_long and --help from one table. An option that is wrong is told on standard error in one line. */
#include "options.h"
#include "commands.h"
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP = 'h', FIRST_OPTION = 256, OPTION_MAX = 32, HELP_COLUMN = 26 };

static void print_option(const struct command_option *option)
{
    char name[64];
    snprintf(name, sizeof name, "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
    printf("  %-*s %s\n", HELP_COLUMN, name, option->help);
}

static int print_help(const struct command_usage *usage)
{
    printf("Usage: port-agent %s %s\n\n%s\n\nOptions:\n", usage->command, usage->summary, usage->intro);
    for (size_t i = 0; i < usage->option_count; i++)
        print_option(&usage->options[i]);
    printf("  %-*s this text\n\n%s\n", HELP_COLUMN, "--help, -h", usage->exit_codes);
    return EXIT_CODE_OK;
}

int options_wrong(const struct command_usage *usage, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "port-agent %s: ", usage->command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; try 'port-agent %s --help'\n", usage->command);
    return EXIT_CODE_USAGE;
}

static int take_option(const struct command_usage *usage, const struct command_option *option,
                       const char *value)
{
    if (option->flag) {
        *option->flag = true;
    } else if (option->list) {
        option->list->items[option->list->count++] = value;
    } else if (*option->text) {
        return options_wrong(usage, "--%s is given twice", option->name);
    } else {
        *option->text = value;
    }
    return OPTIONS_GO_ON;
}

static int take_operands(const struct command_usage *usage, char **operands)
{
    if (!*operands)
        return OPTIONS_GO_ON;
    for (; usage->operands && *operands; operands++)
        usage->operands->items[usage->operands->count++] = *operands;
    if (!*operands)
        return OPTIONS_GO_ON;
    if (!usage->operand)
        return options_wrong(usage, "unexpected argument '%s'", operands[0]);
    if (operands[1])
        return options_wrong(usage, "one argument too many: '%s'", operands[1]);
    *usage->operand = operands[0];
    return OPTIONS_GO_ON;
}

static int read_options(const struct command_usage *usage, const struct option *known, int argc, char **argv)
{
    int found;
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (found == HELP)
            return print_help(usage);
        if (found == ':')
            return options_wrong(usage, "%s needs a value", argv[optind - 1]);
        if (found == '?')
            return options_wrong(usage, "unknown option '%s'", argv[optind - 1]);
        int failed = take_option(usage, &usage->options[found - FIRST_OPTION], optarg);
        if (failed != OPTIONS_GO_ON)
            return failed;
    }
    return take_operands(usage, argv + optind);
}

int options_parse(const struct command_usage *usage, int argc, char **argv)
{
    struct option known[OPTION_MAX + 2] = {{"help", no_argument, NULL, HELP}};
    char name[] = "port-agent", **words = calloc((size_t)argc + 2, sizeof *words);
    if (!words) {
        fputs("port-agent: out of memory\n", stderr);
        return EXIT_CODE_FAILURE;
    }
    for (size_t i = 0; i < usage->option_count && i < OPTION_MAX; i++)
        known[i + 1] =
            (struct option){usage->options[i].name, usage->options[i].value ? required_argument : no_argument,
                            NULL, FIRST_OPTION + (int)i};
    words[0] = name; /* getopt rearranges what it reads: not the caller's own */
    for (int i = 0; i < argc; i++)
        words[i + 1] = argv[i];
    int code = read_options(usage, known, argc + 1, words);
    free(words);
    return code;
}

bool options_output(const char *text, bool *json)
{
    *json = text && strcmp(text, "json") == 0;
    return !text || *json || strcmp(text, "text") == 0;
}
