/* Both children: the one that compiles and forks, and the evaluators. They block, have no loop and no thread,
 * and must never return into the agent's code. */
#include "map/process.h"
#include "base/containment.h"
#include "base/signals.h"
#include "map/confine.h"
#include "map/decrypt.h"
#include "map/mapping.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What an evaluator may grow by before it retires, where there is no bound of memory: libjq leaks here and
 * there, and a heap that was large once stays so. */
enum { GROWTH_UNBOUNDED = 64 << 20, READ_BYTES = 64 * 1024, FORK_PAUSE_MS = 100 };

struct evaluator {
    int fd;
    const struct map_process_options *options;
    struct mappings *mappings;
    /** Shared with its parent: its death is the expression's fault. */
    atomic_bool *evaluating;
    /** Bytes that were read ahead. */
    struct buffer in;
    /** Of it, in bytes. */
    size_t taken;
    struct buffer fields;
    /** The key of encrypted properties; null: no mapping decrypts. */
    struct slice secret;
};

/* Blocking streams */

/** False: the other side is gone. */
static bool read_whole(int fd, void *bytes, size_t len)
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

/** One system call where it can be: the other side wakes up once. */
static bool write_frame(int fd, uint32_t what, struct slice bytes)
{
    struct map_frame head = {(uint32_t)bytes.len, what};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes.ptr, bytes.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    for (size_t left = sizeof head + bytes.len; left > 0;) {
        ssize_t put = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        left -= (size_t)put;
        for (size_t i = 0; i < 2; i++) {
            size_t part = (size_t)put < parts[i].iov_len ? (size_t)put : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            put -= (ssize_t)part;
        }
    }
    return true;
}

/** Reads a frame into `bytes`, which is emptied first. False: gone, or no memory. */
static bool read_frame(int fd, uint32_t *what, struct buffer *bytes)
{
    struct map_frame head;
    bytes->len = 0;
    if (!read_whole(fd, &head, sizeof head) || buffer_reserve(bytes, (size_t)head.len + 1) != 0 ||
        !read_whole(fd, bytes->ptr, head.len))
        return false;
    bytes->len = head.len;
    *what = head.what;
    return true;
}

/* The evaluator */

static struct slice unread(const struct evaluator *evaluator)
{
    struct slice all = buffer_slice(&evaluator->in);
    return (struct slice){all.ptr + evaluator->taken, all.len - evaluator->taken};
}

/** Moves what has not been taken to the beginning of a buffer that holds `total` bytes. False: no memory. */
static bool make_room(struct evaluator *evaluator, size_t total)
{
    struct slice rest = unread(evaluator);
    bool oversized = evaluator->in.cap > (size_t)4 * READ_BYTES && total <= READ_BYTES;
    if (evaluator->in.cap < total || oversized) {
        struct buffer in = {0};
        if (buffer_reserve(&in, total) != 0)
            return false;
        buffer_append_slice(&in, rest);
        buffer_clear(&evaluator->in);
        evaluator->in = in;
    } else if (evaluator->taken > 0) {
        memmove(evaluator->in.ptr, rest.ptr, rest.len);
    }
    evaluator->in.len = rest.len;
    evaluator->taken = 0;
    return true;
}

/** False: the agent is gone. */
static bool read_more(struct evaluator *evaluator)
{
    struct buffer *in = &evaluator->in;
    ssize_t got;
    do
        got = read(evaluator->fd, in->ptr + in->len, in->cap - in->len);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        in->len += (size_t)got;
    return got > 0;
}

/** Reads past a frame that there is no memory for. */
static bool discard(struct evaluator *evaluator, size_t len)
{
    char chunk[4096];
    struct slice rest = unread(evaluator);
    len -= rest.len;
    evaluator->taken = evaluator->in.len;
    while (len > 0) {
        size_t part = len < sizeof chunk ? len : sizeof chunk;
        if (!read_whole(evaluator->fd, chunk, part))
            return false;
        len -= part;
    }
    return true;
}

/** There is no memory for the frame, of which `have` bytes have been read. False: its end is not known, or
 * the agent is gone. */
static bool refuse_request(struct evaluator *evaluator, size_t have, size_t whole)
{
    static const char no_memory[] = "the event is too large for MAPPING_MAX_MEMORY";
    return have >= sizeof(struct map_frame) && discard(evaluator, whole) &&
           write_frame(evaluator->fd, 1, SLICE_LITERAL(no_memory));
}

