/* How the agent starts the process that compiles and forks evaluators, asks it for them, and ends it; what
 * that process does is compiler.c's. */
#include "map/process.h"
#include "map/compiler.h"
#include "map/evaluator.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* What nearly every evaluation needs, by far: time, and memory beside the 2 MiB that an evaluator begins
 * with. */
enum { QUICK_CPU_MS = 25, QUICK_MEMORY_MIN = 3 << 20, QUICK_MEMORY_MAX = 8 << 20 };

/* Bounds */

static size_t quick_memory(size_t bytes)
{
    size_t share = bytes / 4 > QUICK_MEMORY_MAX ? QUICK_MEMORY_MAX : bytes / 4;
    share = share < QUICK_MEMORY_MIN ? QUICK_MEMORY_MIN : share;
    return share < bytes / 2 ? share : bytes / 2;
}

struct map_process_options map_process_bounds(const struct map_process_options *options,
                                              enum map_evaluator which)
{
    struct map_process_options bounds = *options;
    size_t quick = quick_memory(options->memory_bytes);
    bounds.memory_bytes = which == MAP_QUICK ? quick : options->memory_bytes - quick;
    if (which == MAP_QUICK && bounds.cpu_ms > QUICK_CPU_MS)
        bounds.cpu_ms = QUICK_CPU_MS;
    return bounds;
}

/* Asking */

/** Asks whoever reads `to` for a process of that kind: *fd is this end of its socket. */
static int ask_for_process(int to, unsigned char kind, int *fd)
{
    int ends[2];
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } rights = {
        .head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec part = {&kind, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return PA_ERR_IO;
    memcpy(CMSG_DATA(&rights.head), &ends[1], sizeof ends[1]);
    bool sent = sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
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

int map_process_evaluator(int compiler, enum map_evaluator which, int *fd)
{
    return ask_for_process(compiler, (unsigned char)which, fd);
}

/* Compiling */

static void set_deadline(int fd, time_t seconds)
{
    const struct timeval longest = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
}

static bool tell_compiler(int fd, const struct map_process_options *options)
{
    bool told = map_frame_write(fd, !slice_is_null(options->file), options->file) &&
                map_frame_write(fd, 0, options->secret);
    for (size_t i = 0; told && i < MAP_PREVIOUS_SECRETS; i++)
        told = map_frame_write(fd, 0, options->previous_secrets[i]);
    return told;
}

static int hear_of_compilation(int fd, struct buffer *problems, struct buffer *warnings)
{
    uint32_t failed = 0, nothing = 0;
    struct buffer told = {0}, warned = {0};
    bool heard = map_frame_read(fd, &failed, &told) && map_frame_read(fd, &nothing, &warned);
    if (!heard)
        buffer_append_text(problems, errno == EAGAIN ? "it takes too long to compile\n"
                                                     : "the process that compiles it died\n");
    buffer_append_slice(problems, buffer_slice(&told));
    buffer_append_slice(warnings, buffer_slice(&warned));
    buffer_clear(&told);
    buffer_clear(&warned);
    return heard ? -(int)failed : PA_ERR_IO;
}

int map_process_compile(const struct map_process *process, const struct map_process_options *options, int *fd,
                        struct buffer *problems, struct buffer *warnings)
{
    if (ask_for_process(process->nursery, 0, fd) != 0) {
        buffer_appendf(problems, "no process that compiles it can be asked for: %s\n", strerror(errno));
        *fd = -1;
        return PA_ERR_IO;
    }
    set_deadline(*fd, COMPILE_MS / 1000);
    errno = 0;
    /* A compiler that cannot be told is heard to have died. */
    PA_IGNORE(tell_compiler(*fd, options));
    int failed = hear_of_compilation(*fd, problems, warnings);
    set_deadline(*fd, 0);
    if (failed) {
        close(*fd);
        *fd = -1;
    }
    return failed;
}

/* Life */

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
        nursery_run(ends[1], options);
    }
    close(ends[1]);
    *out = (struct map_process){pid, ends[0], -1};
    int failed;
    if (pid < 0) {
        buffer_appendf(problems, "no process for the mappings: %s\n", strerror(errno));
        failed = PA_ERR_IO;
    } else {
        failed = map_process_compile(out, options, &out->fd, problems, warnings);
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
    if (process->nursery >= 0)
        close(process->nursery);
    if (process->fd >= 0)
        close(process->fd);
    *process = MAP_PROCESS_NONE;
}
