/* What must hold of a record that counts as done: what was owed for it has been made. */
#include "torture.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Dead letters */

/** Calls `each` with the path of every file. */
static void for_files(const char *directory, void (*each)(void *ctx, const char *path), void *ctx)
{
    DIR *files = opendir(directory);
    for (struct dirent *file; files && (file = readdir(files)) != NULL;) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", directory, file->d_name);
        if (file->d_name[0] != '.')
            each(ctx, path);
    }
    if (files)
        closedir(files);
}

struct search {
    const char *name;
    bool found;
};

static void search_file(void *ctx, const char *path)
{
    struct search *search = ctx;
    char line[8192];
    FILE *lines = fopen(path, "r");
    while (lines && fgets(line, sizeof line, lines))
        search->found |= strstr(line, search->name) != NULL;
    if (lines)
        fclose(lines);
}

static void remove_file(void *ctx, const char *path)
{
    (void)ctx;
    unlink(path);
}

/* What must hold */

static bool says_failed(const char *results)
{
    return strstr(results, "\"status\":\"FAILURE\"") || strstr(results, "\"result\":\"FAILED\"");
}

static bool says(const char *results, const char *expected, const char *run_id)
{
    char text[512];
    if (!expected)
        return false;
    kind_expect(expected, run_id, text);
    return strcmp(results, text) == 0;
}

/** What Port was told is right for a record that is done. `strictly`: it must have gone well. */
static bool is_told(const struct kind *kind, const char *results, const char *run_id, bool strictly)
{
    if (!kind->run_id)
        return true;
    if (!kind->results)
        return says_failed(results);
    return says(results, kind->results, run_id) ||
           (!strictly && (says_failed(results) || says(results, kind->results_cut[0], run_id) ||
                          says(results, kind->results_cut[1], run_id)));
}

const char *verdict(struct torture *torture, const struct sample *sample, bool strictly)
{
    static char said[2048];
    const struct kind *kind = torture->kind;
    char *results = outside_results(torture->outside, kind->run_id ? sample->run_id : "no run");
    const char *told = results ? results : "";
    struct search letter = {sample->name, !kind->buried};
    if (kind->buried)
        for_files(torture->letters, search_file, &letter);
    bool excused = !strictly && kind->run_id && says_failed(told);
    size_t webhooks = outside_webhooks(torture->outside, sample->name, excused ? 0 : kind->webhooks);
    bool arrived = webhooks >= kind->webhooks || excused;
    bool ok = is_told(kind, told, sample->run_id, strictly) && letter.found && arrived;
    snprintf(said, sizeof said, "%zu webhooks%s, Port was told:\n%s", webhooks,
             letter.found ? "" : ", no dead letter", told);
    free(results);
    return ok ? NULL : said;
}

void verdict_clear(struct torture *torture)
{
    for_files(torture->letters, remove_file, NULL);
}

_Noreturn void complain(const struct progress *progress, const char *what, const char *detail)
{
    fprintf(stderr, "allocation %zu of %zu (and %zu after it): %s%s%s\n", progress->n, progress->counted,
            progress->more, what, detail ? ": " : "", detail ? detail : "");
    _exit(1);
}
