/* See help.h. */
#include "help.h"
#include "base/slice.h"
#include "terminal.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH_USUAL = 100, COLUMN = 28, NAME_SIZE = 128 };

enum help_form help_form_asked(const char *word)
{
    static const struct {
        const char *word;
        enum help_form form;
    } words[] = {{"--help", HELP_TEXT},         {"-h", HELP_TEXT},           {"--help-as=man", HELP_MAN},
                 {"--help-as=bash", HELP_BASH}, {"--help-as=zsh", HELP_ZSH}, {"--help-as=fish", HELP_FISH}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].form;
    return HELP_NOT_ASKED;
}

/* Lines */

/** Characters, of which UTF-8 has one or more bytes each. */
static size_t columns_of(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/** Prints words up to `end`, wrapped; the cursor stands at `at`, further lines begin at `indent`. */
static void print_words(const char *text, const char *end, size_t at, size_t indent, size_t width, FILE *out)
{
    bool first = true;
    while (text < end) {
        while (text < end && (*text == ' ' || *text == '\n'))
            text++;
        size_t len = strcspn(text, " \n");
        if (text + len > end)
            len = (size_t)(end - text);
        size_t columns = columns_of(text, len);
        if (len == 0)
            break;
        if (!first && at + 1 + columns > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, len, out);
        at += columns;
        text += len;
        first = false;
    }
    fputc('\n', out);
}

void help_row(const char *name, size_t column, const char *text, size_t width, FILE *out)
{
    size_t len = strlen(name) + 2;
    fprintf(out, "  %s", name);
    if (len + 1 > column)
        fprintf(out, "\n%*s", (int)column, "");
    else
        fprintf(out, "%*s", (int)(column - len), "");
    print_words(text, text + strlen(text), column, column, width, out);
}

void help_paragraphs(const char *text, size_t width, FILE *out)
{
    while (*text) {
        size_t line = strcspn(text, "\n");
        if (line == 0 || *text == ' ') {
            fwrite(text, 1, line, out);
            fputc('\n', out);
            text += line + (text[line] != '\0');
            continue;
        }
        const char *end = text;
        while (*end && *end != '\n' && *end != ' ') {
            end += strcspn(end, "\n");
            end += *end != '\0';
        }
        print_words(text, end, 0, 0, width, out);
        text = end;
    }
}

/* --help */

static void option_name(const struct command_option *option, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
}

static void print_text(const struct command_usage *usage, FILE *out)
{
    char name[NAME_SIZE];
    size_t width = terminal_width(fileno(out), WIDTH_USUAL);
    fprintf(out, "Usage: port-agent %s%s%s\n\n", usage->command, *usage->summary ? " " : "", usage->summary);
    help_paragraphs(usage->intro, width, out);
    fputs("\nOptions:\n", out);
    for (size_t i = 0; i < usage->option_count; i++) {
        option_name(&usage->options[i], name);
        help_row(name, COLUMN + 1, usage->options[i].help, width, out);
    }
    help_row("--help, -h", COLUMN + 1, "this text", width, out);
    fputc('\n', out);
    help_paragraphs(usage->exit_codes, width, out);
}

/* Manual pages */

/** The character at `text`, of `len` bytes, by its number: troff reads Latin-1. */
static void print_roff_character(const char *text, size_t len, FILE *out)
{
    uint32_t code = (unsigned char)*text & (0x7fU >> len);
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    fprintf(out, "\\[u%04" PRIX32 "]", code);
}

static void print_roff(struct slice text, FILE *out)
{
    bool line_begins = true;
    for (size_t i = 0; i < text.len;) {
        char c = text.ptr[i];
        size_t len = utf8_sequence(text.ptr + i, text.len - i);
        if (line_begins && (c == '.' || c == '\''))
            fputs("\\&", out);
        if (c == '\\')
            fputs("\\e", out);
        else if (c == '-')
            fputs("\\-", out);
        else if (len > 1)
            print_roff_character(text.ptr + i, len, out);
        else if (!line_begins || c != ' ')
            fputc(c, out);
        line_begins = c == '\n' || (line_begins && c == ' ');
        i += len > 0 ? len : 1;
    }
}

void help_roff(const char *text, FILE *out)
{
    print_roff(slice_of(text), out);
}

/** Paragraphs; lines that begin with a blank are examples. */
static void print_roff_paragraphs(const char *text, FILE *out)
{
    bool example = false;
    while (*text) {
        size_t len = strcspn(text, "\n");
        bool indented = *text == ' ';
        if (indented != example)
            fputs(indented ? ".nf\n.RS\n" : ".RE\n.fi\n", out);
        example = indented;
        if (len == 0)
            fputs(".PP", out);
        print_roff((struct slice){text, len}, out);
        fputc('\n', out);
        text += len + (text[len] != '\0');
    }
    if (example)
        fputs(".RE\n.fi\n", out);
}

static void print_man(const struct command_usage *usage, FILE *out)
{
    char name[NAME_SIZE];
    fputs(".SH SYNOPSIS\n.B port\\-agent ", out);
    help_roff(usage->command, out);
    fputs("\n", out);
    help_roff(usage->summary, out);
    fputs("\n.SH DESCRIPTION\n", out);
    print_roff_paragraphs(usage->intro, out);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < usage->option_count; i++) {
        option_name(&usage->options[i], name);
        fputs(".TP\n.B ", out);
        help_roff(name, out);
        fputc('\n', out);
        help_roff(usage->options[i].help, out);
        fputc('\n', out);
    }
    fputs(".TP\n.B \\-\\-help, \\-h\nThe same as text.\n.SH EXIT STATUS\n", out);
    print_roff_paragraphs(usage->exit_codes, out);
}

