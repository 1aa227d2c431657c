/* What the polling source does in one turn of the loop, however many runs are claimed, and however many
 * acknowledgements are answered, at the same moment. What a turn has no space for waits in a queue, and the
 * oldest goes first. It must never hold a run back while a turn has space. */
#include "source/polling/internal.h"

/** The loop is about to wait. */
static void turn_is_over(uv_prepare_t *prepare)
{
    struct turn *turn = prepare->data;
    turn->runs = turn->bytes = turn->asks = 0;
    uv_prepare_stop(prepare);
}

/** Some run waits, so the loop does not. */
static void turn_begins(uv_idle_t *idle)
{
    struct turn *turn = idle->data;
    struct polled_run *run;
    turn->going_on = true;
    while ((run = TAILQ_FIRST(&turn->queue)) != NULL && run_has_its_turn(run))
        continue;
    turn->going_on = false;
    if (TAILQ_EMPTY(&turn->queue))
        uv_idle_stop(idle);
}

/** Those that wait go before others. */
static bool others_wait(const struct turn *turn)
{
    return !turn->going_on && !TAILQ_EMPTY(&turn->queue);
}

bool turn_has_space(struct turn *turn, size_t bytes)
{
    if (others_wait(turn) ||
        (turn->runs > 0 && (turn->runs >= TURN_RUNS || turn->bytes + bytes > TURN_BYTES)))
        return false;
    turn->runs++;
    turn->bytes += bytes;
    uv_prepare_start(&turn->prepare, turn_is_over);
    return true;
}

bool turn_may_ask(struct turn *turn)
{
    if (others_wait(turn) || turn->asks >= TURN_ASKS)
        return false;
    turn->asks++;
    uv_prepare_start(&turn->prepare, turn_is_over);
    return true;
}

void turn_queue(struct turn *turn, struct polled_run *run)
{
    if (run->queued)
        return;
    run->queued = true;
    TAILQ_INSERT_TAIL(&turn->queue, run, turn);
    uv_idle_start(&turn->idle, turn_begins);
}

void turn_unqueue(struct turn *turn, struct polled_run *run)
{
    if (run->queued)
        TAILQ_REMOVE(&turn->queue, run, turn);
    run->queued = false;
}

unsigned turn_open(struct turn *turn, uv_loop_t *loop)
{
    TAILQ_INIT(&turn->queue);
    uv_prepare_init(loop, &turn->prepare);
    uv_idle_init(loop, &turn->idle);
    turn->prepare.data = turn->idle.data = turn;
    return 2;
}

void turn_close(struct turn *turn, void *data, uv_close_cb closed)
{
    turn->prepare.data = turn->idle.data = data;
    uv_close((uv_handle_t *)&turn->prepare, closed);
    uv_close((uv_handle_t *)&turn->idle, closed);
}
