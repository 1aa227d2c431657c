/* What a process that runs expressions may do: memory, processor time, files, system calls. */
#pragma once
#include "map/process.h"

/** From now on the process may read, write and end what it has open, have memory, tell the time and take
 * signals (seccomp(2)); any other system call fails with EPERM, and one that would start a program or reach
 * the network ends it with SIGSYS. For good. Without effect under sanitizers, whose own calls are others, and
 * where the system has no seccomp. */
void confine_calls(void);
/** It writes no file and starts no process any more, and keeps the descriptors it has. */
void confine_resources(void);
