/* Every setting, as --help, the manual page and `port-agent settings` tell of it. */
#pragma once
#include <stdio.h>

/** For a terminal, wrapped to `width` columns. */
void settings_print_help(size_t width, FILE *out);
/** For troff. */
void settings_print_roff(FILE *out);
