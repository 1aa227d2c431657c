/* Every setting with its default and its meaning, in each form; `port-agent settings` prints two of them. */
#include "settings.h"
#include "base/buffer.h"
#include "commands.h"
#include "config/config.h"
#include "help.h"
#include "options.h"
#include <stdio.h>
#include <string.h>

enum { COLUMN = 6 };

static const char FILES[] =
    "Each may also be given as NAME_FILE: the setting is then the content of that file.";

static const char *default_of(const struct setting_words *setting)
{
    return setting->required ? "required" : setting->fallback ? setting->fallback : "";
}

/** "meaning [default]" */
static const char *meaning_of(const struct setting_words *setting, struct buffer *text)
{
    const char *fallback = default_of(setting);
    text->len = 0;
    buffer_append_text(text, setting->meaning);
    if (*fallback)
        buffer_appendf(text, " [%s]", fallback);
    return buffer_text(text);
}

void settings_print_help(size_t width, FILE *out)
{
    struct setting_words setting;
    struct buffer text = {0};
    for (size_t i = 0; config_setting_words(i, &setting); i++)
        help_row(setting.name, COLUMN, meaning_of(&setting, &text), width, out);
    buffer_clear(&text);
    fputc('\n', out);
    help_paragraphs(FILES, width, out);
}

void settings_print_roff(FILE *out)
{
    struct setting_words setting;
    struct buffer text = {0};
    for (size_t i = 0; config_setting_words(i, &setting); i++) {
        fputs(".TP\n.B ", out);
        help_roff(setting.name, out);
        fputc('\n', out);
        help_roff(meaning_of(&setting, &text), out);
        fputc('\n', out);
    }
    buffer_clear(&text);
    fputs(".PP\n", out);
    help_roff(FILES, out);
    fputc('\n', out);
}

static void print_markdown(FILE *out)
{
    struct setting_words setting;
    fputs("| setting | default | meaning |\n|---|---|---|\n", out);
    for (size_t i = 0; config_setting_words(i, &setting); i++)
        fprintf(out, "| `%s` | %s | %s |\n", setting.name, default_of(&setting), setting.meaning);
}

static void print_json(FILE *out)
{
    struct setting_words setting;
    struct buffer text = {0};
    for (size_t i = 0; config_setting_words(i, &setting); i++) {
        buffer_append_text(&text, i == 0 ? "[\n  {\"name\":" : ",\n  {\"name\":");
        buffer_append_json_string(&text, slice_of(setting.name));
        buffer_append_text(&text, ",\"required\":");
        buffer_append_text(&text, setting.required ? "true" : "false");
        buffer_append_text(&text, ",\"default\":");
        if (setting.fallback)
            buffer_append_json_string(&text, slice_of(setting.fallback));
        else
            buffer_append_text(&text, "null");
        buffer_append_text(&text, ",\"meaning\":");
        buffer_append_json_string(&text, slice_of(setting.meaning));
        buffer_append_char(&text, '}');
    }
    buffer_append_text(&text, "\n]\n");
    fputs(buffer_text(&text), out);
    buffer_clear(&text);
}

int command_settings(int argc, char **argv)
{
    bool json = false;
    const struct command_option options[] = {
        OPTION_OUTPUT(&json, "a Markdown table, or a JSON array"),
    };
    const struct command_usage usage = {
        .command = "settings",
        .summary = "[--output text|json]",
        .intro = "Prints every setting, its default and its meaning as a Markdown table.\n\n"
                 "  port-agent settings | grep WEBHOOK",
        .exit_codes = "Exit codes: 0 printed; 1 it cannot be written; 64 wrong usage.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    (json ? print_json : print_markdown)(stdout);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}
