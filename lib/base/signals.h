/* Which signals may end the agent's processes, and when. The signals that can be caught are of three kinds:
 * those that ask a process to stop (SIGTERM, SIGINT, SIGQUIT, SIGHUP); those that report a fault in it, or
 * have no effect by default (left as they are); and strays: all others, whose default would end or suspend
 * the process for nothing. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>

/** Those that ask to stop; *count: how many. */
const int *signals_that_stop(size_t *count);
/** Blocks those that ask to stop, and strays, for the calling thread and what it starts: they wait until
 * signals_release. Calls nothing but the kernel, so it may run before the C library is ready. */
void signals_hold(void);
void signals_release(void);
/** Strays end and suspend nothing from now on. SIGUSR1 is one of them unless it is watched afterwards. */
void signals_ignore_strays(void);
/** The same for those that ask to stop: for a process that another process ends. */
void signals_ignore_stops(void);
/** Was this process started with the signal ignored, as nohup(1) does with SIGHUP? */
PA_MUST_USE bool signals_is_ignored(int number);
