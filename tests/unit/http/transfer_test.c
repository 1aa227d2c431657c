/* What libcurl's result of a transfer comes to, by what had come of it: a libcurl that knows what a test
 * says. */
#define CURL_DISABLE_TYPECHECK
#include "http/client_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#undef curl_easy_getinfo

static struct {
    long status;
    curl_off_t length, downloaded, uploaded;
    /** NULL: the header is not there. */
    char *transfer_encoding;
} knows;

static struct http_call call;
static char post[] = "POST", head[] = "HEAD";

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    assert_ptr_equal(easy, &knows);
    va_list arguments;
    va_start(arguments, info);
    if (info == CURLINFO_RESPONSE_CODE)
        *va_arg(arguments, long *) = knows.status;
    else
        *va_arg(arguments, curl_off_t *) = info == CURLINFO_SIZE_DOWNLOAD_T ? knows.downloaded
                                           : info == CURLINFO_SIZE_UPLOAD_T ? knows.uploaded
                                                                            : knows.length;
    va_end(arguments);
    return CURLE_OK;
}

CURLHcode curl_easy_header(CURL *easy, const char *name, size_t index, unsigned origin, int request,
                           struct curl_header **out)
{
    static struct curl_header header;
    (void)easy;
    (void)origin;
    (void)request;
    assert_string_equal(name, "Transfer-Encoding");
    header.value = knows.transfer_encoding;
    *out = &header;
    return knows.transfer_encoding && index == 0 ? CURLHE_OK : CURLHE_MISSING;
}

/** A request of four bytes was sent, and the head of this answer came. */
static void came(char *method, int status, curl_off_t length, curl_off_t downloaded)
{
    knows.status = status;
    knows.length = length;
    knows.downloaded = downloaded;
    knows.uploaded = 4;
    knows.transfer_encoding = NULL;
    memset(&call, 0, sizeof call);
    call.easy = &knows;
    call.method = method;
    call.body = SLICE_LITERAL("body");
    call.sends = 1;
    call.header_bytes = 20;
}

/** Nothing came. */
static void nothing(curl_off_t uploaded)
{
    came(post, 0, -1, 0);
    knows.uploaded = uploaded;
    call.header_bytes = 0;
}

static void assert_result(CURLcode code, CURLcode wanted)
{
    assert_int_equal(transfer_result(&call, code), wanted);
}

static void half_a_head_is_no_answer(void **state)
{
    (void)state;
    came(post, 200, -1, 0);
    assert_result(CURLE_OK, CURLE_OK);
    call.in_head = true;
    assert_result(CURLE_OK, CURLE_PARTIAL_FILE);
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
}

static void a_stream_that_is_reset_cuts_an_answer_without_a_length(void **state)
{
    (void)state;
    came(post, 200, -1, 5);
    call.stream.cut = true;
    assert_result(CURLE_OK, CURLE_PARTIAL_FILE);
    came(post, 200, 5, 5); /* libcurl counts for itself */
    call.stream.cut = true;
    assert_result(CURLE_OK, CURLE_OK);
    came(post, 204, -1, 0);
    call.stream.cut = true;
    assert_result(CURLE_OK, CURLE_OK);
    came(post, 304, -1, 0);
    call.stream.cut = true;
    assert_result(CURLE_OK, CURLE_OK);
    came(head, 200, -1, 0);
    call.stream.cut = true;
    assert_result(CURLE_OK, CURLE_OK);
}

static void other_results_stay_as_they_are(void **state)
{
    (void)state;
    came(post, 200, 5, 5);
    assert_result(CURLE_OPERATION_TIMEDOUT, CURLE_OPERATION_TIMEDOUT);
    assert_result(CURLE_PARTIAL_FILE, CURLE_PARTIAL_FILE);
    call.sends = 0; /* lost while it connected */
    assert_result(CURLE_SEND_ERROR, CURLE_SEND_ERROR);
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
}

/** The server answers, closes, and has not read all that is being sent. */
static void an_answer_that_is_whole_counts_although_the_rest_could_not_be_sent(void **state)
{
    (void)state;
    came(post, 413, 5, 5);
    assert_result(CURLE_SEND_ERROR, CURLE_OK);
    came(post, 413, 5, 4);
    assert_result(CURLE_SEND_ERROR, CURLE_SEND_ERROR);
    came(post, 204, -1, 0);
    assert_result(CURLE_SEND_ERROR, CURLE_OK);
    came(post, 304, 7, 0); /* the length is of what did not come */
    assert_result(CURLE_SEND_ERROR, CURLE_OK);
    came(head, 200, 7, 0);
    assert_result(CURLE_SEND_ERROR, CURLE_OK);
    came(post, 100, 0, 0); /* that was no answer */
    assert_result(CURLE_SEND_ERROR, CURLE_SEND_ERROR);
    came(post, 413, 5, 5);
    call.in_head = true;
    assert_result(CURLE_SEND_ERROR, CURLE_SEND_ERROR);
    came(post, 413, 5, 5);
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
}

