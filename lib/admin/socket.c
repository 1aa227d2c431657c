/* See socket.h. In this order: /run/port-agent, where the system gives the agent that directory; the
 * directory for temporary files; an abstract name, where nothing can be written. */
#include "admin/socket.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { KINDS = 3, BACKLOG = 16, PART_MAX = 24 };
static const char RUN_DIRECTORY[] = "/run/port-agent", PREFIX[] = "port-agent-";

/* Names */

static void append_part(char *out, size_t size, const char *text)
{
    size_t len = strlen(out), count = strnlen(text, PART_MAX);
    for (size_t i = 0; i < count && len + 1 < size; i++) {
        bool plain = char_is_letter(text[i]) || char_is_digit(text[i]) || text[i] == '.' || text[i] == '_';
        out[len++] = plain ? text[i] : '_';
    }
    out[len] = '\0';
}

/** Readable, and different for different organisations and groups. */
static void base_name(const struct admin_socket_choice *choice, char out[80])
{
    char both[600];
    int len = snprintf(both, sizeof both, "%s\n%s", choice->org_id, choice->group_id);
    size_t used = (size_t)len < sizeof both ? (size_t)len : sizeof both - 1;
    *out = '\0';
    append_part(out, 64, choice->org_id);
    append_part(out, 64, "_");
    append_part(out, 64, choice->group_id);
    size_t end = strlen(out);
    snprintf(out + end, 80 - end, "-%08x", (unsigned)(slice_hash((struct slice){both, used}) & 0xffffffff));
}

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && *directory == '/' ? directory : "/tmp";
}

/** False: it is too long. */
static bool make_name(const char *base, size_t kind, unsigned number, char name[ADMIN_SOCKET_NAME_SIZE])
{
    char behind[16] = "";
    int len;
    if (number > 1)
        snprintf(behind, sizeof behind, ".%u", number);
    if (kind == 0)
        len = snprintf(name, ADMIN_SOCKET_NAME_SIZE, "%s/%s%s.sock", RUN_DIRECTORY, base, behind);
    else if (kind == 1)
        len = snprintf(name, ADMIN_SOCKET_NAME_SIZE, "%s/%s%s%s.sock", temporary_directory(), PREFIX, base,
                       behind);
    else
        len = snprintf(name, ADMIN_SOCKET_NAME_SIZE, "@%s%s%s", PREFIX, base, behind);
    return len < ADMIN_SOCKET_NAME_SIZE;
}

/** The address of a name; its length, 0: it is too long. */
static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
    size_t len = strlen(name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len == 0 || len >= sizeof address->sun_path)
        return 0;
    memcpy(address->sun_path, name, len);
    if (*name != '@')
        return (socklen_t)sizeof *address;
    address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Peers */

static bool peer_of(int fd, struct ucred *peer)
{
    socklen_t size = sizeof *peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) == 0;
}

bool admin_socket_trusts_client(int fd)
{
    struct ucred peer;
    return peer_of(fd, &peer) && (peer.uid == geteuid() || peer.uid == 0);
}

/** In the abstract names anybody may take any. A process of another PID namespace (0) is another pod's, on
 * the same node's network. */
bool admin_socket_trusts_agent(int fd, bool abstract)
{
    struct ucred peer;
    if (!peer_of(fd, &peer))
        return false;
    if (abstract && peer.pid == 0)
        return false;
    return peer.uid == geteuid() || peer.uid == 0 || (geteuid() == 0 && !abstract);
}

static int connect_to(const char *name)
{
    struct sockaddr_un address;
    socklen_t len = address_of(name, &address);
    int fd = len > 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) == 0)
        return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

int admin_socket_connect(const char *name, struct error *err)
{
    errno = ENAMETOOLONG;
    int fd = connect_to(name);
    if (fd < 0)
        return error_set(err, PA_ERR_NOT_FOUND, "no agent answers at %s: %s", name, strerror(errno)), -1;
    if (admin_socket_trusts_agent(fd, *name == '@'))
        return fd;
    close(fd);
    return error_set(err, PA_ERR_INVALID, "%s belongs to another user, or to another container", name), -1;
}

/* Listening */

/** What a process that ended has left behind goes; what somebody listens on stays. */
static bool remove_stale(const char *name)
{
    struct stat status;
    if (*name == '@' || lstat(name, &status) != 0 || !S_ISSOCK(status.st_mode) || status.st_uid != geteuid())
        return false;
    int fd = connect_to(name);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == ECONNREFUSED && unlink(name) == 0;
}

