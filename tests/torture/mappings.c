#include "mappings.h"
#include "outside.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CPU_MS = 30 };

const char mappings_file[] =
    "[{\"method\":\"\\\"put\\\"\",\"headers\":{\"X-Team\":\"\\\"platform\\\"\"},"
    "\"query\":{\"team\":\"\\\"a b\\\"\"},"
    "\"body\":{\"secret\":\".payload.properties.secret\",\"from\":\".context.runId\"},"
    "\"report\":{\"summary\":\"\\\"made \\\" + (.response.json.ok | tostring)\","
    "\"externalRunId\":\"\\\"77\\\"\"},"
    "\"fieldsToDecryptPaths\":[\"payload.properties.secret\"]}]";
const char mappings_endless[] = "[{\"body\":{\"never\":\"def f: f; f\"}}]";

static int maker = -1;

static void need(bool worked, const char *what)
{
    if (worked)
        return;
    fprintf(stderr, "the mappings' process: %s\n", what);
    abort();
}

union rights {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
};

static void send_process(int to, struct map_process process)
{
    union rights rights = {
        .head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))}};
    const int sockets[] = {process.nursery, process.fd};
    struct iovec part = {&process.pid, sizeof process.pid};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    memcpy(CMSG_DATA(&rights.head), sockets, sizeof sockets);
    need(sendmsg(to, &message, MSG_NOSIGNAL) == (ssize_t)sizeof process.pid, "cannot be handed over");
}

static struct map_process receive_process(int from)
{
    struct map_process process = MAP_PROCESS_NONE;
    union rights rights;
    struct iovec part = {&process.pid, sizeof process.pid};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof rights.bytes};
    need(recvmsg(from, &message, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof process.pid && CMSG_FIRSTHDR(&message),
         "is not handed over");
    int sockets[2];
    memcpy(sockets, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof sockets);
    process.nursery = sockets[0];
    process.fd = sockets[1];
    return process;
}

/** In a process that ends at once, so that its child becomes one of whoever reaps orphans. */
static _Noreturn void make(int fd, const char *file)
{
    struct map_process_options options = {.file = slice_of(file), .secret = OUTSIDE_SECRET, .cpu_ms = CPU_MS};
    struct buffer problems = {0}, warnings = {0};
    struct map_process process;
    need(map_process_start(&options, &process, &problems, &warnings) == 0, buffer_text(&problems));
    send_process(fd, process);
    _exit(0);
}

static _Noreturn void make_all(int fd, const char *file)
{
    char asked;
    while (read(fd, &asked, 1) == 1) {
        pid_t child = fork();
        if (child == 0)
            make(fd, file);
        need(child > 0 && waitpid(child, NULL, 0) == child && write(fd, &asked, 1) == 1, "is not made");
    }
    _exit(0);
}

void mappings_begin(const char *file)
{
    int ends[2];
    need(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 &&
             socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
         strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        make_all(ends[1], file);
    }
    need(child > 0, "cannot be forked");
    close(ends[1]);
    maker = ends[0];
}

struct map_process mappings_process(void)
{
    char made = 0;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        /* evaluators of the ones before */
    }
    need(write(maker, &made, 1) == 1, "has no maker");
    struct map_process process = receive_process(maker);
    need(read(maker, &made, 1) == 1, "has no maker");
    return process;
}
