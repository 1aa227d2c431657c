/* One delivery of each kind while an allocation fails: the first, the second, … until one goes through
 * without having come to it; then the same with the eight after it. Each time: no crash, no leak, and no
 * record lost: it ends done, and then what was owed for it has been made or its run was reported failed; or
 * its ticket is dropped, so that it comes again. And a second record right after it is delivered as if
 * nothing had been.
 *
 * librdkafka, and libjq in the mappings' process, are left out: they end the process when memory is out, and
 * then nothing is lost either. Each kind has a process of its own, so that a crash can be told with the
 * allocation it came from.
 */
#include "agent.h"
#include "memory.h"
#include <curl/curl.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MORE = 8 };

struct options {
    const struct kind *kind; /* NULL: all */
    size_t n, more;          /* that allocation alone; 0: every one */
    size_t every;            /* only each so-manieth of them */
};

/** How far a kind has come; shared with its process. */
struct progress {
    size_t n, more, counted, most;
};

struct torture {
    const struct kind *kind;
    struct outside *outside;
    struct progress *progress;
    char directory[64];
    char letters[96];
};

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

/** NULL, or what is wrong with a record that counts as done. */
static const char *wrong_with(struct torture *torture, const struct sample *sample, bool strictly)
{
    static char said[2048];
    const struct kind *kind = torture->kind;
    char *results = outside_results(torture->outside, kind->run_id ? sample->run_id : "no run");
    const char *told = results ? results : "";
    struct search letter = {sample->name, !kind->buried};
    if (kind->buried)
        for_files(torture->letters, search_file, &letter);
    size_t webhooks = outside_webhooks(torture->outside, sample->name);
    bool failed = kind->run_id && says_failed(told);
    bool arrived = webhooks >= kind->webhooks || (!strictly && failed);
    bool ok = is_told(kind, told, sample->run_id, strictly) && letter.found && arrived;
    snprintf(said, sizeof said, "%zu webhooks%s, Port was told:\n%s", webhooks,
             letter.found ? "" : ", no dead letter", told);
    free(results);
    return ok ? NULL : said;
}

static void complain(const struct progress *progress, const char *what, const char *detail)
{
    fprintf(stderr, "allocation %zu of %zu (and %zu after it): %s%s%s\n", progress->n, progress->counted,
            progress->more, what, detail ? ": " : "", detail ? detail : "");
    _exit(1);
}

static void expect_settled(const struct torture *torture, const char *trouble)
{
    if (trouble)
        complain(torture->progress, trouble, NULL);
}

/* The torture */

/** One record while the n-th allocation fails, one more when memory is there again. True: it came to the
 * n-th. */
static bool torture_once(struct torture *torture)
{
    static size_t serial; /* a late request of one time must not count for the next */
    struct progress *progress = torture->progress;
    struct sample first, second;
    struct given given, after;
    const char *wrong;
    serial += 2;
    outside_reset(torture->outside);
    struct agent *agent = agent_open(torture->kind, torture->outside, torture->letters);
    sample_write(torture->kind, torture->outside, serial, &first);
    sample_write(torture->kind, torture->outside, serial + 1, &second);
    memory_arm(progress->n, progress->more);
    agent_give(agent, torture->outside, &first, serial, &given);
    const char *trouble = agent_run_until_settled(agent, &given);
    progress->counted = memory_count();
    bool failed = memory_disarm();
    expect_settled(torture, trouble);
    if (given.dropped && !failed)
        complain(progress, "the record was dropped though nothing failed", NULL);
    if (given.done && (wrong = wrong_with(torture, &first, !failed)) != NULL)
        complain(progress, "the record is lost", wrong);
    agent_give(agent, torture->outside, &second, serial + 1, &after);
    expect_settled(torture, agent_run_until_settled(agent, &after));
    if (!after.done || (wrong = wrong_with(torture, &second, true)) != NULL)
        complain(progress, "the record after it is not delivered as it should be",
                 after.done ? wrong : "dropped");
    if (!agent_close(agent))
        complain(progress, "something was left on the loop", NULL);
    for_files(torture->letters, remove_file, NULL);
    return failed;
}

static bool torture_and_count(struct torture *torture)
{
    size_t mark = memory_mark();
    bool failed = torture_once(torture);
    if (memory_left(mark) > 0)
        complain(torture->progress, "a leak", NULL);
    return failed;
}

static void torture_each(struct torture *torture, size_t every)
{
    struct progress *progress = torture->progress;
    for (progress->more = 0; progress->more <= MORE; progress->more += MORE) {
        progress->n = 1;
        while (torture_and_count(torture)) {
            progress->most = progress->counted > progress->most ? progress->counted : progress->most;
            progress->n += every;
        }
    }
}

static void prepare(struct torture *torture)
{
    snprintf(torture->directory, sizeof torture->directory, "/tmp/port-agent-torture-XXXXXX");
    if (!mkdtemp(torture->directory))
        complain(torture->progress, "no directory", NULL);
    snprintf(torture->letters, sizeof torture->letters, "%s/letters", torture->directory);
    memory_hook();
    signal(SIGPIPE, SIG_IGN); /* as the agent does */
    torture->outside = outside_new();
    /* Twice without a failure: what libraries keep for ever is there then. */
    torture_once(torture);
    torture_once(torture);
}

static void clean_up(struct torture *torture)
{
    outside_free(torture->outside);
    curl_global_cleanup();
    rmdir(torture->letters);
    rmdir(torture->directory);
}

static void torture_kind(const struct options *options, struct progress *progress)
{
    struct torture torture = {.kind = options->kind, .progress = progress};
    prepare(&torture);
    if (options->n > 0) {
        progress->n = options->n;
        progress->more = options->more;
        memory_trace();
        torture_and_count(&torture);
    } else {
        torture_each(&torture, options->every);
    }
    clean_up(&torture);
    exit(0); /* the leak checker has its say */
}

/** In a process of its own. */
static bool survives(const struct options *options)
{
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    if (progress == MAP_FAILED)
        abort();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        torture_kind(options, progress);
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status))
        fprintf(stderr, "allocation %zu (and %zu after it): signal %d\n", progress->n, progress->more,
                WTERMSIG(status));
    printf("%s: %s, %zu allocations, each failed%s\n", options->kind->name, ok ? "ok" : "FAILED",
           progress->most, options->every > 1 ? " that the stride meets" : " alone and with the 8 after it");
    munmap(progress, sizeof *progress);
    return ok;
}

static void usage(void)
{
    fprintf(stderr,
            "Usage: torture [--every K] [KIND [N [MORE]]]\n"
            "Fails every allocation (each K-th) of a delivery of every KIND, or the N-th and MORE after "
            "it, with stacks.\nKinds:");
    for (size_t i = 0; i < kinds_count; i++)
        fprintf(stderr, " %s", kinds[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static size_t number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        usage();
    return value;
}

int main(int argc, char **argv)
{
    struct options options = {.every = 1};
    bool ok = true;
    int at = 1;
    if (at + 1 < argc && strcmp(argv[at], "--every") == 0) {
        options.every = number(argv[at + 1]);
        at += 2;
    }
    if (at < argc && (options.kind = kind_find(argv[at++])) == NULL)
        usage();
    if (at < argc)
        options.n = number(argv[at++]);
    if (at < argc)
        options.more = number(argv[at++]);
    if (at < argc || options.every == 0)
        usage();
    if (options.kind)
        return survives(&options) ? 0 : 1;
    for (size_t i = 0; i < kinds_count; i++) {
        options.kind = &kinds[i];
        ok &= survives(&options);
    }
    return ok ? 0 : 1;
}
