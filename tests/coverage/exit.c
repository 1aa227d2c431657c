/* Linked into tests whose coverage is measured, for _exit: the mappings' processes end with it, and would take along what they
 * have counted. */
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);

void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
