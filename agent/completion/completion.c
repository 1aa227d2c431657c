/* `port-agent completion SHELL` and `port-agent man [COMMAND]`: the same tables as --help, for shells and for
 * man(1). Each command prints its own part. */
#include "agent/commands.h"
#include "agent/help.h"
#include "agent/settings.h"
#include "base/near.h"
#include "base/version.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/** Has the command print itself in a form ("--help-as=bash"). */
static void print_part(const struct command *command, const char *part, const char *form)
{
    char words[2][64], *argv[] = {words[0], part ? words[1] : NULL, NULL};
    snprintf(words[0], sizeof words[0], "%s", part ? part : form);
    snprintf(words[1], sizeof words[1], "%s", form);
    PA_IGNORE(command->run(part ? 2 : 1, argv)); /* it prints what the table has */
}

/* Shells */

static void print_names(void)
{
    size_t count;
    const struct command *commands = commands_all(&count);
    for (size_t i = 0; i < count; i++)
        printf("%s ", commands[i].name);
}

static void print_parts(const struct command *command)
{
    for (const char *const *part = command->parts; *part; part++)
        printf("%s%s", part == command->parts ? "" : " ", *part);
}

static void bash(void)
{
    size_t count;
    const struct command *commands = commands_all(&count);
    puts("# bash completion for port-agent: source this, or put it into "
         "/usr/share/bash-completion/completions/\n"
         "_port_agent() {\n"
         "local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=''\n"
         "COMPREPLY=()\n"
         "if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("words='", stdout);
    print_names();
    puts("--help --version'\nelse\ncase \"${COMP_WORDS[1]}\" in");
    for (size_t i = 0; i < count; i++) {
        printf("%s) ", commands[i].name);
        if (!commands[i].parts) {
            print_part(&commands[i], NULL, "--help-as=bash");
            continue;
        }
        fputs("if [ \"$COMP_CWORD\" -eq 2 ]; then words='", stdout);
        print_parts(&commands[i]);
        puts("'; else\ncase \"${COMP_WORDS[2]}\" in");
        for (const char *const *part = commands[i].parts; *part; part++) {
            printf("%s) ", *part);
            print_part(&commands[i], *part, "--help-as=bash");
        }
        puts("esac\nfi;;");
    }
    puts("esac\nfi\n"
         "if [[ $cur == -* || $COMP_CWORD -eq 1 || \" $words \" != *' --help'* ]]; then\n"
         "COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\nfi\n}\n"
         "complete -o default -F _port_agent port-agent");
}

static void zsh(void)
{
    size_t count;
    const struct command *commands = commands_all(&count);
    puts("#compdef port-agent\n# zsh completion for port-agent: put it as _port-agent into a folder of "
         "$fpath\n"
         "_port_agent() {\n"
         "if (( CURRENT == 2 )); then");
    fputs("compadd -- ", stdout);
    print_names();
    puts("--help --version\nreturn\nfi\nlocal command=$words[2]\nshift words; (( CURRENT-- ))\n"
         "case $command in");
    for (size_t i = 0; i < count; i++) {
        printf("%s) ", commands[i].name);
        if (!commands[i].parts) {
            print_part(&commands[i], NULL, "--help-as=zsh");
            continue;
        }
        fputs("if (( CURRENT == 2 )); then compadd -- ", stdout);
        print_parts(&commands[i]);
        puts("; return; fi\nlocal part=$words[2]\nshift words; (( CURRENT-- ))\ncase $part in");
        for (const char *const *part = commands[i].parts; *part; part++) {
            printf("%s) ", *part);
            print_part(&commands[i], *part, "--help-as=zsh");
        }
        puts("esac;;");
    }
    puts("esac\n}\ncompdef _port_agent port-agent");
}

static void fish(void)
{
    size_t count;
    const struct command *commands = commands_all(&count);
    puts("# fish completion for port-agent: put it into ~/.config/fish/completions/port-agent.fish");
    for (size_t i = 0; i < count; i++)
        printf("complete -c port-agent -n __fish_use_subcommand -f -a %s -d \"%s\"\n", commands[i].name,
               commands[i].help);
    for (size_t i = 0; i < count; i++) {
        for (const char *const *part = commands[i].parts; part && *part; part++) {
            printf("complete -c port-agent -n '__fish_seen_subcommand_from %s; and not "
                   "__fish_seen_subcommand_from ",
                   commands[i].name);
            print_parts(&commands[i]);
            printf("' -f -a %s\n", *part);
            print_part(&commands[i], *part, "--help-as=fish");
        }
        if (!commands[i].parts)
            print_part(&commands[i], NULL, "--help-as=fish");
    }
}

int command_completion(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    const char *shell = NULL;
    const struct command_usage usage = {
        .command = "completion",
        .summary = "bash|zsh|fish",
        .intro = "Prints the shell's completion script for commands, options and their values.\n\n"
                 "  source <(port-agent completion bash)\n"
                 "  port-agent completion zsh > ~/.zfunc/_port-agent\n"
                 "  port-agent completion fish > ~/.config/fish/completions/port-agent.fish",
        .exit_codes = "Exit codes: 0 printed; 1 it cannot be written; 64 wrong usage.",
        .operand = &shell,
        .operand_words = "bash|zsh|fish",
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    for (size_t i = 0; shell && i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shell, shells[i].name) != 0)
            continue;
        shells[i].print();
        return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    }
    if (!shell)
        return options_wrong(&usage, "the shell is missing; write bash, zsh or fish");
    static const char *const names[] = {"fish", "bash", "zsh", NULL};
    char question[NEAR_QUESTION_SIZE];
    return options_wrong(&usage, "'%s' is not known%s; write bash, zsh or fish", shell,
                         near_question("", near_word(shell, names), question));
}

