/* Preloaded into the agent: whoever sends CONNECT goes on when the answer has come, or after a tenth of a
 * second. */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    ssize_t sent = sendto(fd, bytes, len, flags, NULL, 0);
    if (sent > 8 && memcmp(bytes, "CONNECT ", 8) == 0)
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 100);
    return sent;
}
