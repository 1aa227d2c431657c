/* See interim.h. */
#include "http/interim.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { STATUS_BYTES = sizeof "HTTP/1.1 100" - 1, TAKEN_MAX = 64 * 1024 };

enum beginning { FINAL, INTERIM, TOO_SHORT };

static void wake_from(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static void hold(int fd, int on)
{
    setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void interim_hold_request(int fd)
{
    hold(fd, 1);
}

void interim_expect(struct interim *interim, int fd)
{
    *interim = (struct interim){.expected = true};
    wake_from(fd, STATUS_BYTES);
    hold(fd, 0);
}

static bool finished(struct interim *interim, int fd)
{
    interim->expected = false;
    wake_from(fd, 1);
    return true;
}

/** Whatever is not clearly interim is for libcurl to judge; 101 ends HTTP on the connection. */
static enum beginning beginning_of(const char *bytes, size_t len)
{
    static const char form[] = "HTTP/1.d 1dd";
    for (size_t i = 0; i < STATUS_BYTES && i < len; i++)
        if (form[i] == 'd' ? bytes[i] < '0' || bytes[i] > '9' : bytes[i] != form[i])
            return FINAL;
    if (len < STATUS_BYTES)
        return TOO_SHORT;
    return memcmp(bytes + STATUS_BYTES - 3, "101", 3) == 0 ? FINAL : INTERIM;
}

/** How many of the bytes belong to the interim answer, which an empty line ends. */
static size_t part_within(struct interim *interim, const char *bytes, size_t len)
{
    size_t count = 0;
    while (interim->within && count < len) {
        char c = bytes[count++];
        if (c == '\n') {
            interim->within = interim->in_line;
            interim->in_line = false;
        } else if (c != '\r') {
            interim->in_line = true;
        }
    }
    return count;
}

/** `woken`: the socket is readable, as far as its low-water mark goes. */
static bool take_answer(struct interim *interim, int fd, bool woken)
{
    char bytes[1024];
    for (; interim->expected; woken = false) {
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (got <= 0 || interim->taken > TAKEN_MAX)
            return finished(interim, fd);
        enum beginning beginning = interim->within ? INTERIM : beginning_of(bytes, (size_t)got);
        /* Woken by so little, it is all that will come. */
        if (beginning == FINAL || (beginning == TOO_SHORT && woken))
            return finished(interim, fd);
        if (beginning == TOO_SHORT)
            return false;
        interim->in_line |= !interim->within;
        interim->within = true;
        size_t part = part_within(interim, bytes, (size_t)got);
        if (recv(fd, bytes, part, MSG_DONTWAIT) != (ssize_t)part)
            return finished(interim, fd);
        interim->taken += part;
        wake_from(fd, interim->within ? 1 : STATUS_BYTES);
    }
    return true;
}

bool interim_take(struct interim *interim, int fd)
{
    return take_answer(interim, fd, true);
}

void interim_take_so_far(struct interim *interim, int fd)
{
    PA_IGNORE(
        take_answer(interim, fd, false)); /* whether it ended is known when the socket is readable again */
}
