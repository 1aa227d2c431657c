/* What a process does to keep its secrets to itself, before it has any. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>

/** From now on this process, and what it forks, leaves no core file (RLIMIT_CORE), is no other process's to
 * read or to trace unless that one has CAP_SYS_PTRACE (PR_SET_DUMPABLE, proc(5)), and gets no new privileges
 * (PR_SET_NO_NEW_PRIVS). False: one of these failed. */
PA_MUST_USE bool containment_enter(void);
/** Moves the environment to memory of its own and wipes where it came: /proc/PID/environ shows nothing of it
 * any more, for children too. getenv(3) and `environ` go on working. Call it once, before any thread exists
 * and before a pointer into the environment is kept. False: out of memory, and all is as it was. */
PA_MUST_USE bool environment_take(void);
/** Wipes every value of the environment, and leaves it empty. Only after environment_take. */
void environment_forget(void);
/** Like unsetenv(3), and wipes the value. */
void environment_forget_one(const char *name);
