/* One delivery of each kind while an allocation fails: the first, the second, … until one goes through
 * without having come to it; then the same with the eight after it. Each time: no crash, no leak, and no
 * record lost: it ends done, and then what was owed for it has been made or its run was reported failed; or
 * its ticket is dropped, so that it comes again. And a second record right after it is delivered as if
 * nothing had been.
 *
 * librdkafka, and libjq in the mappings' process, are left out: they end the process when there is no memory,
 * and then nothing is lost either. So are the allocations that OpenSSL does not survive (memory.c names them,
 * docs/workarounds.md says why). Each kind has a process of its own, so that a crash can be told with the
 * allocation it came from.
 */
#include "torture.h"
#include "brokers.h"
#include "mappings.h"
#include "memory.h"
#include "tls_front.h"
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MORE = 8, WAITING_PROCESSES = 24, TLS_PROCESSES = 12, ALWAYS = 3, ALWAYS_AT_RANDOM = 10 };

struct options {
    const struct kind *kind; /* NULL: all */
    size_t n, more;          /* that allocation alone; 0: every one */
    size_t every;            /* only each so-manieth of them */
};

static bool torture_record(struct torture *torture)
{
    return torture->kind->consumed ? torture_consumed(torture) : torture_delivery(torture);
}

/** What OpenSSL puts into its tables when it fails somewhere for the first time, or puts there in the place
 * of something else, is no leak; what grows each time is. OpenSSL 3.2 and later were seen
 * to forget what they had fetched, now and then and at random, and to fetch it again. */
static bool torture_and_count(struct torture *torture)
{
    bool tables = torture->kind->tls;
    size_t always = memory_spares_record_layers() ? ALWAYS_AT_RANDOM : ALWAYS;
    for (size_t times = 1;; times++) {
        size_t mark = memory_mark(), blocks = memory_blocks();
        bool failed = torture_record(torture);
        if (memory_left(mark) == 0 || (tables && memory_blocks() <= blocks))
            return failed;
        if (!tables || times == always)
            complain(torture->progress, "a leak", NULL);
    }
}

static void torture_each(struct torture *torture, size_t first, size_t every)
{
    struct progress *progress = torture->progress;
    for (progress->more = 0; progress->more <= MORE; progress->more += MORE) {
        progress->n = first;
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
    snprintf(torture->ca_bundle, sizeof torture->ca_bundle, "%s/ca.pem", torture->directory);
    struct tls_front front = {-1, -1};
    if (torture->kind->tls)
        front = tls_front_begin(torture->ca_bundle);
    if (torture->kind->mapping)
        mappings_begin(torture->kind->mapping);
    memory_hook();
    signal(SIGPIPE, SIG_IGN); /* as the agent does */
    torture->outside = outside_new();
    if (torture->kind->tls)
        outside_set_tls(torture->outside, &front, torture->ca_bundle);
    torture->brokers = torture->kind->consumed ? brokers_new() : NULL;
    /* Twice without a failure: what libraries keep for ever is there then. */
    torture_record(torture);
    torture_record(torture);
}

static void clean_up(struct torture *torture)
{
    if (torture->brokers)
        brokers_free(torture->brokers);
    outside_free(torture->outside);
    curl_global_cleanup();
    unlink(torture->ca_bundle);
    rmdir(torture->letters);
    rmdir(torture->directory);
}

/** `at` of `processes`: each takes its share of the allocations. */
static _Noreturn void torture_kind(const struct options *options, struct progress *progress, size_t at,
                                   size_t processes)
{
    struct torture torture = {.kind = options->kind, .progress = progress};
    prepare(&torture);
    if (options->n > 0) {
        progress->n = options->n;
        progress->more = options->more;
        memory_trace();
        torture_and_count(&torture);
    } else {
        torture_each(&torture, 1 + at * options->every, processes * options->every);
    }
    clean_up(&torture);
    exit(0); /* the leak checker has its say */
}

static bool is_over(pid_t child, const struct progress *progress)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        abort();
    if (WIFSIGNALED(status))
        fprintf(stderr, "allocation %zu (and %zu after it): signal %d\n", progress->n, progress->more,
                WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/** In processes of its own: one, or several where most of the time is waiting. */
static bool survives(const struct options *options)
{
    size_t processes = options->n > 0            ? 1
                       : options->kind->consumed ? WAITING_PROCESSES
                       : options->kind->tls      ? TLS_PROCESSES
                                                 : 1;
    struct progress *progress = mmap(NULL, WAITING_PROCESSES * sizeof *progress, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[WAITING_PROCESSES];
    bool ok = true;
    size_t most = 0;
    if (progress == MAP_FAILED)
        abort();
    fflush(NULL);
    for (size_t i = 0; i < processes; i++) {
        children[i] = fork();
        if (children[i] == 0)
            torture_kind(options, &progress[i], i, processes);
        if (children[i] < 0)
            abort();
    }
    for (size_t i = 0; i < processes; i++) {
        ok &= is_over(children[i], &progress[i]);
        most = progress[i].most > most ? progress[i].most : most;
    }
    printf("%s: %s, %zu allocations, each failed%s\n", options->kind->name, ok ? "ok" : "FAILED", most,
           options->every > 1 ? " that the stride meets" : " alone and with the 8 after it");
    munmap(progress, WAITING_PROCESSES * sizeof *progress);
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
