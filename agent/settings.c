/* `port-agent settings`: every setting as a Markdown table, which docs/settings.md holds. */
#include "commands.h"
#include "config/config.h"
#include "options.h"
#include <stdio.h>

int command_settings(int argc, char **argv)
{
    const struct command_usage usage = {
        .command = "settings",
        .summary = "",
        .intro = "Prints every setting, its default and its meaning as a Markdown table.\n\n"
                 "  port-agent settings | grep WEBHOOK",
        .exit_codes = "Exit codes: 0 printed; 1 it cannot be written; 64 wrong usage.",
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    config_print_markdown(stdout);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}
