/* See problems.h. */
#include "config/problems.h"
#include <stdlib.h>
#include <string.h>

void setting_problems_add(struct setting_problems *problems, const char *setting, bool missing,
                          struct buffer *sentence)
{
    struct setting_problem *grown = realloc(problems->list, (problems->count + 1) * sizeof *grown);
    char *text = buffer_take(sentence, NULL);
    if (grown)
        problems->list = grown;
    if (grown && text) {
        problems->list[problems->count++] = (struct setting_problem){setting, missing, text};
    } else {
        free(text);
        problems->failed = true;
    }
}

bool setting_problems_name(const struct setting_problems *problems, const char *setting)
{
    for (size_t i = 0; i < problems->count; i++)
        if (problems->list[i].setting && strcmp(problems->list[i].setting, setting) == 0)
            return true;
    return false;
}

static bool concerns(const struct setting_problem *problem, const char *const *needs, size_t count)
{
    for (size_t i = 0; problem->setting && i < count; i++)
        if (strcmp(needs[i], problem->setting) == 0)
            return !problem->missing;
    return !problem->setting;
}

void setting_problems_keep(struct setting_problems *problems, const char *const *needs, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < problems->count; i++) {
        if (concerns(&problems->list[i], needs, count))
            problems->list[kept++] = problems->list[i];
        else
            free(problems->list[i].sentence);
    }
    problems->count = kept;
}

void setting_problems_append(const struct setting_problems *problems, struct buffer *lines)
{
    for (size_t i = 0; i < problems->count; i++)
        buffer_appendf(lines, "%s\n", problems->list[i].sentence);
    lines->failed |= problems->failed;
}

void setting_problems_clear(struct setting_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->list[i].sentence);
    free(problems->list);
    *problems = (struct setting_problems){0};
}
