/* See descriptors.h. */
#include "descriptors.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

/* A webhook has its connection, and beside it, while it is looked up or two addresses are tried at once, a
 * second one at most times. More idle ones than MOST_IDLE would not fit into what they may hold; and libcurl,
 * which bounds those of HTTP/2 by their number alone, may have as many.
 */
enum { FOR_FILES = 8, FOR_EACH_WEBHOOK = 2, LEAST_PORT = 2, MOST_IDLE = 1200 };

static size_t at_most(size_t number, size_t bound)
{
    return number < bound ? number : bound;
}

static size_t less(size_t number, size_t taken)
{
    return number > taken ? number - taken : 0;
}

struct descriptors descriptors_share(size_t limit, size_t open, unsigned source, unsigned max_window,
                                     unsigned max_port)
{
    size_t room = less(limit, open + FOR_FILES + source);
    size_t port = at_most(room / 8 > LEAST_PORT ? room / 8 : LEAST_PORT, max_port);
    size_t window = at_most(less(room, port) / FOR_EACH_WEBHOOK, max_window);
    size_t idle = at_most(less(room, port + FOR_EACH_WEBHOOK * window), MOST_IDLE);
    return (struct descriptors){.limit = limit,
                                .window = window > 1 ? (unsigned)window : 1,
                                .port = (unsigned)port,
                                .idle = (unsigned)idle};
}

static size_t count_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count; /* with "." and "..", and the directory's own */
}

struct descriptors descriptors_of_process(unsigned source, unsigned max_window, unsigned max_port)
{
    struct rlimit files;
    bool bounded = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY;
    return descriptors_share(bounded ? files.rlim_cur : SIZE_MAX, count_open(), source, max_window, max_port);
}
