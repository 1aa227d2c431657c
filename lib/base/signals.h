/* Which signals may end a process of ours, and when. Three kinds, of all that can be caught: those that ask
 * it to stop (SIGTERM, SIGINT, SIGQUIT, SIGHUP), those that tell of a fault of its own or have no effect
 * unless they are wanted (left as they are), and strays: all others, whose default would end or suspend it
 * for nothing. */
#pragma once
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
/** The same for those that ask to stop: for a process whose end another one decides. */
void signals_ignore_stops(void);
/** Was this process started with the signal ignored, as nohup(1) does with SIGHUP? */
bool signals_is_ignored(int number);
