/* Runs a program in another root file system as if it had been started from here: with the same process id,
 * working directory, environment, descriptors and user. Built by ./dev for each root, with
 *
 *   ENTER_ROOT     the root's folder
 *   ENTER_PROGRAM  the program there, by its path; "": the first argument names it, and PATH is searched
 *   ENTER_BINDS    paths that are there as they are here, with line breaks; one that is missing on either
 * side is left out ENTER_READ_ONLY  1: nothing can be written in the root but what is bound
 *
 * Root gets a mount namespace of its own, anybody else a user namespace as well, in which they are who they
 * were. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { CANNOT_ENTER = 125 };

/* Standard error may be closed, and then nobody hears it; the exit code says it all the same. */
static void fail(const char *format, ...)
{
    char text[PATH_MAX + 200];
    int reason = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "enter %s: %s: %s\n", ENTER_ROOT, text, strerror(reason));
    _exit(CANNOT_ENTER);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail("%s", path);
    close(fd);
}

/** A mount namespace of our own; in a user namespace where that needs rights that we have not. */
static void leave(void)
{
    char map[64];
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWNS) == 0)
        return;
    if (errno != EPERM)
        fail("no mount namespace");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        fail("no user namespace (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)");
    snprintf(map, sizeof map, "%u %u 1", user, user);
    write_file("/proc/self/uid_map", map);
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", group, group);
    write_file("/proc/self/gid_map", map);
}

/** What a mount of a parent user namespace forbids must stay forbidden when it is mounted again. */
static unsigned long forbidden(void)
{
    struct statvfs there;
    if (statvfs(ENTER_ROOT, &there) != 0)
        fail("it cannot be looked at");
    unsigned long flags = 0;
    flags |= there.f_flag & ST_NOSUID ? MS_NOSUID : 0;
    flags |= there.f_flag & ST_NODEV ? MS_NODEV : 0;
    flags |= there.f_flag & ST_NOEXEC ? MS_NOEXEC : 0;
    flags |= there.f_flag & ST_NOATIME ? MS_NOATIME : 0;
    return flags | (there.f_flag & ST_RELATIME ? MS_RELATIME : 0);
}

static void mount_root(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        fail("the mounts cannot be made private");
    if (mount(ENTER_ROOT, ENTER_ROOT, NULL, MS_BIND, NULL) != 0)
        fail("it cannot be mounted");
    if (ENTER_READ_ONLY &&
        mount("none", ENTER_ROOT, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | forbidden(), NULL) != 0)
        fail("it cannot be made read-only");
}

static void bind_paths(void)
{
    char paths[] = ENTER_BINDS, target[PATH_MAX], *rest = NULL;
    for (const char *path = strtok_r(paths, "\n", &rest); path; path = strtok_r(NULL, "\n", &rest)) {
        snprintf(target, sizeof target, "%s%s", ENTER_ROOT, path);
        if (access(path, F_OK) != 0 || access(target, F_OK) != 0)
            continue;
        if (mount(path, target, NULL, MS_BIND | MS_REC, NULL) != 0)
            fail("%s cannot be mounted", path);
    }
}

int main(int argc, char **argv)
{
    static const char program[] = ENTER_PROGRAM;
    char directory[PATH_MAX];
    if (!*program && argc < 2) {
        errno = EINVAL;
        fail("no program is named");
    }
    if (!getcwd(directory, sizeof directory))
        fail("the working directory");
    leave();
    mount_root();
    bind_paths();
    if (chroot(ENTER_ROOT) != 0)
        fail("chroot");
    if (chdir(directory) != 0)
        fail("%s is not there", directory);
    if (*program) {
        argv[0] = (char[]){ENTER_PROGRAM};
        execv(argv[0], argv);
    } else {
        execvp(argv[1], argv + 1);
    }
    fail("%s", *program ? program : argv[1]);
}
