/* What came of a transfer on libcurl's ordinary way, where its result code does not say enough: what counts
 * as an answer is the same as in exchange.c, whose parser sees every head of HTTP/1 first, and the bytes of
 * every body in chunks. */
#include "http/client_internal.h"
#include <string.h>

/** The header says where the body ends. */
static bool frames_body(struct slice line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    struct slice name = slice_trim((struct slice){line.ptr, colon ? (size_t)(colon - line.ptr) : 0});
    return slice_equal_text_ignore_case(name, "Content-Length") ||
           slice_equal_text_ignore_case(name, "Transfer-Encoding");
}

/** libcurl is to tell of the body's bytes before it undoes the chunks: see chunks_came. */
static void watch_chunks(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

/** libcurl reads what brings nothing forward, extensions and zeros of a chunk's size, for as long as it
 * comes. So the parser that bounds it sees the bytes, too. */
static void chunks_came(struct http_call *call, struct slice in)
{
    struct response *response = &call->exchange.response;
    struct slice body;
    enum response_event event = RESPONSE_MORE;
    do {
        event = response_read(response, &in, &body);
        if (event == RESPONSE_BODY)
            response_take(response, &in, body.len);
    } while (event == RESPONSE_BODY);
}

static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t len, void *ctx)
{
    struct http_call *call = call_of(easy);
    (void)ctx;
    if (call && type == CURLINFO_TEXT)
        http2_streams_traced(call, (struct slice){bytes, len});
    else if (call && type == CURLINFO_DATA_IN && response_in_chunks(&call->exchange.response))
        chunks_came(call, (struct slice){bytes, len});
    return 0;
}

/** As long as it said, where libcurl goes by the connection's end alone: an old one does so for "identity",
 * which is no coding. */
static bool length_has_come(const struct http_call *call, curl_off_t came)
{
    int64_t length = call->exchange.response.length;
    return call->exchange.response.status != 0 && length >= 0 && call_length(call) < 0 && came >= length;
}

/** Called after libcurl has read something; true: it goes no further. */
static int is_over(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct http_call *call = call_of(ctx);
    (void)down_total, (void)up_total, (void)up;
    return call && (call->exchange.response.why || length_has_come(call, down));
}

void transfer_prepare(CURL *easy, const struct http_client_options *options)
{
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_over);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, easy);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, options->http2 && options->watches_streams ? 1L : 0L);
}

/** Before 8.1 a handle that is used again still points to the last header of its former transfer, which is
 * freed, and a head that begins with a blank is read as the rest of that. Where neither a proxy nor HTTP/2 is
 * wanted libcurl reads no head. */
bool easy_is_used_once(const struct client_shared *shared)
{
    bool reads = has_proxy(shared) || shared->options.http2;
    return reads && curl_version_info(CURLVERSION_NOW)->version_num < 0x080100;
}

/** Once the head has come. False: the status is all that counts. */
static bool begin_body(struct http_call *call)
{
    const struct response *response = &call->exchange.response;
    if (response->strange_coding) {
        call->cut = HTTP_CUT_UNREADABLE;
        return false;
    }
    if (response_in_chunks(response))
        watch_chunks(call->easy);
    else if (!slice_is_null(response_header(response, "Transfer-Encoding", 0)))
        curl_easy_setopt(call->easy, CURLOPT_NOPROGRESS, 0L);
    return true;
}

bool transfer_may_read(struct http_call *call, struct slice line)
{
    struct response *response = &call->exchange.response;
    struct slice body;
    bool goes_on = *line.ptr == ' ' || *line.ptr == '\t';
    /* libcurl does not read a header and the line in which it goes on as one. */
    if (goes_on && call->line_frames)
        response->why = "a header that says where its body ends has several lines";
    if (!goes_on)
        call->line_frames = frames_body(line);
    return !response->why && response_read(response, &line, &body) != RESPONSE_BROKEN && begin_body(call);
}

static bool is_bodiless(const struct http_call *call)
{
    int status = call_status(call);
    return strcmp(call->method, "HEAD") == 0 || status == 204 || status == 304;
}

/** "identity" is no coding, to libcurl either. */
static bool is_coded(const struct http_call *call)
{
    struct slice value;
    for (size_t i = 0; !slice_is_null(value = call_header(call, "Transfer-Encoding", i)); i++)
        if (!slice_equal_text_ignore_case(slice_trim(value), "identity"))
            return true;
    return false;
}

/** Its head has come, which says nothing of where the body ends. */
static bool is_without_length(const struct http_call *call)
{
    return !is_bodiless(call) && call_length(call) < 0 && !is_coded(call);
}

/** As long as it said. */
static bool is_whole(const struct http_call *call)
{
    curl_off_t came = 0;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &came);
    return is_bodiless(call) || came == call_length(call);
}

/** TLS did not say that the connection ends. libcurl 8 has the words alone for it. */
static bool is_cut_by_tls(const struct http_call *call)
{
    return strstr(call->curl_error, "unexpected eof") != NULL;
}

static bool is_lost(CURLcode code)
{
    return code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

/** The connection was lost before anything came: while the request was being sent, or later? Over HTTP/2
 * libcurl has something to send at any time. */
static CURLcode lost_when(const struct http_call *call, CURLcode code)
{
    curl_off_t uploaded = 0;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    bool gone = (size_t)uploaded >= call->body.len;
    if (!gone)
        return CURLE_SEND_ERROR;
    return call->http2 && code == CURLE_SEND_ERROR ? CURLE_RECV_ERROR : code;
}

CURLcode transfer_result(struct http_call *call, CURLcode code)
{
    bool head_came = call_status(call) >= 200 && !call->in_head;
    if (code == CURLE_OK && call->in_head)
        return CURLE_PARTIAL_FILE;
    if (code == CURLE_ABORTED_BY_CALLBACK && head_came && !call->exchange.response.why)
        return CURLE_OK; /* length_has_come */
    if (code == CURLE_OK && call->stream.cut && is_without_length(call))
        return CURLE_PARTIAL_FILE;
    if (!is_lost(code) || call->sends == 0)
        return code;
    if (head_came && call->http2)
        return call->stream.ended ? CURLE_OK : CURLE_RECV_ERROR;
    if (code == CURLE_SEND_ERROR && head_came && is_whole(call))
        return CURLE_OK;
    if (code == CURLE_RECV_ERROR && head_came && is_cut_by_tls(call) && is_without_length(call)) {
        call->cut = HTTP_CUT_UNSURE;
        return CURLE_OK;
    }
    return call->header_bytes > 0 ? code : lost_when(call, code);
}
