/* The mappings' process, which forks compilers, and these, which compile, fork evaluators and tell of their
 * ends. They block, have no loop and no thread, and must never return into the agent's code. */
#include "map/compiler.h"
#include "base/containment.h"
#include "base/signals.h"
#include "map/confine.h"
#include "map/decrypt.h"
#include "map/evaluator.h"
#include "map/mapping.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends */

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

/** Whatever ended it, no mapping did: why there is no evaluator, and how to mend that. */
static void describe_unfit(int status, char out[128])
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number == 0 && WEXITSTATUS(status) == MAP_PROCESS_NO_MEMORY)
        snprintf(out, 128, "it had no memory to begin with: raise MAPPING_MAX_MEMORY");
    else if (number > 0)
        snprintf(out, 128, "signal %d (%s) ended it: does the system refuse what it needs?", number,
                 signal_name(number));
    else
        snprintf(out, 128, "it ended with %d", WEXITSTATUS(status));
}

static void describe_end(const struct evaluator *evaluator, int status, struct map_end *out)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    bool evaluating = *evaluator->evaluating;
    bool no_memory = number == 0 && WEXITSTATUS(status) == MAP_PROCESS_NO_MEMORY;
    if (number == SIGKILL)
        out->how = MAP_END_KILLED;
    else if (evaluating)
        out->how = no_memory || number == SIGPROF ? MAP_END_BOUND : MAP_END_FAILED;
    else
        out->how = status == 0 ? MAP_END_RETIRED : MAP_END_UNFIT;
    if (out->how == MAP_END_BOUND && number == SIGPROF)
        out->mapping =
            pace_ran_out(evaluator->pacing.pace, evaluator->pacing.which, evaluator->bounds.cpu_ms);
    if (out->how == MAP_END_UNFIT)
        describe_unfit(status, out->reason);
    else if (out->how != MAP_END_RETIRED)
        map_process_describe_death(&evaluator->bounds, status, out->reason);
}

/* The compiler */

/** What a compiler has. */
struct compiler {
    const struct map_process_options *options;
    /** The agent's requests come over it, and the ends of evaluators are told. */
    int control;
    struct mappings *mappings;
    /** The key of encrypted properties; null: no mapping decrypts. */
    struct slice secret;
    /** By enum map_evaluator; pid 0: there is none. */
    struct evaluator evaluators[MAP_EVALUATORS];
};

/** The socket of a process that is asked for, and of which kind; -1: the agent is gone. */
static int receive_socket(int control, enum map_evaluator *which)
{
    unsigned char kind = 0;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } rights;
    struct iovec part = {&kind, 1};
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
    *which = kind == MAP_QUICK ? MAP_QUICK : MAP_PATIENT;
    return fd;
}

static void tell_end(const struct compiler *compiler, const struct map_end *end)
{
    if (send(compiler->control, end, sizeof *end, MSG_NOSIGNAL) != (ssize_t)sizeof *end)
        _exit(0);
}

static _Noreturn void be_evaluator(struct evaluator *evaluator, int control)
{
    close(control);
    map_process_confine(&evaluator->bounds);
    if (evaluator->bounds.sealed) {
        confine_resources();
        confine_calls();
    }
    evaluator_run(evaluator);
    _exit(evaluator->starved ? MAP_PROCESS_NO_MEMORY : 0);
}

static void make_evaluator(struct compiler *compiler, enum map_evaluator which, int fd)
{
    struct evaluator *evaluator = &compiler->evaluators[which];
    evaluator->fd = fd;
    evaluator->mappings = compiler->mappings;
    evaluator->secret = compiler->secret;
    *evaluator->evaluating = false;
    atomic_store(&evaluator->pacing.pace->at[which].mapping, 0);
    evaluator->pid = fork();
    if (evaluator->pid == 0)
        be_evaluator(evaluator, compiler->control);
    close(fd);
    if (evaluator->pid > 0)
        return;
    struct map_end end;
    memset(&end, 0, sizeof end);
    end.which = which;
    end.how = MAP_END_UNFIT;
    snprintf(end.reason, sizeof end.reason, "no process can be made (%s): raise their limit, or memory",
             strerror(errno));
    evaluator->pid = 0;
    tell_end(compiler, &end);
}

/** Tells of the evaluators that have ended. */
static void reap(struct compiler *compiler)
{
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct evaluator *evaluator = &compiler->evaluators[which];
        struct map_end end;
        int status = 0;
        if (evaluator->pid == 0 || waitpid(evaluator->pid, &status, WNOHANG) <= 0)
            continue;
        evaluator->pid = 0;
        memset(&end, 0, sizeof end);
        end.which = (enum map_evaluator)which;
        describe_end(evaluator, status, &end);
        tell_end(compiler, &end);
    }
}

static void child_ended(int number)
{
    (void)number;
}

/** From now on the end of a child interrupts ppoll with the mask that is returned, and nothing else. */
static sigset_t hear_of_children(void)
{
    struct sigaction action = {.sa_handler = child_ended};
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigaction(SIGCHLD, &action, NULL);
    sigprocmask(SIG_BLOCK, &child, &before);
    sigdelset(&before, SIGCHLD);
    return before;
}

static void add_environment(char *const *entries)
{
    for (; entries && *entries; entries++)
        putenv(*entries);
}