/** 0; EADDRINUSE: an agent listens there; any other error: it cannot be. */
static int bind_to(int fd, const char *name)
{
    struct sockaddr_un address;
    socklen_t len = address_of(name, &address);
    if (len == 0)
        return ENAMETOOLONG;
    if (fchmod(fd, 0600) != 0) /* the file has the socket's mode */
        return errno;
    for (int tries = 0; tries < 2; tries++) {
        if (bind(fd, (const struct sockaddr *)&address, len) == 0)
            return 0;
        if (errno != EADDRINUSE || !remove_stale(name))
            return errno;
    }
    return EADDRINUSE;
}

/** Into the first name of that kind that no agent has. */
static int bind_kind(int fd, const char *base, size_t kind, char name[ADMIN_SOCKET_NAME_SIZE])
{
    int failed = EADDRINUSE;
    for (unsigned number = 1; number <= ADMIN_SOCKETS_MAX && failed == EADDRINUSE; number++)
        failed = make_name(base, kind, number, name) ? bind_to(fd, name) : ENAMETOOLONG;
    return failed;
}

static int bind_anywhere(int fd, const struct admin_socket_choice *choice, char name[ADMIN_SOCKET_NAME_SIZE])
{
    char base[80];
    int failed = ENOENT;
    if (*choice->setting) {
        snprintf(name, ADMIN_SOCKET_NAME_SIZE, "%s", choice->setting);
        return bind_to(fd, choice->setting);
    }
    base_name(choice, base);
    (void)!mkdir(RUN_DIRECTORY, 0755);
    for (size_t kind = 0; kind < KINDS && failed != 0; kind++)
        failed = bind_kind(fd, base, kind, name);
    return failed;
}

int admin_socket_listen(const struct admin_socket_choice *choice, char name[ADMIN_SOCKET_NAME_SIZE],
                        struct error *err)
{
    *name = '\0';
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = fd < 0 ? errno : bind_anywhere(fd, choice, name);
    if (failed == 0 && listen(fd, BACKLOG) != 0)
        failed = errno;
    if (failed == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return error_set(err, PA_ERR_IO, "%s: %s", name, strerror(failed)), -1;
}

void admin_socket_remove(const char *name)
{
    if (*name && *name != '@')
        (void)!unlink(name);
}

/* Finding */

/** False: seen enough. */
static bool each_in_directory(const char *directory, const char *prefix,
                              bool (*each)(void *ctx, const char *name), void *ctx)
{
    DIR *open = opendir(directory);
    bool more = true;
    for (const struct dirent *entry; open && more && (entry = readdir(open));) {
        char name[ADMIN_SOCKET_NAME_SIZE];
        struct slice file = slice_of(entry->d_name);
        bool ours = slice_starts_with(file, prefix) && file.len > 5 &&
                    strcmp(entry->d_name + file.len - 5, ".sock") == 0;
        if (ours && snprintf(name, sizeof name, "%s/%s", directory, entry->d_name) < (int)sizeof name)
            more = each(ctx, name);
    }
    if (open)
        closedir(open);
    return more;
}

static void each_abstract(bool (*each)(void *ctx, const char *name), void *ctx)
{
    FILE *list = fopen("/proc/net/unix", "re");
    char line[512];
    char marker[32];
    snprintf(marker, sizeof marker, " @%s", PREFIX);
    for (bool more = true; list && more && fgets(line, sizeof line, list);) {
        char *name = strstr(line, marker);
        bool listens = strstr(line, " 00010000 ") != NULL;
        if (!name || !listens)
            continue;
        name++;
        name[strcspn(name, "\n")] = '\0';
        more = strlen(name) >= ADMIN_SOCKET_NAME_SIZE || each(ctx, name);
    }
    if (list)
        fclose(list);
}

void admin_socket_each(const struct admin_socket_choice *choice, bool (*each)(void *ctx, const char *name),
                       void *ctx)
{
    char name[ADMIN_SOCKET_NAME_SIZE], base[80];
    if (*choice->setting) {
        (void)each(ctx, choice->setting);
        return;
    }
    if (!*choice->org_id) {
        if (each_in_directory(RUN_DIRECTORY, "", each, ctx) &&
            each_in_directory(temporary_directory(), PREFIX, each, ctx))
            each_abstract(each, ctx);
        return;
    }
    base_name(choice, base);
    for (size_t kind = 0; kind < KINDS; kind++)
        for (unsigned number = 1; number <= ADMIN_SOCKETS_MAX; number++)
            if (make_name(base, kind, number, name) && !each(ctx, name))
                return;
}