/** The next frame, which stays where it is until the one after it is asked for. False: the agent is gone. */
static bool next_frame(struct evaluator *evaluator, struct map_frame *head, struct slice *bytes)
{
    for (;;) {
        struct slice rest = unread(evaluator);
        size_t whole = sizeof *head;
        if (rest.len >= sizeof *head) {
            memcpy(head, rest.ptr, sizeof *head);
            whole += head->len;
        }
        if (rest.len >= sizeof *head && rest.len >= whole) {
            *bytes = (struct slice){rest.ptr + sizeof *head, head->len};
            evaluator->taken += whole;
            return true;
        }
        bool fits = make_room(evaluator, whole < READ_BYTES ? READ_BYTES : whole);
        if (fits ? !read_more(evaluator) : !refuse_request(evaluator, rest.len, whole))
            return false;
    }
}

void map_process_limit_time(int64_t cpu_ms)
{
    struct itimerval alarm = {.it_value = {.tv_sec = cpu_ms / 1000, .tv_usec = cpu_ms % 1000 * 1000}};
    setitimer(ITIMER_PROF, &alarm, NULL);
}

static bool answer(struct evaluator *evaluator, uint32_t what, struct slice input)
{
    static const char no_memory[] = "what the mapping gives is too large for MAPPING_MAX_MEMORY";
    struct buffer *fields = &evaluator->fields;
    fields->len = 0;
    *evaluator->evaluating = true;
    map_process_limit_time(evaluator->options->cpu_ms);
    if (what == 0)
        mappings_request(evaluator->mappings, input, evaluator->secret, NULL, fields);
    else
        mappings_report(evaluator->mappings, what, input, evaluator->secret, NULL, fields);
    map_process_limit_time(0);
    *evaluator->evaluating = false;
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

/** Answers frame by frame, until the agent closes the socket or memory has grown: what is read ahead by then,
 * the next evaluator gets. */
static void evaluate(struct evaluator *evaluator)
{
    struct map_frame head;
    struct slice input;
    size_t bound = evaluator->options->memory_bytes;
    size_t enough = peak_memory() + (bound > 0 ? bound / 4 : GROWTH_UNBOUNDED);
    /* the bound is one event's, not what came before it */
    while (next_frame(evaluator, &head, &input) && answer(evaluator, head.what, input) &&
           peak_memory() <= enough) {
    }
    buffer_clear(&evaluator->in);
    buffer_clear(&evaluator->fields);
}

/* Its parent */

/** The name of a signal that a process dies of by its own fault. */
static const char *signal_name(int number)
{
    static const char *const names[] = {
        [SIGABRT] = "SIGABRT", [SIGSEGV] = "SIGSEGV", [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",
        [SIGILL] = "SIGILL",   [SIGSYS] = "SIGSYS",   [SIGTRAP] = "SIGTRAP", [SIGTERM] = "SIGTERM"};
    bool known = number > 0 && (size_t)number < sizeof names / sizeof *names && names[number];
    return known ? names[number] : "another signal";
}

void map_process_describe_death(const struct map_process_options *options, int status, char out[128])
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == MAP_PROCESS_NO_MEMORY && options->memory_bytes > 0)
        snprintf(out, 128, "the mapping needed more memory than MAPPING_MAX_MEMORY (%zu bytes)",
                 options->memory_bytes);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == MAP_PROCESS_NO_MEMORY)
        snprintf(out, 128, "out of memory while the mapping was evaluated");
    else if (number == SIGPROF)
        snprintf(out, 128, "the mapping took more than %lld ms of processor time (MAPPING_TIMEOUT)",
                 (long long)options->cpu_ms);
    else if (number == SIGKILL)
        snprintf(out, 128,
                 "the process that evaluated the mapping was killed by another (signal 9, SIGKILL)");
    else if (number > 0)
        snprintf(out, 128, "the mapping broke jq: its process was ended by signal %d (%s)", number,
                 signal_name(number));
    else
        snprintf(out, 128, "the process that evaluated the mapping ended with %d", WEXITSTATUS(status));
}

/** The socket of an evaluator that is asked for; -1: the agent is gone. */
static int receive_socket(int control)
{
    char byte;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } rights;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    ssize_t got;
    do
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int fd = -1;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static void describe_end(const struct evaluator *evaluator, int status, struct map_end *out)
{
    *out = (struct map_end){.how = MAP_END_RETIRED};
    if (WIFEXITED(status) && !*evaluator->evaluating)
        return;
    map_process_describe_death(evaluator->options, status, out->reason);
    bool own = *evaluator->evaluating && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    out->how = own ? MAP_END_FAILED : MAP_END_KILLED;
}

/** The system may give out no process for a while. */
static pid_t fork_evaluator(void)
{
    static const struct timespec pause = {.tv_nsec = FORK_PAUSE_MS * 1000000L};
    pid_t pid;
    while ((pid = fork()) < 0)
        nanosleep(&pause, NULL);
    return pid;
}

