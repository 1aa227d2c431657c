/* What is logged, for tests. Includes come from the test, cmocka.h among them. */
#pragma once
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct caught {
    FILE *file;
    struct log *log, *before;
};

static inline struct caught logs_catch(void)
{
    struct caught caught = {.file = tmpfile()};
    assert_non_null(caught.file);
    struct log_options options = {.fd = fileno(caught.file), .format = LOG_FORMAT_JSON, .level = LOG_DEBUG};
    caught.log = log_new(&options);
    assert_non_null(caught.log);
    caught.before = log_set_current(caught.log);
    return caught;
}

/** All that was logged and written so far; the caller frees. */
static inline char *logs_so_far(const struct caught *caught)
{
    off_t size = lseek(fileno(caught->file), 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(caught->file), text, (size_t)size, 0), size);
    return text;
}

/** All that was logged; the caller frees. */
static inline char *logs_end(struct caught *caught)
{
    log_set_current(caught->before);
    log_free(caught->log, 2000);
    char *text = logs_so_far(caught);
    fclose(caught->file);
    return text;
}

static inline size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}
