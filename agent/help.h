/* What there is to say of a command, in every form: --help for a terminal, a manual page, and the words that
 * shells complete. All from the command's own table (options.h). */
#pragma once
#include "options.h"
#include <stdio.h>

/** Which form a hidden first word asks for ("--help-as=man"); no command has any other use for it. */
enum help_form { HELP_NOT_ASKED, HELP_TEXT, HELP_MAN, HELP_BASH, HELP_ZSH, HELP_FISH };
PA_MUST_USE enum help_form help_form_asked(const char *word);

/** Prints the command in this form. */
void help_print(const struct command_usage *usage, enum help_form form, FILE *out);
/** Prints paragraphs, each wrapped to `width` columns; lines that begin with a blank stay as they are. */
void help_paragraphs(const char *text, size_t width, FILE *out);
/** Prints a name, and beginning at `column` its text, wrapped. */
void help_row(const char *name, size_t column, const char *text, size_t width, FILE *out);
/** Prints a text for troff, in which nothing of it is a request. */
void help_roff(const char *text, FILE *out);
