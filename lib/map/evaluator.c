/* What an evaluator does between its fork and its end: it reads a frame, evaluates, answers. It has no loop
 * and no thread, and must never return into the agent's code. */
#include "map/evaluator.h"
#include "map/decrypt.h"
#include "map/mapping.h"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

/* What an evaluator may grow by before it retires, where there is no bound of memory: libjq leaks here and
 * there, and a heap that was large once stays so. */
enum { GROWTH_UNBOUNDED = 64 << 20, READ_BYTES = 64 * 1024 };
/* With less than this to begin with, no evaluation could end well, nor say why. */
enum { ENOUGH_TO_BEGIN = 256 * 1024 };

/* Blocking streams */

/** False: the other side is gone. */
static bool read_whole(int fd, void *bytes, size_t len)
{
    for (char *at = bytes; len > 0;) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

/* One system call where it can be: the other side wakes up once. */
bool map_frame_write(int fd, uint32_t what, struct slice bytes)
{
    struct map_frame head = {(uint32_t)bytes.len, what};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes.ptr, bytes.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    for (size_t left = sizeof head + bytes.len; left > 0;) {
        ssize_t put = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        left -= (size_t)put;
        for (size_t i = 0; i < 2; i++) {
            size_t part = (size_t)put < parts[i].iov_len ? (size_t)put : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            put -= (ssize_t)part;
        }
    }
    return true;
}

bool map_frame_read(int fd, uint32_t *what, struct buffer *bytes)
{
    struct map_frame head;
    bytes->len = 0;
    if (!read_whole(fd, &head, sizeof head) || buffer_reserve(bytes, (size_t)head.len + 1) != 0 ||
        !read_whole(fd, bytes->ptr, head.len))
        return false;
    bytes->len = head.len;
    *what = head.what;
    return true;
}

/* The evaluator */

static struct slice unread(const struct evaluator *evaluator)
{
    struct slice all = buffer_slice(&evaluator->in);
    return (struct slice){all.ptr + evaluator->taken, all.len - evaluator->taken};
}

/** Moves what has not been taken to the beginning of a buffer that holds `total` bytes. False: no memory. */
static bool make_room(struct evaluator *evaluator, size_t total)
{
    struct slice rest = unread(evaluator);
    bool oversized = evaluator->in.cap > (size_t)4 * READ_BYTES && total <= READ_BYTES;
    if (evaluator->in.cap < total || oversized) {
        struct buffer in = {0};
        if (buffer_reserve(&in, total) != 0)
            return false;
        buffer_append_slice(&in, rest);
        buffer_clear(&evaluator->in);
        evaluator->in = in;
    } else if (evaluator->taken > 0) {
        memmove(evaluator->in.ptr, rest.ptr, rest.len);
    }
    evaluator->in.len = rest.len;
    evaluator->taken = 0;
    return true;
}

/** False: the agent is gone. */
static bool read_more(struct evaluator *evaluator)
{
    struct buffer *in = &evaluator->in;
    ssize_t got;
    do
        got = read(evaluator->fd, in->ptr + in->len, in->cap - in->len);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        in->len += (size_t)got;
    return got > 0;
}

/** Reads past a frame that there is no memory for. */
static bool discard(struct evaluator *evaluator, size_t len)
{
    char chunk[4096];
    struct slice rest = unread(evaluator);
    len -= rest.len;
    evaluator->taken = evaluator->in.len;
    while (len > 0) {
        size_t part = len < sizeof chunk ? len : sizeof chunk;
        if (!read_whole(evaluator->fd, chunk, part))
            return false;
        len -= part;
    }
    return true;
}

/** There is no memory for the frame, of which `have` bytes have been read. False: its end is not known, or
 * the agent is gone. */
static bool refuse_request(struct evaluator *evaluator, size_t have, size_t whole)
{
    static const char no_memory[] = "the event is too large for MAPPING_MAX_MEMORY";
    return have >= sizeof(struct map_frame) && discard(evaluator, whole) &&
           map_frame_write(evaluator->fd, 1, SLICE_LITERAL(no_memory));
}

/** The next frame, which stays where it is until the one after it is asked for. False: the agent is gone. */
static bool next_frame(struct evaluator *evaluator, struct map_frame *head, struct slice *bytes)
{
    for (;;) {
        struct slice rest = unread(evaluator);
        size_t whole = sizeof *head;
        if (rest.len >= sizeof *head) {
            memcpy(head, rest.ptr, sizeof *head);
            whole += head->len;
        }
        if (rest.len >= sizeof *head && rest.len >= whole) {
            *bytes = (struct slice){rest.ptr + sizeof *head, head->len};
            evaluator->taken += whole;
            return true;
        }
        bool fits = make_room(evaluator, whole < READ_BYTES ? READ_BYTES : whole);
        if (fits ? !read_more(evaluator) : !refuse_request(evaluator, rest.len, whole))
            return false;
    }
}

void map_process_limit_time(int64_t cpu_ms)
{
    struct itimerval alarm = {.it_value = {.tv_sec = cpu_ms / 1000, .tv_usec = cpu_ms % 1000 * 1000}};
    setitimer(ITIMER_PROF, &alarm, NULL);
}

static bool answer(struct evaluator *evaluator, uint32_t what, struct slice input)
{
    static const char no_memory[] = "what the mapping gives is too large for MAPPING_MAX_MEMORY";
    struct buffer *fields = &evaluator->fields;
    fields->len = 0;
    *evaluator->evaluating = true;
    evaluator->pacing.refused = 0;
    evaluator->pacing.insists = (what & MAP_WHATEVER) != 0;
    what &= ~(uint32_t)MAP_WHATEVER;
    map_process_limit_time(evaluator->bounds.cpu_ms);
    if (what == 0)
        mappings_request(evaluator->mappings, input, evaluator->secret, NULL, fields);
    else
        mappings_report(evaluator->mappings, what, input, evaluator->secret, NULL, fields);
    map_process_limit_time(0);
    *evaluator->evaluating = false;
    bool failed = fields->failed;
    fields->failed = false;
    uint32_t slow = (uint32_t)evaluator->pacing.refused;
    if (slow > 0)
        return map_frame_write(evaluator->fd, 2, (struct slice){(const char *)&slow, sizeof slow});
    return failed ? map_frame_write(evaluator->fd, 1, SLICE_LITERAL(no_memory))
                  : map_frame_write(evaluator->fd, 0, buffer_slice(fields));
}

/** The most memory it has had, in bytes. */
static size_t peak_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

static bool has_memory(size_t bytes)
{
    struct buffer probe = {0};
    bool has = buffer_reserve(&probe, bytes) == 0;
    buffer_clear(&probe);
    return has;
}

/** OpenSSL's first decryption brings megabytes of its code and tables into memory, and no event is to be
 * charged with them: the evaluator would end after each that decrypts. */
static void decrypt_once(struct evaluator *evaluator)
{
    static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct error wrong_tag = {0};
    int failed = decrypt_field(evaluator->secret, slice_of(zeros), &evaluator->fields, &wrong_tag);
    (void)failed;
}

void evaluator_run(struct evaluator *evaluator)
{
    struct map_frame head;
    struct slice input;
    size_t bound = evaluator->bounds.memory_bytes;
    mappings_pace(evaluator->mappings, &evaluator->pacing);
    if (evaluator->secret.len > 0)
        decrypt_once(evaluator);
    size_t enough = peak_memory() + (bound > 0 ? bound / 4 : GROWTH_UNBOUNDED);
    evaluator->starved = !has_memory(ENOUGH_TO_BEGIN);
    /* the bound is one event's, not what came before it */
    while (!evaluator->starved && next_frame(evaluator, &head, &input) &&
           answer(evaluator, head.what, input) && peak_memory() <= enough) {
    }
    buffer_clear(&evaluator->in);
    buffer_clear(&evaluator->fields);
}
