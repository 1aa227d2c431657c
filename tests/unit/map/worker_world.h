/* A mapper whose evaluators are the test's: what they are sent, and what they answer. Nothing here waits, and
 * nothing is evaluated. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../frozen_loop.h"
#include "map/mapper_internal.h"
#include <sys/socket.h>
#include <unistd.h>

/** An evaluator's socket. */
struct map_link {
    struct map_link_options options;
    enum map_evaluator which;
    bool open;
    /** Frames that were put. */
    size_t puts;
};

enum { LINKS = 32 };
static struct {
    /** What was put and not looked at yet, a word each with a blank behind: Q or P for the evaluator, "!"
     * where it is to begin in any case, the frame's number where it is not 0, and its first byte. */
    char sent[4096];
    /** What was answered and not looked at yet, likewise: a name, and "=" or "-" and the text. */
    char answered[4096];
    struct map_link links[LINKS];
    size_t opened, flushes, lost, closed;
    bool no_evaluator, no_link, no_space;
    /** What was told of evaluators that are barren last; "": they are not. */
    char barren[128];
    size_t told;
} fake;

static uv_loop_t loop;
static struct mapper *mapper;
/** The compiler's end of its socket. */
static int compiler;

static inline void note(char *where, size_t size, const char *format, ...)
{
    size_t len = strlen(where);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(where + len, size - len, format, arguments);
    va_end(arguments);
}

static inline void assert_noted(char *where, const char *expected)
{
    assert_string_equal(where, expected);
    *where = '\0';
}

#define assert_sent(expected) assert_noted(fake.sent, expected)
#define assert_answered(expected) assert_noted(fake.answered, expected)

/* What the mapper calls */

static enum map_evaluator made;

int map_process_evaluator(int asked, enum map_evaluator which, int *fd)
{
    assert_true(asked >= 0);
    *fd = -1;
    made = which;
    return fake.no_evaluator ? PA_ERR_IO : 0;
}

void map_process_end(struct map_process *process)
{
    assert_int_equal(process->pid, -1);
    assert_int_equal(process->fd, -1); /* the generation's */
}

struct map_link *map_link_open(const struct map_link_options *options)
{
    if (fake.no_link)
        return NULL;
    assert_true(fake.opened < LINKS);
    struct map_link *link = &fake.links[fake.opened++];
    *link = (struct map_link){.options = *options, .which = made, .open = true};
    return link;
}

bool map_link_put(struct map_link *link, uint32_t what, struct slice bytes)
{
    assert_true(link->open);
    if (fake.no_space)
        return false;
    note(fake.sent, sizeof fake.sent, "%s%s", link->which == MAP_QUICK ? "Q" : "P",
         what & MAP_WHATEVER ? "!" : "");
    if (what & ~(uint32_t)MAP_WHATEVER)
        note(fake.sent, sizeof fake.sent, "%u", (unsigned)(what & ~(uint32_t)MAP_WHATEVER));
    note(fake.sent, sizeof fake.sent, "%c ", *bytes.ptr);
    link->puts++;
    return true;
}

void map_link_flush(struct map_link *link)
{
    assert_true(link->open);
    fake.flushes++;
}

void map_link_close(struct map_link *link, void (*closed)(void *ctx), void *ctx)
{
    assert_true(link->open);
    link->open = false;
    closed(ctx);
}

/* Life */

static inline void is_lost(void *ctx)
{
    (void)ctx;
    fake.lost++;
}

static inline void is_told_barren(void *ctx, const char *reason)
{
    (void)ctx;
    fake.told++;
    snprintf(fake.barren, sizeof fake.barren, "%s", reason ? reason : "");
}

static inline void is_closed(void *ctx)
{
    (void)ctx;
    fake.closed++;
}

static inline void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

/** The ends of a compiler's socket: the mapper's is returned. */
static inline int new_compiler(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    compiler = ends[1];
    return ends[0];
}

