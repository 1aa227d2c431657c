/* Limits, process flags and the environment. Must run before there is any thread or any secret in use. */
#include "base/containment.h"
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

extern char **environ;

bool containment_enter(void)
{
    struct rlimit none = {0, 0};
    bool done = setrlimit(RLIMIT_CORE, &none) == 0;
    done = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && done;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && done;
}

bool environment_take(void)
{
    size_t count = 0, bytes = 0;
    for (char **entry = environ; *entry; entry++, count++)
        bytes += strlen(*entry) + 1;
    char **taken = malloc((count + 1) * sizeof *taken + bytes);
    if (!taken)
        return false;
    char *to = (char *)(taken + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(environ[i]) + 1;
        taken[i] = memcpy(to, environ[i], len);
        explicit_bzero(environ[i], len);
        to += len;
    }
    taken[count] = NULL;
    environ = taken;
    return true;
}

void environment_forget(void)
{
    for (char **entry = environ; entry && *entry; entry++)
        explicit_bzero(*entry, strlen(*entry));
    clearenv();
}

void environment_forget_one(const char *name)
{
    char *value = getenv(name);
    if (value)
        explicit_bzero(value, strlen(value));
    unsetenv(name);
}
