/* See near.h. */
#include "base/near.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { LETTERS_FOR_EACH = 3, ALLOWED_MAX = 3 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

unsigned near_distance(const char *a, const char *b)
{
    unsigned rows[3][NEAR_MAX_LEN + 1];
    size_t b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; a[i - 1]; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned changed = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, changed);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && two_above[j - 2] + 1 < row[j])
                row[j] = two_above[j - 2] + 1;
        }
    }
    return rows[strlen(a) % 3][b_len];
}

unsigned near_allowed(const char *word)
{
    size_t allowed = strlen(word) / LETTERS_FOR_EACH;
    if (allowed == 0)
        return strlen(word) > 1;
    return allowed < ALLOWED_MAX ? (unsigned)allowed : ALLOWED_MAX;
}

const char *near_word(const char *word, const char *const *list)
{
    const char *found = NULL;
    unsigned best = near_allowed(word) + 1;
    for (; *list && strlen(word) <= NEAR_MAX_LEN; list++) {
        unsigned slips = strlen(*list) <= NEAR_MAX_LEN ? near_distance(word, *list) : best;
        if (slips < best) {
            best = slips;
            found = *list;
        }
    }
    return found;
}

const char *near_question(const char *prefix, const char *near, char out[NEAR_QUESTION_SIZE])
{
    *out = '\0';
    if (near)
        snprintf(out, NEAR_QUESTION_SIZE, " (did you mean %.2s%.*s?)", prefix, NEAR_MAX_LEN, near);
    return out;
}