static void run_evaluator(struct evaluator *evaluator, int control)
{
    struct map_end end;
    int status = 0;
    *evaluator->evaluating = false;
    pid_t child = fork_evaluator();
    if (child == 0) {
        close(control);
        map_process_confine(evaluator->options);
        if (evaluator->options->sealed) {
            confine_resources();
            confine_calls();
        }
        evaluate(evaluator);
        _exit(0);
    }
    close(evaluator->fd);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            _exit(1);
    memset(&end, 0, sizeof end);
    describe_end(evaluator, status, &end);
    if (send(control, &end, sizeof end, MSG_NOSIGNAL) != (ssize_t)sizeof end)
        _exit(0);
}

static void add_environment(char *const *entries)
{
    for (; entries && *entries; entries++)
        putenv(*entries);
}

void map_process_hide_secrets(void)
{
    static const char *const secrets[] = {"PORT_CLIENT_SECRET",          "PORT_CLIENT_SECRET_FILE",
                                          "PORT_CLIENT_SECRET_PREVIOUS", "PORT_CLIENT_SECRET_PREVIOUS_FILE",
                                          "KAFKA_CONSUMER_PASSWORD",     "KAFKA_CONSUMER_PASSWORD_FILE"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        environment_forget_one(secrets[i]);
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
    /* The agent's signals are the agent's, and it drains with us; a process group of our own ends with one
     * kill.
     */
    setpgid(0, 0);
    signals_ignore_stops();
    signals_ignore_strays();
    signals_release();
}

/** Compiles and tells the agent how that went; NULL: it went wrong. */
static struct mappings *compile_mappings(int fd, struct slice file)
{
    struct mappings *mappings = NULL;
    struct buffer problems = {0}, warnings = {0};
    int failed = mappings_load(file, &mappings, &problems, &warnings);
    if (!failed)
        mappings_warn_of_powers(mappings, &warnings);
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(&problems, "out of memory\n");
    bool told = write_frame(fd, (uint32_t)-failed, buffer_slice(&problems)) &&
                write_frame(fd, 0, buffer_slice(&warnings));
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return told ? mappings : NULL;
}

/** The built-in mappings, once they are needed: most agents never do. */
static struct mappings *compile_builtin(const struct map_process_options *options)
{
    struct mappings *mappings = NULL;
    struct buffer ignored = {0};
    mappings_builtin_hide_variables(options->hide_settings);
    /* Out of memory: there are none then, which is told. */
    PA_IGNORE(mappings_load(slice_of(mappings_builtin), &mappings, &ignored, &ignored));
    buffer_clear(&ignored);
    return mappings;
}

/** Whatever an expression does, it finds no secret that the mappings do not ask for. False: out of memory. */
static bool keep_what_is_needed(struct evaluator *evaluator)
{
    const struct map_process_options *options = evaluator->options;
    struct buffer key = {0}, previous = {0};
    if (evaluator->mappings && mappings_decrypt(evaluator->mappings)) {
        decrypt_prepare();
        buffer_append_slice(&key, options->secret);
        buffer_append_slice(&previous, options->previous_secret);
        /* as long as the process is there */
        evaluator->secret = buffer_slice(&key);
        mappings_accept_too(evaluator->mappings, buffer_slice(&previous));
    }
    if (evaluator->mappings && !mappings_read_environment(evaluator->mappings))
        environment_forget();
    if (options->forget)
        options->forget(options->ctx);
    return !key.failed && !previous.failed;
}

static _Noreturn void be_process(int control, const struct map_process_options *options)
{
    struct evaluator evaluator = {.options = options};
    add_environment(options->environment);
    shed();
    evaluator.evaluating =
        mmap(NULL, sizeof *evaluator.evaluating, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (evaluator.evaluating == MAP_FAILED)
        _exit(1);
    if (!slice_is_null(options->file)) {
        evaluator.mappings = compile_mappings(control, options->file);
        if (!evaluator.mappings)
            _exit(1);
    }
    if (!keep_what_is_needed(&evaluator))
        _exit(1);
    while ((evaluator.fd = receive_socket(control)) >= 0) {
        if (!evaluator.mappings)
            evaluator.mappings = compile_builtin(options);
        if (!evaluator.mappings)
            _exit(1);
        run_evaluator(&evaluator, control);
    }
    _exit(0);
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

int map_process_evaluator(const struct map_process *process, int *fd)
{
    int ends[2];
    char byte = 0;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } rights = {
        .head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return PA_ERR_IO;
    memcpy(CMSG_DATA(&rights.head), &ends[1], sizeof ends[1]);
    bool sent = sendmsg(process->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
    int why = errno;
    close(ends[1]);
    if (!sent) {
        close(ends[0]);
        errno = why;
        return PA_ERR_IO;
    }
    *fd = ends[0];
    return 0;
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
