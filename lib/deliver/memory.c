/* All bounds of memory. One for all that is held, half of which presses the window; one for answers, beyond
 * which webhooks start one at a time. */
#include "deliver/memory.h"
#include <stdlib.h>

static size_t all_held(const struct memory *memory)
{
    return memory->bytes_held + reports_bytes(memory->options->reports);
}

bool memory_has_room(struct memory *memory, size_t bytes)
{
    bool room =
        memory->bytes_held == 0 || all_held(memory) + bytes + MEMORY_OVERHEAD <= memory->options->max_bytes;
    memory->room_wanted |= !room;
    return room;
}

size_t memory_answer_bytes(const struct memory *memory)
{
    return memory->answer_bytes + reports_bytes(memory->options->reports);
}

size_t memory_kept_max(const struct memory *memory)
{
    size_t bound = memory->options->total_response_bytes;
    return bound > 0 ? bound / 4 : SIZE_MAX;
}

bool memory_answers_fit(struct memory *memory)
{
    size_t bound = memory->options->total_response_bytes;
    /* Where nothing is under way there is nothing to wait for. */
    memory->answers_wait =
        bound > 0 && memory->under_way > 0 &&
        http_client_body_bytes(memory->options->http) + memory_answer_bytes(memory) >= bound;
    return !memory->answers_wait;
}

static void wake_up(uv_idle_t *wake)
{
    struct memory *memory = wake->data;
    bool room = memory->room_owed;
    uv_idle_stop(wake);
    memory->room_owed = false;
    memory->again(memory->ctx, room);
}

/** Something was given up, perhaps: the source hears of it once an eighth of the bound is free, not record by
 * record.
 */
static void check_room(struct memory *memory)
{
    size_t bound = memory->options->max_bytes;
    if (memory->room_wanted && (all_held(memory) <= bound - bound / 8 || memory->bytes_held == 0)) {
        memory->room_wanted = false;
        memory->room_owed = true;
    }
    if (memory->room_owed || memory->kept > 0 || (memory->answers_wait && memory_answers_fit(memory)))
        uv_idle_start(memory->wake, wake_up);
}

/** What waits elsewhere counts too: there is too much for those that do not answer. */
static void change_held(struct memory *memory, size_t less, size_t more)
{
    memory->bytes_held += more - less;
    window_press(memory->window, memory->kept > 0 || memory->bytes_held > memory->options->max_bytes / 2);
    check_room(memory);
}

void memory_charge(struct memory *memory, struct charge *charge, struct charge now)
{
    memory->answer_bytes += now.answer_bytes - charge->answer_bytes;
    change_held(memory, charge->bytes, now.bytes);
    *charge = now;
}

void memory_reserve(struct memory *memory, size_t bytes)
{
    change_held(memory, 0, bytes);
}

void memory_unreserve(struct memory *memory, size_t bytes)
{
    change_held(memory, bytes, 0);
}

bool memory_is_free_by(const struct memory *memory, size_t n)
{
    size_t bound = memory->options->max_bytes;
    return memory->bytes_held == 0 || all_held(memory) + bound / n <= bound;
}

void memory_look_again(struct memory *memory)
{
    uv_idle_start(memory->wake, wake_up);
}

bool memory_open(struct memory *memory, const struct deliver_options *options, struct window *window,
                 void (*again)(void *ctx, bool room), void *ctx)
{
    *memory = (struct memory){.options = options, .window = window, .again = again, .ctx = ctx};
    memory->wake = calloc(1, sizeof *memory->wake);
    if (!memory->wake)
        return false;
    uv_idle_init(options->loop, memory->wake);
    memory->wake->data = memory;
    return true;
}

static void wake_free(uv_handle_t *handle)
{
    free(handle);
}

void memory_close(struct memory *memory)
{
    if (!memory->wake)
        return;
    uv_idle_stop(memory->wake);
    uv_close((uv_handle_t *)memory->wake, wake_free);
}
