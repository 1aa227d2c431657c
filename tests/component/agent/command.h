/* A subcommand as a function: in a folder and an environment of the test's own, with what it prints kept. */
#pragma once
#include "agent/commands.h"
#include "base/buffer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS_MAX = 16, PRINTED_MAX = 65536 };

/** What the last command printed. */
static char printed[PRINTED_MAX], complained[PRINTED_MAX];
static char folder[64], before_folder[4096];

/** For a group's set-up: an empty working directory. */
static inline int enter_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/command-XXXXXX");
    if (!getcwd(before_folder, sizeof before_folder) || !mkdtemp(folder))
        return -1;
    return chdir(folder);
}

/** Goes with everything in it: files, and folders of files. */
static inline int leave_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir(before_folder) == 0 && system(command) == 0 ? 0 : -1;
}

/** As a process starts that is given nothing: with an environment, if an empty one. */
static inline void clear_environment(void)
{
    clearenv();
    setenv("LANG", "C", 1);
}

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static inline void read_back(FILE *file, char out[PRINTED_MAX])
{
    rewind(file);
    out[fread(out, 1, PRINTED_MAX - 1, file)] = '\0';
    fclose(file);
}

/** Runs it with these words (up to a NULL), and returns its exit code. */
static inline int run_command(int (*command)(int argc, char **argv), ...)
{
    char words[WORDS_MAX][512], *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    va_list arguments;
    va_start(arguments, command);
    for (const char *word; (word = va_arg(arguments, const char *)) != NULL; argc++) {
        assert_true(argc < WORDS_MAX);
        snprintf(words[argc], sizeof words[argc], "%s", word);
        argv[argc] = words[argc];
    }
    va_end(arguments);
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    fflush(stdout);
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    int code = command(argc, argv);
    fflush(stdout);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    close(kept_out);
    close(kept_err);
    read_back(out, printed);
    read_back(err, complained);
    return code;
}

static inline void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not say '%s'", text, part);
}

static inline void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' says '%s'", text, part);
}