static inline int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    uv_loop_init(&loop);
    struct mapper_options options = {.loop = &loop,
                                     .process = {.pid = -1, .nursery = -1, .fd = new_compiler()},
                                     .lost = is_lost,
                                     .barren = is_told_barren};
    mapper = mapper_new(&options);
    assert_non_null(mapper);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    mapper_close(mapper, is_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(compiler);
    for (size_t i = 0; i < fake.opened; i++)
        assert_false(fake.links[i].open);
    return 0;
}

/* What is asked */

static inline void answered(void *ctx, struct slice fields, const char *failure)
{
    const char *name = ctx;
    if (failure)
        assert_null(fields.ptr);
    note(fake.answered, sizeof fake.answered, "%c%s%.*s ", *name, failure ? "-" : "=",
         failure ? (int)strlen(failure) : (int)fields.len, failure ? failure : fields.ptr);
}

/** An event whose first byte is its name. */
static inline struct map_call *request_of(const char *name, size_t len)
{
    struct map_call *call =
        mapper_request(mapper, (struct slice){name, len}, answered, (void *)(uintptr_t)name);
    assert_non_null(call);
    return call;
}

static inline struct map_call *request(const char *name)
{
    return request_of(name, strlen(name));
}

static inline void request_each(const char *names)
{
    for (; *names; names++)
        request_of(names, 1);
}

static inline struct worker *worker_of(enum map_evaluator which)
{
    return &mapper->present->workers[which];
}

/* What evaluators answer */

enum { FIELDS = 0, EXCEEDED = 1, TOO_SLOW = 2 };

/** This evaluator's socket brings a frame, which answers the oldest of what it was sent. */
static inline void bring(enum map_evaluator which, uint32_t what, struct slice bytes)
{
    const struct map_link *link = worker_of(which)->link;
    assert_non_null(link);
    link->options.frame(link->options.ctx, what, bytes);
}

static inline void answer(enum map_evaluator which)
{
    bring(which, FIELDS, SLICE_LITERAL("f"));
    turn();
}

static inline void exceed(enum map_evaluator which)
{
    bring(which, EXCEEDED, SLICE_LITERAL("long"));
    turn();
}

/** It does not begin the oldest: mapping `number` was too slow lately. */
static inline void refuse(enum map_evaluator which, uint32_t number)
{
    bring(which, TOO_SLOW, (struct slice){(const char *)&number, sizeof number});
    turn();
}

/** Its socket ends. */
static inline void hang_up(enum map_evaluator which)
{
    const struct map_link *link = worker_of(which)->link;
    assert_non_null(link);
    link->options.gone(link->options.ctx, true);
    turn();
}

/** The compiler tells how it ended. */
static inline void tell_end(enum map_evaluator which, enum map_end_kind how, uint32_t mapping,
                            const char *reason)
{
    struct map_end said;
    memset(&said, 0, sizeof said);
    said.which = which;
    said.how = how;
    said.mapping = mapping;
    snprintf(said.reason, sizeof said.reason, "%s", reason);
    assert_int_equal(write(compiler, &said, sizeof said), sizeof said);
    turn();
}

/** An evaluator ends, as far as the mapper can see. */
static inline void die(enum map_evaluator which, enum map_end_kind how, uint32_t mapping)
{
    hang_up(which);
    tell_end(which, how, mapping, "said");
    turn();
}

/** How long nothing is sent; 0: it is not so. */
static inline uint64_t paused(enum map_evaluator which)
{
    const uv_timer_t *pause = &worker_of(which)->pause;
    return uv_is_active((const uv_handle_t *)pause) ? uv_timer_get_due_in(pause) : 0;
}

/** The pause is over. */
static inline void wake(enum map_evaluator which)
{
    uv_timer_t *pause = &worker_of(which)->pause;
    assert_true(uv_is_active((uv_handle_t *)pause));
    uv_timer_start(pause, pause->timer_cb, 0, 0);
    turn();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
