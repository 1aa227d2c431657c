/* The mapping file, and what its expressions make of an event. Input: the file, a NUL, an event.
 *
 * An expression may run for ever or ask for any amount of memory, upon which libjq ends its process: the
 * agent evaluates in a process of its own (map/process.h), and so does this, with a bound of time and of one
 * allocation; and because some of that may happen while it compiles, it has compiled there first. Such an end
 * is none of our bugs; a sanitizer's word or a broken expectation is. */
#include "fuzz.h"
#include "map/mapping.h"
#include "json/canonical.h"
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BOUND_MS = 200, EXPECTATION_BROKEN = 99 };

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=256:allocator_may_return_null=1";
}

/* What libjq's lexer had of an expression that it cannot read is lost. (The target `request` has no such
 * exception.) */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:jv_mem_alloc";
}

static void check_fields(const struct buffer *fields)
{
    struct slice rest = buffer_slice(fields);
    struct mapped_field field;
    size_t count = 0;
    while (mapped_next(&rest, &field))
        count++;
    if (fields->failed || count == 0 || rest.len > 0)
        _exit(EXPECTATION_BROKEN);
}

static void bound_this_process(void)
{
    struct itimerval bound = {.it_value = {.tv_usec = BOUND_MS * 1000L}};
    signal(SIGALRM, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    setitimer(ITIMER_REAL, &bound, NULL);
}

/** True when the child `pid` ended by itself, false when a bound or libjq ended it. */
static bool ended_well(pid_t pid)
{
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ; /* libFuzzer's own alarm */
    EXPECT(ended == pid);
    if (WIFSIGNALED(status))
        EXPECT(WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGABRT);
    else
        EXPECT(WEXITSTATUS(status) == 0);
    return !WIFSIGNALED(status);
}

/** jq 1.7 reckons constants out while it compiles: "x" * 1e9. */
static bool compiles_within_bounds(struct slice file)
{
    struct buffer problems = {0}, warnings = {0};
    struct mappings *mappings = NULL;
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        bound_this_process();
        PA_IGNORE(mappings_load(file, &mappings, &problems, &warnings)); /* only whether it ends is asked */
        _exit(0);
    }
    return ended_well(child);
}

static void evaluate(const struct mappings *mappings, struct slice event)
{
    struct buffer fields = {0}, report = {0};
    bound_this_process();
    mappings_request(mappings, event, SLICE_LITERAL("0123456789abcdef0123456789abcdef"), NULL, &fields);
    check_fields(&fields);
    mappings_report(mappings, 1, event, SLICE_LITERAL("0123456789abcdef0123456789abcdef"), NULL, &report);
    _exit(0);
}

static void evaluate_apart(const struct mappings *mappings, struct slice event)
{
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0)
        evaluate(mappings, event);
    ended_well(child);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = fuzz_input(data, size), file = fuzz_until(&rest, '\0');
    struct buffer problems = {0}, warnings = {0}, event = {0};
    struct mappings *mappings = NULL;
    if (!compiles_within_bounds(file))
        return 0;
    int failed = mappings_load(file, &mappings, &problems, &warnings);
    EXPECT((failed != 0) == (problems.len > 0) && (failed != 0) == !mappings);
    if (!failed && json_canonical(rest, &event, NULL) == 0)
        evaluate_apart(mappings, buffer_slice(&event));
    mappings_free(mappings);
    buffer_clear(&problems);
    buffer_clear(&warnings);
    buffer_clear(&event);
    return 0;
}
