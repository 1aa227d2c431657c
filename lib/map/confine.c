/* Limits of the kernel (setrlimit, seccomp), which the process cannot take off again. */
#include "map/confine.h"
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/resource.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

void map_process_confine(const struct map_process_options *options)
{
    /* It must die of what fails in it, whatever handlers it inherited. */
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF, SIGSYS};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    struct rlimit none = {0, 0}, memory = {options->memory_bytes, options->memory_bytes};
    setrlimit(RLIMIT_CORE, &none);
    if (options->memory_bytes > 0)
        setrlimit(RLIMIT_DATA, &memory);
}

void confine_resources(void)
{
    static const int resources[] = {RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_NOFILE};
    struct rlimit none = {0, 0};
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        setrlimit((__rlimit_resource_t)resources[i], &none);
}

#ifdef SANITIZED

void confine_calls(void)
{
}

#else

static const int allowed_calls[] = {SCMP_SYS(read),
                                    SCMP_SYS(write),
                                    SCMP_SYS(readv),
                                    SCMP_SYS(writev),
                                    SCMP_SYS(sendmsg),
                                    SCMP_SYS(close),
                                    SCMP_SYS(brk),
                                    SCMP_SYS(mmap),
                                    SCMP_SYS(munmap),
                                    SCMP_SYS(mremap),
                                    SCMP_SYS(madvise),
                                    SCMP_SYS(mprotect),
                                    SCMP_SYS(futex),
                                    SCMP_SYS(setitimer),
                                    SCMP_SYS(getrusage),
                                    SCMP_SYS(clock_gettime),
                                    SCMP_SYS(gettimeofday),
                                    SCMP_SYS(time),
                                    SCMP_SYS(clock_getres),
                                    SCMP_SYS(rt_sigaction),
                                    SCMP_SYS(rt_sigreturn),
                                    SCMP_SYS(rt_sigprocmask),
                                    SCMP_SYS(getpid),
                                    SCMP_SYS(gettid),
                                    SCMP_SYS(tgkill),
                                    SCMP_SYS(getrandom),
                                    SCMP_SYS(exit),
                                    SCMP_SYS(exit_group),
                                    SCMP_SYS(fstat),
                                    SCMP_SYS(newfstatat),
                                    SCMP_SYS(restart_syscall)};
static const int fatal_calls[] = {SCMP_SYS(execve),
                                  SCMP_SYS(execveat),
                                  SCMP_SYS(socket),
                                  SCMP_SYS(connect),
                                  SCMP_SYS(ptrace),
                                  SCMP_SYS(fork),
                                  SCMP_SYS(vfork),
                                  SCMP_SYS(clone),
                                  SCMP_SYS(clone3),
                                  SCMP_SYS(bpf),
                                  SCMP_SYS(open_by_handle_at),
                                  SCMP_SYS(process_vm_readv)};

void confine_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool whole = filter != NULL;
    for (size_t i = 0; whole && i < sizeof allowed_calls / sizeof *allowed_calls; i++)
        whole = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0) == 0;
    for (size_t i = 0; whole && i < sizeof fatal_calls / sizeof *fatal_calls; i++)
        seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, fatal_calls[i],
                         0); /* those that it has not would fail anyway */
    if (whole)
        seccomp_load(filter);
    seccomp_release(filter);
}

#endif
