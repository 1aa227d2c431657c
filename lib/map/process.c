#include "map/process.h"
#include "map/mapping.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where an evaluator is, in memory it shares with its parent: what it leaves behind depends on it. */
enum evaluator_place { AT_FRAME, EVALUATING, ANSWERING, RETIRED };

/* What an evaluator may grow by before it retires, where there is no bound of memory: libjq leaks here and
 * there, and a heap that was large once stays so. */
enum { GROWTH_UNBOUNDED = 64 << 20 };

struct evaluator {
    int fd;
    const struct map_process_options *options;
    struct mappings *mappings;
    atomic_int *place;
};

/* Blocking streams */

/** False: the other side is gone. */
static bool read_all(int fd, void *bytes, size_t len)
{
    for (char *at = bytes; len > 0;) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len > 0;) {
        ssize_t put = send(fd, at, len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        at += put;
        len -= (size_t)put;
    }
    return true;
}

static bool write_frame(int fd, uint32_t what, struct slice bytes)
{
    struct map_frame head = {(uint32_t)bytes.len, what};
    return write_all(fd, &head, sizeof head) && write_all(fd, bytes.ptr, bytes.len);
}

/** Reads a frame into `bytes`, which is emptied first. False: gone, or no memory. */
static bool read_frame(int fd, uint32_t *what, struct buffer *bytes)
{
    struct map_frame head;
    bytes->len = 0;
    if (!read_all(fd, &head, sizeof head) || buffer_reserve(bytes, (size_t)head.len + 1) != 0 ||
        !read_all(fd, bytes->ptr, head.len))
        return false;
    bytes->len = head.len;
    *what = head.what;
    return true;
}

/* The evaluator */

static bool discard(int fd, size_t len)
{
    char chunk[4096];
    while (len > 0) {
        size_t part = len < sizeof chunk ? len : sizeof chunk;
        if (!read_all(fd, chunk, part))
            return false;
        len -= part;
    }
    return true;
}

void map_process_limit_time(int64_t cpu_ms)
{
    struct itimerval alarm = {.it_value = {.tv_sec = cpu_ms / 1000, .tv_usec = cpu_ms % 1000 * 1000}};
    setitimer(ITIMER_PROF, &alarm, NULL);
}

static bool answer(struct evaluator *evaluator, uint32_t what, struct slice input, struct buffer *fields)
{
    static const char no_memory[] = "the event is too large for MAPPING_MAX_MEMORY";
    *evaluator->place = EVALUATING;
    map_process_limit_time(evaluator->options->cpu_ms);
    fields->len = 0;
    if (what == 0)
        mappings_request(evaluator->mappings, input, evaluator->options->secret, NULL, fields);
    else
        mappings_report(evaluator->mappings, what, input, evaluator->options->secret, NULL, fields);
    map_process_limit_time(0);
    *evaluator->place = ANSWERING;
    bool failed = fields->failed;
    fields->failed = false;
    return failed ? write_frame(evaluator->fd, 1, SLICE_LITERAL(no_memory))
                  : write_frame(evaluator->fd, 0, buffer_slice(fields));
}

/** The most memory it has had, in bytes. */
static size_t peak_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

/** Answers frame by frame, reading no further than the frame at hand: the next evaluator goes on behind it.
 */
static void evaluate(struct evaluator *evaluator)
{
    struct buffer input = {0}, fields = {0};
    struct map_frame head;
    size_t bound = evaluator->options->memory_bytes;
    size_t enough = peak_memory() + (bound > 0 ? bound / 4 : GROWTH_UNBOUNDED);
    bool going = true;
    while (going) {
        *evaluator->place = AT_FRAME;
        if (!read_all(evaluator->fd, &head, sizeof head))
            break;
        input.len = 0;
        if (buffer_reserve(&input, (size_t)head.len + 1) != 0) {
            input.failed = false;
            going =
                discard(evaluator->fd, head.len) &&
                write_frame(evaluator->fd, 1, SLICE_LITERAL("the event is too large for MAPPING_MAX_MEMORY"));
            continue;
        }
        going = read_all(evaluator->fd, input.ptr, head.len) &&
                answer(evaluator, head.what, (struct slice){input.ptr, head.len}, &fields);
        if (going && peak_memory() > enough) { /* the bound is one event's, not what came before it */
            *evaluator->place = RETIRED;
            break;
        }
    }
    buffer_clear(&input);
    buffer_clear(&fields);
}

void map_process_confine(const struct map_process_options *options)
{
    /* It must die of what fails in it, whatever handlers it inherited. */
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    struct rlimit none = {0, 0}, memory = {options->memory_bytes, options->memory_bytes};
    setrlimit(RLIMIT_CORE, &none);
    if (options->memory_bytes > 0)
        setrlimit(RLIMIT_DATA, &memory);
}

/* Its parent */

void map_process_describe_death(const struct map_process_options *options, int status, char out[128])
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number == SIGPROF)
        snprintf(out, 128, "the mapping took more than %lld ms of processor time (MAPPING_TIMEOUT)",
                 (long long)options->cpu_ms);
    else if (options->memory_bytes > 0 &&
             (number == SIGABRT || number == SIGSEGV)) /* how libjq meets the bound */
        snprintf(
            out, 128,
            "the mapping needed more memory than MAPPING_MAX_MEMORY (%zu bytes), or broke jq (signal %d)",
            options->memory_bytes, number);
    else
        snprintf(out, 128, "evaluating the mapping failed (signal %d)", number);
}