/* Words for shells */

static bool is_file(const char *value)
{
    return strcmp(value, "FILE") == 0 || strcmp(value, "DIR") == 0;
}

/** "text|json" are the words themselves: no capitals. */
static bool has_choices(const char *value)
{
    return strchr(value, '|') && strspn(value, "abcdefghijklmnopqrstuvwxyz-|") == strlen(value);
}

static void print_choices(const char *value, FILE *out)
{
    for (; *value; value++)
        fputc(*value == '|' ? ' ' : *value, out);
}

/** In single quotes of a shell; what a shell or zsh's _arguments would read otherwise is left out. */
static void print_plain_help(const char *text, FILE *out)
{
    for (bool blank = false; *text; text++) {
        bool is_blank = *text == ' ' || *text == '\n';
        if (is_blank && !blank)
            fputc(' ', out);
        else if (!is_blank && !strchr("'[]:\\\"", *text))
            fputc(*text, out);
        blank = is_blank;
    }
}

static void print_bash(const struct command_usage *usage, FILE *out)
{
    fputs("case \"$prev\" in\n", out);
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct command_option *option = &usage->options[i];
        if (!option->value)
            continue;
        fprintf(out, "--%s) ", option->name);
        if (has_choices(option->value)) {
            fputs("COMPREPLY=($(compgen -W '", out);
            print_choices(option->value, out);
            fputs("' -- \"$cur\")); ", out);
        } else if (is_file(option->value)) {
            fputs("COMPREPLY=($(compgen -f -- \"$cur\")); ", out);
        }
        fputs("return;;\n", out);
    }
    fputs("esac\n", out);
    if (usage->operand_words) {
        fputs("if [[ $cur != -* ]]; then COMPREPLY=($(compgen -W '", out);
        print_choices(usage->operand_words, out);
        fputs("' -- \"$cur\")); return; fi\n", out);
    }
    fputs("words='", out);
    for (size_t i = 0; i < usage->option_count; i++)
        fprintf(out, "--%s ", usage->options[i].name);
    fputs("--help';;\n", out);
}

static void print_zsh(const struct command_usage *usage, FILE *out)
{
    fputs("_arguments", out);
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct command_option *option = &usage->options[i];
        fprintf(out, " \\\n'%s--%s[", option->list ? "*" : "", option->name);
        print_plain_help(option->help, out);
        fputc(']', out);
        if (option->value && has_choices(option->value)) {
            fputs(":value:(", out);
            print_choices(option->value, out);
            fputc(')', out);
        } else if (option->value) {
            fputs(is_file(option->value) ? ":file:_files" : ":value: ", out);
        }
        fputc('\'', out);
    }
    fputs(" \\\n'--help[this text]'", out);
    if (usage->operand_words) {
        fputs(" ':word:(", out);
        print_choices(usage->operand_words, out);
        fputs(")'", out);
    } else if (usage->operand || usage->operands) {
        fputs(" '*:file:_files'", out);
    }
    fputs(";;\n", out);
}

/** "dead-letters show" is two words that fish has seen. */
static void print_fish_seen(const struct command_usage *usage, FILE *out)
{
    const char *part = strchr(usage->command, ' ');
    int len = part ? (int)(part - usage->command) : (int)strlen(usage->command);
    fprintf(out, "complete -c port-agent -n '__fish_seen_subcommand_from %.*s", len, usage->command);
    if (part)
        fprintf(out, "; and __fish_seen_subcommand_from%s", part);
    fputc('\'', out);
}

static void print_fish(const struct command_usage *usage, FILE *out)
{
    if (usage->operand_words) {
        print_fish_seen(usage, out);
        fputs(" -f -a '", out);
        print_choices(usage->operand_words, out);
        fputs("'\n", out);
    }
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct command_option *option = &usage->options[i];
        print_fish_seen(usage, out);
        fprintf(out, " -l %s -d '", option->name);
        print_plain_help(option->help, out);
        fputc('\'', out);
        if (option->value && has_choices(option->value)) {
            fputs(" -x -a '", out);
            print_choices(option->value, out);
            fputc('\'', out);
        } else if (option->value) {
            fputs(is_file(option->value) ? " -r -F" : " -x", out);
        }
        fputc('\n', out);
    }
}

void help_print(const struct command_usage *usage, enum help_form form, FILE *out)
{
    static void (*const printers[])(const struct command_usage *, FILE *) = {
        [HELP_NOT_ASKED] = print_text, [HELP_TEXT] = print_text, [HELP_MAN] = print_man,
        [HELP_BASH] = print_bash,      [HELP_ZSH] = print_zsh,   [HELP_FISH] = print_fish};
    printers[form](usage, out);
}