void map_process_hide_secrets(void)
{
    static const char *const secrets[] = {"PORT_CLIENT_SECRET",
                                          "PORT_CLIENT_SECRET_FILE",
                                          "PORT_CLIENT_SECRET_PREVIOUS",
                                          "PORT_CLIENT_SECRET_PREVIOUS_FILE",
                                          "KAFKA_CONSUMER_PASSWORD",
                                          "KAFKA_CONSUMER_PASSWORD_FILE",
                                          "OTEL_EXPORTER_OTLP_HEADERS",
                                          "OTEL_EXPORTER_OTLP_HEADERS_FILE",
                                          "ADMIN_TOKEN",
                                          "ADMIN_TOKEN_FILE"};
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

/** Compiles and tells the agent how that went; false: it went wrong. */
static bool compile_file(struct compiler *compiler, bool is_file, struct slice file)
{
    struct buffer problems = {0}, warnings = {0};
    signal(SIGPROF, SIG_DFL);
    map_process_limit_time(COMPILE_MS);
    int failed = is_file ? mappings_load(file, &compiler->mappings, &problems, &warnings) : 0;
    map_process_limit_time(0);
    signal(SIGPROF, SIG_IGN);
    if (!failed && is_file)
        mappings_warn_of_powers(compiler->mappings, &warnings);
    if (failed == PA_ERR_MEMORY)
        buffer_append_text(&problems, "out of memory\n");
    bool told = map_frame_write(compiler->control, (uint32_t)-failed, buffer_slice(&problems)) &&
                map_frame_write(compiler->control, 0, buffer_slice(&warnings));
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return told && !failed;
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

/** Whatever an expression does, it finds no secret that the mappings do not ask for. */
static void keep_what_is_needed(struct compiler *compiler, struct buffer *secret, struct buffer *previous)
{
    bool decrypts = compiler->mappings && mappings_decrypt(compiler->mappings);
    if (decrypts) {
        decrypt_prepare();
        /* as long as the process is there */
        compiler->secret = buffer_slice(secret);
        for (size_t i = 0; i < MAP_PREVIOUS_SECRETS; i++)
            mappings_accept_too(compiler->mappings, i, buffer_slice(&previous[i]));
    }
    for (size_t i = 0; !decrypts && i < MAP_PREVIOUS_SECRETS; i++)
        buffer_wipe(&previous[i]);
    if (!decrypts)
        buffer_wipe(secret);
    if (compiler->mappings && !mappings_read_environment(compiler->mappings))
        environment_forget();
}

/** What evaluators and their parent share. False: no memory. */
static bool prepare_evaluators(struct compiler *compiler)
{
    struct {
        atomic_bool evaluating[MAP_EVALUATORS];
        struct pace pace;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return false;
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        struct evaluator *evaluator = &compiler->evaluators[which];
        evaluator->evaluating = &shared->evaluating[which];
        evaluator->bounds = map_process_bounds(compiler->options, (enum map_evaluator)which);
        evaluator->pacing = (struct pacing){.pace = &shared->pace,
                                            .which = (enum map_evaluator)which,
                                            .bound_us = evaluator->bounds.cpu_ms * 1000,
                                            .began_us = -1};
    }
    return true;
}

/** The agent needs it no longer. Evaluators are not left to whoever reaps orphans: that may be the agent. */
static _Noreturn void end_with_evaluators(const struct compiler *compiler)
{
    for (int which = 0; which < MAP_EVALUATORS; which++) {
        pid_t pid = compiler->evaluators[which].pid;
        if (pid <= 0)
            continue;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    _exit(0);
}

static _Noreturn void fork_evaluators(struct compiler *compiler)
{
    sigset_t mask = hear_of_children();
    struct pollfd asked = {.fd = compiler->control, .events = POLLIN};
    for (;;) {
        enum map_evaluator which;
        int ready = ppoll(&asked, 1, NULL, &mask);
        reap(compiler);
        if (ready <= 0)
            continue;
        int fd = receive_socket(compiler->control, &which);
        if (fd < 0)
            end_with_evaluators(compiler);
        if (!compiler->mappings)
            compiler->mappings = compile_builtin(compiler->options);
        if (!compiler->mappings)
            _exit(1);
        make_evaluator(compiler, which, fd);
    }
}

static _Noreturn void be_compiler(int control, const struct map_process_options *options)
{
    struct compiler compiler = {.options = options, .control = control};
    struct buffer file = {0}, secret = {0}, previous[MAP_PREVIOUS_SECRETS] = {{0}};
    uint32_t is_file = 0, nothing;
    bool heard = map_frame_read(control, &is_file, &file) && map_frame_read(control, &nothing, &secret);
    for (size_t i = 0; heard && i < MAP_PREVIOUS_SECRETS; i++)
        heard = map_frame_read(control, &nothing, &previous[i]);
    if (!heard || !prepare_evaluators(&compiler) ||
        !compile_file(&compiler, is_file != 0, buffer_slice(&file)))
        _exit(1);
    buffer_clear(&file);
    keep_what_is_needed(&compiler, &secret, previous);
    fork_evaluators(&compiler);
}

/* The nursery */

_Noreturn void nursery_run(int asked, const struct map_process_options *options)
{
    enum map_evaluator ignored;
    add_environment(options->environment);
    shed();
    if (options->forget)
        options->forget(options->ctx);
    signal(SIGCHLD, SIG_IGN); /* compilers leave no zombies */
    for (;;) {
        int control = receive_socket(asked, &ignored);
        if (control < 0)
            _exit(0);
        if (fork() == 0) {
            close(asked);
            be_compiler(control, options);
        }
        close(control); /* without a compiler on it, the agent hears that */
    }
}