/* Manual pages */

static void print_head(const char *command, const char *help)
{
    char title[64];
    int len = snprintf(title, sizeof title, "PORT-AGENT%s%s", *command ? "-" : "", command);
    for (int i = 0; i < len; i++)
        title[i] = (char)toupper((unsigned char)title[i]);
    fputs(".TH \"", stdout);
    help_roff(title, stdout);
    printf("\" 1 \"\" \"port\\-agent %s\"\n.SH NAME\nport\\-agent%s", agent_version, *command ? "\\-" : "");
    help_roff(command, stdout);
    fputs(" \\- ", stdout);
    help_roff(help, stdout);
    putchar('\n');
}

static void print_whole_page(void)
{
    size_t count;
    const struct command *commands = commands_all(&count);
    print_head("", "delivers Port's webhook invocations inside your network");
    puts(".SH SYNOPSIS\n.B port\\-agent\n[COMMAND] [OPTIONS]\n.SH DESCRIPTION\nConsumes webhook invocations "
         "from "
         "Kafka, verifies Port's signature, sends them to your\nendpoints and reports the results to Port. "
         "Without a command it is the agent.\n.SH COMMANDS");
    for (size_t i = 0; i < count; i++) {
        fputs(".TP\n.BR port\\-agent\\-", stdout);
        help_roff(commands[i].name, stdout);
        puts(" (1)");
        help_roff(commands[i].help, stdout);
        putchar('\n');
    }
    puts(".SH ENVIRONMENT\nSettings come from the environment, or from a .env file in the working "
         "directory.");
    settings_print_roff(stdout);
    puts(".SH EXIT STATUS\n0 stopped as asked; 1 cannot go on; 64 wrong usage; 78 wrong settings.");
}

static void print_page(const struct command *command)
{
    print_head(command->name, command->help);
    if (!command->parts) {
        print_part(command, NULL, "--help-as=man");
    } else {
        for (const char *const *part = command->parts; *part; part++)
            print_part(command, *part, "--help-as=man");
    }
    puts(".SH SEE ALSO\n.BR port\\-agent (1)");
}

int command_man(int argc, char **argv)
{
    const char *name = NULL;
    bool list = false;
    size_t count, i = 0;
    const struct command *commands = commands_all(&count);
    const struct command_option options[] = {
        {.name = "list", .flag = &list, .help = "the names of all commands that have a page instead"},
    };
    const struct command_usage usage = {
        .command = "man",
        .summary = "[COMMAND] | --list",
        .intro = "Prints the manual page of the agent, or of one of its commands.\n\n"
                 "  port-agent man map | man -l -",
        .exit_codes = "Exit codes: 0 printed; 1 it cannot be written; 64 wrong usage.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operand = &name,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    for (size_t at = 0; list && at < count; at++)
        puts(commands[at].name);
    if (list)
        return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    while (name && i < count && strcmp(commands[i].name, name) != 0)
        i++;
    if (name && i == count) {
        char question[NEAR_QUESTION_SIZE];
        return options_wrong(&usage, "there is no command '%s'%s", name,
                             near_question("", commands_near(name), question));
    }
    if (name)
        print_page(&commands[i]);
    else
        print_whole_page();
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}
