/* Where a delivery goes: method, URL, destination, and the lane of an event without a key. */
#include "deliver/route.h"
#include "deliver/shared.h"

static int set_method(struct delivery *delivery, struct error *err)
{
    /* of at most 32 characters: whoever gave it saw to that */
    struct buffer out = {.ptr = delivery->method, .cap = sizeof delivery->method};
    int failed = mapped_method(&delivery->request, delivery->event.invocation.method, &out, err);
    delivery->method[out.len] = '\0';
    return failed;
}

static int set_target(struct delivery *delivery, struct error *err)
{
    const struct mapped_request *request = &delivery->request;
    struct slice base = mapped_base_url(request, &delivery->event.invocation);
    struct buffer url = {0};
    if (slice_is_null(request->query)) {
        delivery->target = target_find(&delivery->deliver->targets, base, err);
        return delivery->target ? 0 : err->kind;
    }
    mapped_url(request, base, &url);
    delivery->target = url.failed ? NULL : target_find(&delivery->deliver->targets, buffer_slice(&url), err);
    int failed = delivery->target ? 0 : url.failed ? PA_ERR_MEMORY : err->kind;
    buffer_clear(&url);
    return failed;
}

int delivery_address(struct delivery *delivery, struct error *err)
{
    const char *unsendable = mapped_unsendable(&delivery->request, &delivery->event.invocation);
    int failed = unsendable ? error_set(err, PA_ERR_INVALID, "%s", unsendable) : set_method(delivery, err);
    if (!failed)
        failed = set_target(delivery, err);
    if (failed)
        return failed;
    const char *destination = delivery->target->parts.destination;
    return window_address(delivery->deliver->window, &delivery->slot, destination) ? 0 : PA_ERR_MEMORY;
}

int delivery_enter_lane(struct delivery *delivery)
{
    struct buffer name = {0};
    if (window_is_in_lane(&delivery->slot) || delivery->event.kind != EVENT_CHANGE_LOG)
        return 0;
    buffer_append_text(&name, "d");
    buffer_append_text(&name, delivery->target->parts.destination);
    bool entered =
        !name.failed && window_enter_lane(delivery->deliver->window, &delivery->slot, buffer_slice(&name));
    buffer_clear(&name);
    return entered ? 0 : PA_ERR_MEMORY;
}
