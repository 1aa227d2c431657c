/* `port-agent settings`: every setting as a Markdown table, which README.md holds. */
#include "commands.h"
#include "config/config.h"
#include <stdio.h>
#include <string.h>

int command_settings(int argc, char **argv)
{
    if (argc == 0) {
        config_print_markdown(stdout);
        return EXIT_CODE_OK;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        puts("Usage: port-agent settings\n\nPrints every setting, its default and its meaning as a Markdown "
             "table.");
        return EXIT_CODE_OK;
    }
    fprintf(stderr, "port-agent settings: unexpected argument '%s'\n", argv[0]);
    return EXIT_CODE_USAGE;
}