/** Its length is known by the connection's end alone. */
static void an_end_without_a_word_of_tls_is_an_answer_that_may_be_cut(void **state)
{
    (void)state;
    static const char words[] = "OpenSSL SSL_read: unexpected eof while reading";
    came(post, 200, -1, 5);
    strcpy(call.curl_error, words);
    assert_result(CURLE_RECV_ERROR, CURLE_OK);
    assert_int_equal(call.cut, HTTP_CUT_UNSURE);
    came(post, 200, -1, 5);
    strcpy(call.curl_error, words);
    char chunked[] = "chunked";
    knows.transfer_encoding = chunked;
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
    came(post, 200, -1, 5);
    strcpy(call.curl_error, words);
    char none[] = "Identity", more[] = "identity, chunked";
    knows.transfer_encoding = none; /* is no coding */
    assert_result(CURLE_RECV_ERROR, CURLE_OK);
    assert_int_equal(call.cut, HTTP_CUT_UNSURE);
    came(post, 200, -1, 5);
    strcpy(call.curl_error, words);
    knows.transfer_encoding = more;
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
    came(post, 200, 9, 5);
    strcpy(call.curl_error, words);
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
    assert_int_not_equal(call.cut, HTTP_CUT_UNSURE);
    came(post, 200, -1, 5);
    strcpy(call.curl_error, "Connection reset by peer");
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
    came(post, 0, -1, 0);
    strcpy(call.curl_error, words);
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
}

static void over_http_2_the_stream_says_whether_an_answer_is_whole(void **state)
{
    (void)state;
    static const CURLcode codes[] = {CURLE_SEND_ERROR, CURLE_RECV_ERROR};
    for (size_t i = 0; i < 2; i++) {
        came(post, 200, -1, 5);
        call.http2 = true;
        assert_result(codes[i], CURLE_RECV_ERROR);
        call.stream.ended = true;
        assert_result(codes[i], CURLE_OK);
    }
}

static void what_was_lost_before_anything_came_was_lost_while_sending_or_later(void **state)
{
    (void)state;
    static const CURLcode codes[] = {CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING};
    for (size_t i = 0; i < 3; i++) {
        nothing(3);
        assert_result(codes[i], CURLE_SEND_ERROR);
        nothing(4);
        assert_result(codes[i], codes[i]);
        nothing(4);
        call.http2 = true; /* there is always something to send */
        assert_result(codes[i], i == 0 ? CURLE_RECV_ERROR : codes[i]);
    }
    nothing(3);
    call.header_bytes = 1; /* something came */
    assert_result(CURLE_RECV_ERROR, CURLE_RECV_ERROR);
}

/* Lines of a head */

static bool may_read(const char *line)
{
    return transfer_may_read(&call, slice_of(line));
}

static void a_header_that_says_where_the_body_ends_has_one_line(void **state)
{
    (void)state;
    static const char *const names[] = {"Content-Length", "transfer-encoding", "X-Other"};
    for (size_t i = 0; i < 3; i++) {
        char line[64];
        came(post, 200, -1, 0);
        response_begin(&call.exchange.response, false);
        assert_true(may_read("HTTP/1.1 200 OK\r\n"));
        snprintf(line, sizeof line, "%s: %s\r\n", names[i], i == 1 ? "chunked" : "5");
        assert_true(may_read(line));
        assert_int_equal(may_read(" 6\r\n"), i == 2);
        if (i < 2)
            assert_string_equal(call.exchange.response.why,
                                "a header that says where its body ends has several lines");
        buffer_clear(&call.exchange.response.head);
        buffer_clear(&call.exchange.response.own.line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_head_is_no_answer),
        cmocka_unit_test(a_stream_that_is_reset_cuts_an_answer_without_a_length),
        cmocka_unit_test(other_results_stay_as_they_are),
        cmocka_unit_test(an_answer_that_is_whole_counts_although_the_rest_could_not_be_sent),
        cmocka_unit_test(an_end_without_a_word_of_tls_is_an_answer_that_may_be_cut),
        cmocka_unit_test(over_http_2_the_stream_says_whether_an_answer_is_whole),
        cmocka_unit_test(what_was_lost_before_anything_came_was_lost_while_sending_or_later),
        cmocka_unit_test(a_header_that_says_where_the_body_ends_has_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
