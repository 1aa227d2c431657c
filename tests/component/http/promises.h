/* A table of docs/operating.md that says how requests come out: its rows, of three cells, as tests walk
 * through them. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CELL_MAX = 160, ROWS_MAX = 20 };

/** A row of the table: how a connection ends, and what comes of it on first use and later. */
struct row {
    char cells[3][CELL_MAX];
    size_t endings;
};

/** Splits "| a | b | c |"; "the same" is what the cell before says. */
static inline void read_row(const char *line, struct row *row)
{
    *row = (struct row){0};
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(line, "| ", 2);
        const char *end = strstr(line + 2, " |");
        assert_non_null(end);
        snprintf(row->cells[i], CELL_MAX, "%.*s", (int)(end - line - 2), line + 2);
        line = end + 1;
    }
    if (strcmp(row->cells[2], "the same") == 0)
        snprintf(row->cells[2], CELL_MAX, "%s", row->cells[1]);
}

static inline size_t read_table(const char *title, struct row *rows)
{
    char line[512];
    size_t count = 0;
    const char *path = getenv("OPERATING_MD");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file)
        skip();
    while (fgets(line, sizeof line, file) && strcmp(line, title) != 0)
        ;
    assert_non_null(fgets(line, sizeof line, file)); /* the line under the title */
    while (fgets(line, sizeof line, file) && *line == '|') {
        assert_in_range(count, 0, ROWS_MAX - 1);
        read_row(line, &rows[count++]);
    }
    fclose(file);
    return count;
}

static inline struct row *row_of(struct row *rows, size_t count, const char *begins)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(rows[i].cells[0], begins, strlen(begins)) == 0)
            return &rows[i];
    fail_msg("the table has no row that begins with '%s'", begins);
    return NULL;
}

/** The table has rows, and each was asked for. */
static inline void assert_all_tried(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].endings == 0)
            fail_msg("nothing here ends as in the row '%s'", rows[i].cells[0]);
    assert_true(count > 0);
}
