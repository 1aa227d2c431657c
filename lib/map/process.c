/* How the agent starts the process that compiles and forks evaluators, asks it for them, and ends it; what
 * that process does is compiler.c's. */
#include "map/process.h"
#include "map/compiler.h"
#include "map/evaluator.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
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

/* The agent's side */

static int hear_of_compilation(struct map_process *process, struct buffer *problems, struct buffer *warnings)
{
    uint32_t failed = 0, nothing = 0;
    struct buffer told = {0}, warned = {0};
    bool heard =
        map_frame_read(process->fd, &failed, &told) && map_frame_read(process->fd, &nothing, &warned);
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
        compiler_run(ends[1], options);
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

int map_process_evaluator(const struct map_process *process, enum map_evaluator which, int *fd)
{
    int ends[2];
    unsigned char kind = (unsigned char)which;
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
