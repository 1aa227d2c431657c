/* Memory of the calls that ended last, for the next ones: the processor has it in its cache still, and a call
 * is large. */
#include "http/client_internal.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/** A response's head up to this size keeps its memory. */
enum { HEAD_KEPT_MAX = 4096 };

struct http_call *spare_call_take(struct spare_calls *spare)
{
    if (spare->count == 0)
        return calloc(1, sizeof(struct http_call));
    struct http_call *call = spare->calls[--spare->count];
    struct buffer head = call->exchange.response.head;
    memset(call, 0, offsetof(struct http_call, egress_why));
    call->egress_why[0] = call->curl_error[0] = call->reason[0] = '\0';
    call->exchange.response.head = head;
    return call;
}

static void spare_free(struct http_call *call)
{
    buffer_clear(&call->exchange.response.head);
    free(call);
}

void spare_call_give(struct spare_calls *spare, struct http_call *call)
{
    struct buffer *head = &call->exchange.response.head;
    if (head->cap > HEAD_KEPT_MAX)
        buffer_clear(head);
    *head = (struct buffer){.ptr = head->ptr, .cap = head->cap};
    if (spare->count < SPARE_CALLS)
        spare->calls[spare->count++] = call;
    else
        spare_free(call);
}

void spare_calls_free(struct spare_calls *spare)
{
    while (spare->count > 0)
        spare_free(spare->calls[--spare->count]);
}
