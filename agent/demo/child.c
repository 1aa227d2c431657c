/* See child.h. Between fork and exec only what may be called there (signal-safety(7)): this process has
 * threads. */
#include "child.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GIVEN_FILE = 3, SAID_MAX = 256 * 1024, GONE_LOOKS = 300, GONE_MS = 10, CANNOT_START = 127 };

static const char PROGRAM[] = "/proc/self/exe";

/** Where the setting of that name is, or is to be; NULL: there is no space. */
static char *setting_place(struct child_settings *settings, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < settings->count; i++)
        if (strncmp(settings->text[i], name, len) == 0 && settings->text[i][len] == '=')
            return settings->text[i];
    if (settings->count == CHILD_SETTINGS_MAX)
        return NULL;
    settings->list[settings->count] = settings->text[settings->count];
    return settings->text[settings->count++];
}

void child_set(struct child_settings *settings, const char *name, const char *format, ...)
{
    va_list arguments;
    char *text = setting_place(settings, name);
    if (!text)
        return;
    int len = snprintf(text, CHILD_SETTING_SIZE, "%s=", name);
    va_start(arguments, format);
    vsnprintf(text + len, CHILD_SETTING_SIZE - (size_t)len, format, arguments);
    va_end(arguments);
}

/* Starting */

static _Noreturn void become(const char *path, char *const words[], char *const settings[], int out, int file,
                             pid_t parent)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);                                  /* Ctrl-C is for the parent */
    if (getppid() != parent || chdir("/proc") != 0) /* no .env is there */
        _exit(CANNOT_START);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
        _exit(CANNOT_START);
    if (file == GIVEN_FILE)
        fcntl(file, F_SETFD, 0);
    else if (file >= 0 && dup2(file, GIVEN_FILE) < 0)
        _exit(CANNOT_START);
    syscall(SYS_close_range, file >= 0 ? GIVEN_FILE + 1 : GIVEN_FILE, ~0U, 0);
    execve(path, words, settings);
    execve(PROGRAM, words, settings); /* the file was replaced or removed meanwhile */
    _exit(CANNOT_START);
}

int child_start(struct child *child, const char *const words[], const struct child_settings *settings,
                int file, struct error *err)
{
    char path[PATH_MAX];
    int ends[2];
    ssize_t len = readlink(PROGRAM, path, sizeof path - 1);
    if (len < 0)
        return error_set(err, PA_ERR_IO, "no process can be started (%s: %s)", PROGRAM, strerror(errno));
    path[len] = '\0';
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return error_set(err, PA_ERR_IO, "no process can be started (%s)", strerror(errno));
    fcntl(ends[1], F_SETFL, 0); /* its log waits until somebody reads */
    if (child->ended)
        close(child->pipe);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(path, (char *const *)(uintptr_t)words, settings->list, ends[1], file, parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set(err, PA_ERR_IO, "no process can be started (%s)", strerror(errno));
    }
    child->pid = pid;
    child->ended = child->asked = false;
    child->pipe = ends[0];
    return 0;
}

/* Its life */

static void read_said(struct child *child)
{
    char piece[4096];
    ssize_t got;
    while ((got = read(child->pipe, piece, sizeof piece)) > 0)
        if (child->said.len < SAID_MAX)
            buffer_append(&child->said, piece, (size_t)got);
}

void child_look(struct child *child)
{
    int status;
    if (child->pid == 0)
        return;
    pid_t ended = waitpid(child->pid, &status, WNOHANG);
    read_said(child); /* after the look at its end: nothing is missed */
    if (ended != child->pid)
        return;
    child->pid = 0;
    child->ended = true;
    child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_kill(const struct child *child)
{
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

void child_stop(struct child *child)
{
    if (child->pid > 0 && !child->asked)
        kill(child->pid, SIGTERM);
    child->asked = true;
}

struct slice child_line_with(struct child *child, const char *text)
{
    const char *said = buffer_text(&child->said), *at = strstr(said, text);
    if (!at)
        return (struct slice){NULL, 0};
    while (at > said && at[-1] != '\n')
        at--;
    return (struct slice){at, strcspn(at, "\n")};
}

void child_end(struct child *child)
{
    child_kill(child);
    if (child->pid > 0)
        waitpid(child->pid, NULL, 0);
    if (child->pid > 0 || child->ended)
        close(child->pipe);
    buffer_clear(&child->said);
    *child = (struct child){0};
}

void children_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

bool children_gone(void)
{
    for (int looks = 0; looks < GONE_LOOKS; looks++) {
        pid_t gone;
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (gone < 0)
            return errno == ECHILD;
        poll(NULL, 0, GONE_MS);
    }
    return false;
}
