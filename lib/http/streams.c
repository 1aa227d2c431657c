/* How the streams of HTTP/2 end. An answer without a length is whole where END_STREAM ends it, and cut where
 * RST_STREAM does. libcurl's result tells the two apart unless that RST_STREAM has the code NO_ERROR: then
 * both are CURLE_OK, no option and no information of the handle differ, and only the trace, in text, names
 * the frames. So the trace is read here, of the three frames that matter. A text that is not understood
 * changes nothing: such an answer counts as whole then.
 *
 * The trace names a stream by its number, and is told to whichever transfer libcurl reads the connection for.
 * It also brings secrets; nothing of it is kept. */
#include "http/client_internal.h"
#include <stdio.h>
#include <string.h>

#if LIBCURL_VERSION_NUM >= 0x080300

void http2_streams_begin(void)
{
    curl_global_trace("http/2"); /* for handles that are verbose */
}

static curl_off_t connection_of(const struct http_call *call)
{
    curl_off_t connection = -1;
    if (call->easy)
        curl_easy_getinfo(call->easy, CURLINFO_CONN_ID, &connection);
    return connection;
}

static struct http_call *call_on(struct http_call *told, int id)
{
    curl_off_t connection = connection_of(told);
    struct http_call *call;
    LIST_FOREACH(call, &told->shared->calls, active)
    if (call->stream.id == id && connection_of(call) == connection)
        return call;
    return NULL;
}

static bool starts_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void frame_came(struct http_call *told, int id, const char *frame)
{
    bool reset = starts_with(frame, "FRAME[RST_STREAM,");
    bool ended = (starts_with(frame, "FRAME[DATA,") || starts_with(frame, "FRAME[HEADERS,")) &&
                 strstr(frame, " eos=1");
    struct http_call *call = reset || ended ? call_on(told, id) : NULL;
    if (!call)
        return;
    call->stream.cut = reset && !call->stream.ended;
    call->stream.refused = reset && strstr(frame, "error=7") != NULL;
    call->stream.ended |= ended;
}

void http2_streams_traced(struct http_call *call, struct slice text)
{
    enum { MOST_OF_A_FRAME = 96 };
    char line[MOST_OF_A_FRAME];
    int id = 0, at = 0;
    slice_copy_cut(text, line, sizeof line);
    if (sscanf(line, "[HTTP/2] [%d] %n", &id, &at) != 1 || at == 0)
        return;
    if (starts_with(line + at, "OPENED "))
        call->stream = (struct stream){.id = id};
    else if (starts_with(line + at, "<- "))
        frame_came(call, id, line + at + 3);
}

#else /* HTTP/2 is not used (http_client_can_http2) */

void http2_streams_begin(void)
{
}

void http2_streams_traced(struct http_call *call, struct slice text)
{
    (void)call;
    (void)text;
}

#endif