/** Forks evaluators until the agent is gone. */
static _Noreturn void attend(struct evaluator *evaluator)
{
    for (;;) {
        int status = 0;
        *evaluator->place = AT_FRAME;
        pid_t child = fork();
        if (child < 0)
            _exit(1);
        if (child == 0) {
            map_process_confine(evaluator->options);
            evaluate(evaluator);
            _exit(0);
        }
        while (waitpid(child, &status, 0) < 0)
            if (errno != EINTR)
                _exit(1);
        if (*evaluator->place == RETIRED)
            continue;
        /* Gone in the middle of a frame, nobody knows where the next one begins. */
        if (*evaluator->place != EVALUATING)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
        char reason[128];
        map_process_describe_death(evaluator->options, status, reason);
        if (!write_frame(evaluator->fd, 1, slice_of(reason)))
            _exit(0);
    }
}

static void add_environment(char *const *entries)
{
    for (; entries && *entries; entries++)
        putenv(*entries);
}

void map_process_hide_secrets(void)
{
    static const char *const secrets[] = {"PORT_CLIENT_SECRET", "PORT_CLIENT_SECRET_FILE",
                                          "KAFKA_CONSUMER_PASSWORD", "KAFKA_CONSUMER_PASSWORD_FILE"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        unsetenv(secrets[i]);
}

/** What jq's `env` must not show; stdio is not ours to use. */
static void shed(void)
{
    map_process_hide_secrets();
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2 && nothing >= 0; fd++)
        dup2(nothing, fd);
    if (nothing > 2)
        close(nothing);
    /* The agent's signals are the agent's; a process group of our own ends with one kill. */
    setpgid(0, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/** Compiles and tells the agent how that went; NULL: it went wrong. */
static struct mappings *compile(int fd, struct slice file)
{
    struct mappings *mappings = NULL;
    struct buffer problems = {0}, warnings = {0};
    int failed = mappings_load(file, &mappings, &problems, &warnings);
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(&problems, "out of memory\n");
    bool told = write_frame(fd, (uint32_t)-failed, buffer_slice(&problems)) &&
                write_frame(fd, 0, buffer_slice(&warnings));
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return told ? mappings : NULL;
}

/** The built-in mappings: most agents never need them. */
static struct mappings *compile_when_needed(int fd)
{
    struct mappings *mappings = NULL;
    struct buffer ignored = {0};
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, -1) < 0)
        if (errno != EINTR)
            return NULL;
    mappings_load(slice_of(mappings_builtin), &mappings, &ignored, &ignored);
    buffer_clear(&ignored);
    return mappings;
}

static _Noreturn void be_process(int fd, const struct map_process_options *options)
{
    struct evaluator evaluator = {.fd = fd, .options = options};
    add_environment(options->environment);
    shed();
    evaluator.place =
        mmap(NULL, sizeof *evaluator.place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (evaluator.place == MAP_FAILED)
        _exit(1);
    evaluator.mappings = slice_is_null(options->file) ? compile_when_needed(fd) : compile(fd, options->file);
    if (!evaluator.mappings)
        _exit(1);
    attend(&evaluator);
}

/* The agent's side */

static int hear_of_compilation(struct map_process *process, struct buffer *problems, struct buffer *warnings)
{
    uint32_t failed = 0, nothing = 0;
    struct buffer told = {0}, warned = {0};
    bool heard = read_frame(process->fd, &failed, &told) && read_frame(process->fd, &nothing, &warned);
    if (!heard)
        buffer_append_text(problems, "the process that compiles it died\n");
    buffer_append_slice(problems, buffer_slice(&told));
    buffer_append_slice(warnings, buffer_slice(&warned));
    buffer_clear(&told);
    buffer_clear(&warned);
    return heard ? -(int)failed : PA_ERR_IO;
}

int map_process_start(const struct map_process_options *options, struct map_process *out,
                      struct buffer *problems, struct buffer *warnings)
{
    int ends[2];
    *out = MAP_PROCESS_NONE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        buffer_appendf(problems, "no socket for the mappings' process: %s\n", strerror(errno));
        return PA_ERR_IO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_process(ends[1], options);
    }
    close(ends[1]);
    *out = (struct map_process){pid, ends[0]};
    int failed = 0;
    if (pid < 0) {
        buffer_appendf(problems, "no process for the mappings: %s\n", strerror(errno));
        failed = PA_ERR_IO;
    } else if (!slice_is_null(options->file)) {
        failed = hear_of_compilation(out, problems, warnings);
    }
    if (failed)
        map_process_end(out);
    return failed;
}

void map_process_end(struct map_process *process)
{
    if (process->pid > 0) {
        kill(-process->pid, SIGKILL);
        kill(process->pid, SIGKILL); /* in case it has no group of its own yet */
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    if (process->fd >= 0)
        close(process->fd);
    *process = MAP_PROCESS_NONE;
}
