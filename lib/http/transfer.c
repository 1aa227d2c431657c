/* What came of a transfer on libcurl's ordinary way, where its result code does not say enough: what counts
 * as an answer is the same as in exchange.c, whose parser sees every head of HTTP/1 first. */
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
    return !response->why && response_read(response, &line, &body) != RESPONSE_BROKEN;
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
