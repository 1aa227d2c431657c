/* Why a process that evaluated mappings ended, in words. */
#include "map/process.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** The status of a process that has exited, or that a signal has ended, as waitpid gives it. */
#define EXITED(code) ((code) << 8)
#define ENDED_BY(signal) (signal)

static void every_end_has_its_words(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *bounded, *unbounded;
    } cases[] = {
        {EXITED(MAP_PROCESS_NO_MEMORY), "the mapping needed more memory than MAPPING_MAX_MEMORY (1000 bytes)",
         "out of memory while the mapping was evaluated"},
        {ENDED_BY(SIGPROF), "the mapping took more than 50 ms of processor time (MAPPING_TIMEOUT)",
         "the mapping took more than 0 ms of processor time (MAPPING_TIMEOUT)"},
        {ENDED_BY(SIGKILL),
         "the process that evaluated the mapping was killed by another (signal 9, SIGKILL)",
         "the process that evaluated the mapping was killed by another (signal 9, SIGKILL)"},
        {ENDED_BY(SIGABRT), "the mapping broke jq: its process was ended by signal 6 (SIGABRT)",
         "the mapping broke jq: its process was ended by signal 6 (SIGABRT)"},
        {ENDED_BY(SIGHUP), "the mapping broke jq: its process was ended by signal 1 (another signal)",
         "the mapping broke jq: its process was ended by signal 1 (another signal)"},
        {ENDED_BY(64), "the mapping broke jq: its process was ended by signal 64 (another signal)",
         "the mapping broke jq: its process was ended by signal 64 (another signal)"},
        {EXITED(1), "the process that evaluated the mapping ended with 1",
         "the process that evaluated the mapping ended with 1"},
        {EXITED(0), "the process that evaluated the mapping ended with 0",
         "the process that evaluated the mapping ended with 0"},
    };
    const struct map_process_options bounded = {.memory_bytes = 1000, .cpu_ms = 50}, unbounded = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[128];
        map_process_describe_death(&bounded, cases[i].status, words);
        assert_string_equal(words, cases[i].bounded);
        map_process_describe_death(&unbounded, cases[i].status, words);
        assert_string_equal(words, cases[i].unbounded);
    }
}

static void a_fault_has_its_signals_name(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
    } faults[] = {{SIGSEGV, "(SIGSEGV)"}, {SIGBUS, "(SIGBUS)"},  {SIGFPE, "(SIGFPE)"},
                  {SIGILL, "(SIGILL)"},   {SIGSYS, "(SIGSYS)"},  {SIGTRAP, "(SIGTRAP)"},
                  {SIGTERM, "(SIGTERM)"}, {SIGABRT, "(SIGABRT)"}};
    const struct map_process_options options = {0};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char words[128];
        map_process_describe_death(&options, ENDED_BY(faults[i].number), words);
        assert_non_null(strstr(words, faults[i].name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_words),
        cmocka_unit_test(a_fault_has_its_signals_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
