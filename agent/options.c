/* getopt_long from the table that --help prints, too. An option that is wrong is told on standard error in
 * one line. */
#include "options.h"
#include "base/near.h"
#include "base/slice.h"
#include "commands.h"
#include "help.h"
#include "http/url.h"
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP = 'h', FIRST_OPTION = 256, OPTION_MAX = 32 };

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

int options_url(const struct command_usage *usage, const char *option, const char *url, const char *example)
{
    struct url_parts parts = {0};
    struct buffer shown = {0};
    int failed = url_parse(slice_of(url), &parts, NULL);
    url_parts_clear(&parts);
    if (failed != PA_ERR_INVALID)
        return OPTIONS_GO_ON;
    url_append_shown(&shown, slice_of(url));
    int code = options_wrong(usage, "--%s: '%s' is no http or https URL; write %s", option,
                             buffer_text(&shown), example);
    buffer_clear(&shown);
    return code;
}

static int take_form(const struct command_usage *usage, const struct command_option *option,
                     const char *value)
{
    *option->json = strcmp(value, "json") == 0;
    if (*option->json || strcmp(value, "text") == 0)
        return OPTIONS_GO_ON;
    return options_wrong(usage, "--%s: '%s' is neither text nor json", option->name, value);
}

static int list_add(struct option_list *list, const char *text)
{
    const char **items = realloc((void *)list->items, (list->count + 1) * sizeof *items);
    if (!items) {
        fputs("port-agent: out of memory\n", stderr);
        return EXIT_CODE_FAILURE;
    }
    list->items = items;
    list->items[list->count++] = text;
    return OPTIONS_GO_ON;
}

static int take_option(const struct command_usage *usage, const struct command_option *option,
                       const char *value, bool *given)
{
    bool again = *given;
    *given = true;
    if (option->flag)
        *option->flag = true;
    else if (option->list)
        return list_add(option->list, value);
    else if (again)
        return options_wrong(usage, "--%s is given twice", option->name);
    else if (option->json)
        return take_form(usage, option, value);
    else
        *option->text = value;
    return OPTIONS_GO_ON;
}

static int take_operands(const struct command_usage *usage, char **operands)
{
    if (!*operands)
        return OPTIONS_GO_ON;
    int code = OPTIONS_GO_ON;
    for (; usage->operands && *operands && code == OPTIONS_GO_ON; operands++)
        code = list_add(usage->operands, *operands);
    if (usage->operands)
        return code;
    if (!usage->operand)
        return options_wrong(usage, "unexpected argument '%s'", operands[0]);
    if (operands[1])
        return options_wrong(usage, "one argument too many: '%s'", operands[1]);
    *usage->operand = operands[0];
    return OPTIONS_GO_ON;
}

/** Its name has two dashes before it, and perhaps a value behind. */
static int unknown_option(const struct command_usage *usage, const char *word)
{
    const char *names[OPTION_MAX + 2] = {"help"}, *plain = word + strspn(word, "-");
    char *name = slice_to_text((struct slice){plain, strcspn(plain, "=")});
    for (size_t i = 0; i < usage->option_count && i < OPTION_MAX; i++)
        names[i + 1] = usage->options[i].name;
    const char *near = name ? near_word(name, names) : NULL;
    free(name);
    char question[NEAR_QUESTION_SIZE];
    return options_wrong(usage, "unknown option '%s'%s", word, near_question("--", near, question));
}

static int read_options(const struct command_usage *usage, const struct option *known, int argc, char **argv)
{
    int found;
    bool given[OPTION_MAX] = {false};
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (found == HELP) {
            help_print(usage, HELP_TEXT, stdout);
            return EXIT_CODE_OK;
        }
        if (found == ':')
            return options_wrong(usage, "%s needs a value", argv[optind - 1]);
        if (found == '?')
            return unknown_option(usage, argv[optind - 1]);
        int option = found - FIRST_OPTION;
        int failed = take_option(usage, &usage->options[option], optarg, &given[option]);
        if (failed != OPTIONS_GO_ON)
            return failed;
    }
    return take_operands(usage, argv + optind);
}

int options_parse(const struct command_usage *usage, int argc, char **argv)
{
    enum help_form form = argc == 1 ? help_form_asked(argv[0]) : HELP_NOT_ASKED;
    if (form != HELP_NOT_ASKED) {
        help_print(usage, form, stdout);
        return EXIT_CODE_OK;
    }
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
