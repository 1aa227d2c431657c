/* libcurl's result codes as failures, and in words. What only a real connection can tell is in the component
 * tests. */
#include "http/client_internal.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static struct http_call call;
static struct client_shared shared = {.options = {.client_certificate_setting = "CERT"}};

static char http_url[] = "http://svc/hook", https_url[] = "https://svc/hook", path_url[] = "/hook";
static char http_proxy[] = "http://proxy:3128", socks_proxy[] = "socks5://proxy:1080";
static const struct proxy through_http = {"HTTPS_PROXY", http_proxy, NULL, {0}};
static const struct proxy through_socks = {"", socks_proxy, NULL, {0}};

/** A call to `url` that has been written to a connection so many times. */
static void begin(char *url, unsigned sends)
{
    CURL *easy = call.easy ? call.easy : curl_easy_init();
    call = (struct http_call){.easy = easy, .url = url, .sends = sends, .shared = &shared};
}

static int end(void **state)
{
    (void)state;
    curl_easy_cleanup(call.easy);
    call.easy = NULL;
    return 0;
}

static void every_failure_has_a_name_of_its_own(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",        "bad_url",         "dns",      "connect",  "connect_timeout",
        "tls",     "tls_certificate", "proxy",    "send",     "reset",
        "timeout", "total_timeout",   "protocol", "redirect", "descriptors",
        "egress",  "cancelled",       "memory"};
    static const enum http_failure failures[] = {
        HTTP_OK,           HTTP_BAD_URL,         HTTP_DNS,      HTTP_CONNECT,  HTTP_CONNECT_TIMEOUT,
        HTTP_TLS,          HTTP_TLS_CERTIFICATE, HTTP_PROXY,    HTTP_SEND,     HTTP_RESET,
        HTTP_IDLE_TIMEOUT, HTTP_TOTAL_TIMEOUT,   HTTP_PROTOCOL, HTTP_REDIRECT, HTTP_NO_DESCRIPTOR,
        HTTP_EGRESS,       HTTP_CANCELLED,       HTTP_MEMORY};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(http_failure_name(failures[i]), names[i]);
}

static void a_code_means_what_had_happened_by_then(void **state)
{
    (void)state;
    static const struct {
        CURLcode code;
        enum http_failure unsent, sent;
    } cases[] = {
        {CURLE_OK, HTTP_OK, HTTP_OK},
        {CURLE_UNSUPPORTED_PROTOCOL, HTTP_BAD_URL, HTTP_PROTOCOL},
        {CURLE_URL_MALFORMAT, HTTP_BAD_URL, HTTP_BAD_URL},
        {CURLE_COULDNT_RESOLVE_HOST, HTTP_DNS, HTTP_DNS},
        {CURLE_COULDNT_CONNECT, HTTP_CONNECT, HTTP_CONNECT},
        {CURLE_COULDNT_RESOLVE_PROXY, HTTP_PROXY, HTTP_PROXY},
        {CURLE_PROXY, HTTP_PROXY, HTTP_PROXY},
        {CURLE_OPERATION_TIMEDOUT, HTTP_CONNECT_TIMEOUT, HTTP_IDLE_TIMEOUT},
        {CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS_CERTIFICATE, HTTP_TLS_CERTIFICATE},
        {CURLE_SSL_CERTPROBLEM, HTTP_TLS_CERTIFICATE, HTTP_TLS_CERTIFICATE},
        {CURLE_SSL_CACERT_BADFILE, HTTP_TLS_CERTIFICATE, HTTP_TLS_CERTIFICATE},
        {CURLE_SSL_ISSUER_ERROR, HTTP_TLS_CERTIFICATE, HTTP_TLS_CERTIFICATE},
        {CURLE_SSL_INVALIDCERTSTATUS, HTTP_TLS_CERTIFICATE, HTTP_TLS_CERTIFICATE},
        {CURLE_SSL_CONNECT_ERROR, HTTP_TLS, HTTP_TLS},
        {CURLE_SSL_CIPHER, HTTP_TLS, HTTP_TLS},
        {CURLE_SSL_ENGINE_NOTFOUND, HTTP_TLS, HTTP_TLS},
        {CURLE_SEND_ERROR, HTTP_SEND, HTTP_SEND},
        {CURLE_SEND_FAIL_REWIND, HTTP_SEND, HTTP_SEND},
        {CURLE_RECV_ERROR, HTTP_RESET, HTTP_RESET},
        {CURLE_GOT_NOTHING, HTTP_RESET, HTTP_RESET},
        {CURLE_PARTIAL_FILE, HTTP_RESET, HTTP_RESET},
        {CURLE_HTTP2_STREAM, HTTP_RESET, HTTP_RESET},
        {CURLE_HTTP2, HTTP_RESET, HTTP_RESET},
        {CURLE_OUT_OF_MEMORY, HTTP_MEMORY, HTTP_MEMORY},
        {CURLE_WEIRD_SERVER_REPLY, HTTP_PROTOCOL, HTTP_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(http_url, 0);
        if (failure_of(&call, cases[i].code) != cases[i].unsent)
            fail_msg("%s, unsent: %d", curl_easy_strerror(cases[i].code), failure_of(&call, cases[i].code));
        begin(http_url, 1);
        if (failure_of(&call, cases[i].code) != cases[i].sent)
            fail_msg("%s, sent: %d", curl_easy_strerror(cases[i].code), failure_of(&call, cases[i].code));
    }
}

static void some_codes_are_told_apart_by_what_else_is_known(void **state)
{
    (void)state;
    CURLU *parsed = curl_url();
    begin(http_url, 0);
    strcpy(call.curl_error, "No URL set");
    assert_int_equal(failure_of(&call, CURLE_URL_MALFORMAT), HTTP_BAD_URL);
    call.parsed = parsed;
    assert_int_equal(failure_of(&call, CURLE_URL_MALFORMAT), HTTP_MEMORY);
    strcpy(call.curl_error, "Bad port");
    assert_int_equal(failure_of(&call, CURLE_URL_MALFORMAT), HTTP_BAD_URL);
    strcpy(call.curl_error, "Illegal or missing hexadecimal sequence in chunked-encoding");
    assert_int_equal(failure_of(&call, CURLE_RECV_ERROR), HTTP_PROTOCOL);
    call.header_overflow = true;
    assert_int_equal(failure_of(&call, CURLE_WRITE_ERROR), HTTP_PROTOCOL);
    curl_url_cleanup(parsed);
}

static void an_alert_about_a_certificate_is_told_with_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        enum http_failure failure;
        const char *without, *with;
    } cases[] = {
        {"SSL routines::tlsv13 alert certificate required, errno 0", HTTP_TLS,
         "; it wants a client certificate: see CERT", "; it refuses the client certificate of CERT"},
        {"SSL routines::ssl/tls alert bad certificate, errno 0", HTTP_TLS,
         "; it wants a client certificate: see CERT", "; it refuses the client certificate of CERT"},
        {"SSL routines::tlsv1 alert unknown ca, errno 0", HTTP_TLS, NULL,
         "; it refuses the client certificate of CERT"},
        {"SSL routines::sslv3 alert certificate expired, errno 0", HTTP_TLS, NULL,
         "; it refuses the client certificate of CERT"},
        {"SSL routines::tlsv1 alert internal error, errno 0", HTTP_RESET, NULL, NULL},
        {"Connection reset by peer", HTTP_RESET, NULL, NULL},
    };
    char reason[HTTP_REASON_SIZE];
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const char *expected = i % 2 ? cases[i / 2].with : cases[i / 2].without;
        begin(https_url, 1);
        call.certificate = i % 2 ? "cert.pem" : NULL;
        strcpy(call.curl_error, cases[i / 2].words);
        enum http_failure failure = failure_of(&call, CURLE_RECV_ERROR);
        assert_int_equal(failure, expected ? cases[i / 2].failure : HTTP_RESET);
        failure_reason(&call, failure, CURLE_RECV_ERROR, reason, sizeof reason);
        if (expected ? !strstr(reason, expected) || !strstr(reason, cases[i / 2].words)
                     : strstr(reason, "client certificate") != NULL)
            fail_msg("%s", reason);
        call.received = 1; /* it is an answer that was lost */
        assert_int_equal(failure_of(&call, CURLE_RECV_ERROR), HTTP_RESET);
    }
    shared.options.client_certificates = (const void *)&shared; /* any */
    begin(https_url, 1);
    call.elsewhere = true;
    strcpy(call.curl_error, cases[0].words);
    failure_reason(&call, HTTP_TLS, CURLE_RECV_ERROR, reason, sizeof reason);
    assert_non_null(strstr(reason, "; a redirect to another origin takes no client certificate along"));
    shared.options.client_certificates = NULL;
}

static void what_egress_refused_is_that_unless_an_address_was_tried(void **state)
{
    (void)state;
    begin(http_url, 0);
    call.refused = true;
    assert_int_equal(failure_of(&call, CURLE_COULDNT_CONNECT), HTTP_EGRESS);
    assert_int_equal(failure_of(&call, CURLE_OK), HTTP_OK);
    call.opened = 1;
    assert_int_equal(failure_of(&call, CURLE_COULDNT_CONNECT), HTTP_CONNECT);
}

static void a_socket_that_the_system_refuses_is_a_shortage(void **state)
{
    (void)state;
    static const int shortages[] = {EMFILE, ENFILE, ENOBUFS};
    for (size_t i = 0; i < 3; i++) {
        begin(http_url, 0);
        call.no_socket = shortages[i];
        assert_int_equal(failure_of(&call, CURLE_COULDNT_CONNECT), HTTP_NO_DESCRIPTOR);
        assert_int_equal(failure_of(&call, CURLE_OK), HTTP_OK);
    }
    call.no_socket = EADDRNOTAVAIL;
    assert_int_equal(failure_of(&call, CURLE_COULDNT_CONNECT), HTTP_CONNECT);
}

static void without_descriptors_nothing_was_tried(void **state)
{
    (void)state;
    static const CURLcode codes[] = {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY,
                                     CURLE_COULDNT_CONNECT, CURLE_SSL_CACERT_BADFILE};
    struct rlimit before, none;
    begin(http_url, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum http_failure failures[4], sent, other;
    for (size_t i = 0; i < 4; i++)
        failures[i] = failure_of(&call, codes[i]);
    other = failure_of(&call, CURLE_SSL_CONNECT_ERROR);
    call.sends = 1;
    sent = failure_of(&call, CURLE_COULDNT_CONNECT);
    char reason[HTTP_REASON_SIZE];
    failure_reason(&call, HTTP_NO_DESCRIPTOR, CURLE_COULDNT_CONNECT, reason, sizeof reason);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(failures[i], HTTP_NO_DESCRIPTOR);
    assert_int_equal(other, HTTP_TLS);
    assert_int_equal(sent, HTTP_CONNECT);
    char expected[HTTP_REASON_SIZE];
    snprintf(expected, sizeof expected,
             "http://svc:80: not tried: no file descriptor is left for a connection (ulimit -n is %d)",
             lowest);
    assert_string_equal(reason, expected);
}

static void before_the_tunnel_stands_it_is_the_proxys_fault(void **state)
{
    (void)state;
    static const struct {
        CURLcode code;
        enum http_failure failure;
    } cases[] = {
        {CURLE_OK, HTTP_OK},
        {CURLE_OUT_OF_MEMORY, HTTP_MEMORY},
        {CURLE_URL_MALFORMAT, HTTP_BAD_URL},
        {CURLE_UNSUPPORTED_PROTOCOL, HTTP_BAD_URL},
        {CURLE_SSL_CACERT_BADFILE, HTTP_TLS_CERTIFICATE},
        {CURLE_OPERATION_TIMEDOUT, HTTP_CONNECT_TIMEOUT},
        {CURLE_COULDNT_CONNECT, HTTP_PROXY},
        {CURLE_RECV_ERROR, HTTP_PROXY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(https_url, 0);
        call.proxy = &through_http;
        assert_int_equal(failure_of(&call, cases[i].code), cases[i].failure);
    }
    call.header_bytes = 1; /* the proxy has begun to answer */
    assert_int_equal(failure_of(&call, CURLE_OPERATION_TIMEDOUT), HTTP_PROXY);
    call.tunnelled = true;
    assert_int_equal(failure_of(&call, CURLE_RECV_ERROR), HTTP_RESET);
    begin(https_url, 1);
    call.proxy = &through_http; /* of a second connection, for a request that was sent over the first */
    assert_int_equal(failure_of(&call, CURLE_RECV_ERROR), HTTP_PROXY);
    call.tunnelled = true;
    assert_int_equal(failure_of(&call, CURLE_RECV_ERROR), HTTP_RESET);
}

static void without_a_tunnel_the_proxy_is_whom_a_request_is_sent_to_first(void **state)
{
    (void)state;
    static const struct {
        CURLcode code;
        enum http_failure http, socks;
    } cases[] = {
        {CURLE_COULDNT_CONNECT, HTTP_PROXY, HTTP_PROXY},
        {CURLE_SEND_ERROR, HTTP_PROXY, HTTP_PROXY},
        {CURLE_RECV_ERROR, HTTP_PROXY, HTTP_PROXY},
        {CURLE_GOT_NOTHING, HTTP_PROXY, HTTP_PROXY},
        {CURLE_WEIRD_SERVER_REPLY, HTTP_PROXY, HTTP_PROXY},
        {CURLE_SSL_CONNECT_ERROR, HTTP_PROXY, HTTP_TLS},
        {CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS_CERTIFICATE, HTTP_TLS_CERTIFICATE},
        {CURLE_OPERATION_TIMEDOUT, HTTP_CONNECT_TIMEOUT, HTTP_CONNECT_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(http_url, 0);
        call.proxy = &through_http;
        assert_int_equal(failure_of(&call, cases[i].code), cases[i].http);
        begin(http_url, 0);
        call.proxy = &through_socks;
        assert_int_equal(failure_of(&call, cases[i].code), cases[i].socks);
        begin(https_url, 0);
        call.proxy = &through_socks;
        assert_int_equal(failure_of(&call, cases[i].code), cases[i].socks);
    }
}

static void without_an_answer_no_proxy_refuses_a_password(void **state)
{
    (void)state;
    begin(https_url, 0);
    assert_false(proxy_refuses_password(&call, CURLE_PROXY));
    call.proxy = &through_http;
    assert_false(proxy_refuses_password(&call, CURLE_OK));
    assert_false(proxy_refuses_password(&call, CURLE_PROXY));
    call.tunnelled = true;
    assert_false(proxy_refuses_password(&call, CURLE_OK));
}

static void nothing_came_means_that_an_address_is_in_doubt(void **state)
{
    (void)state;
    static const bool came[] = {
        [HTTP_OK] = true,        [HTTP_BAD_URL] = true, [HTTP_REDIRECT] = true, [HTTP_NO_DESCRIPTOR] = true,
        [HTTP_CANCELLED] = true, [HTTP_MEMORY] = true};
    for (int failure = HTTP_OK; failure <= HTTP_MEMORY; failure++)
        assert_int_equal(nothing_came((enum http_failure)failure), !came[failure]);
}

static const char *reason_of(enum http_failure failure, CURLcode code)
{
    static char reason[HTTP_REASON_SIZE];
    failure_reason(&call, failure, code, reason, sizeof reason);
    return reason;
}

static void a_reason_names_the_destination_and_what_happened(void **state)
{
    (void)state;
    static const struct {
        enum http_failure failure;
        const char *reason;
    } cases[] = {
        {HTTP_BAD_URL, "https://svc:443: the URL cannot be used: as libcurl says"},
        {HTTP_DNS, "https://svc:443: host name not found"},
        {HTTP_CONNECT, "https://svc:443: connection refused or host unreachable"},
        {HTTP_CONNECT_TIMEOUT, "https://svc:443: no connection in time"},
        {HTTP_TLS, "https://svc:443: TLS handshake failed: as libcurl says"},
        {HTTP_TLS_CERTIFICATE, "https://svc:443: the server's certificate failed its check: as libcurl says"},
        {HTTP_SEND, "https://svc:443: connection lost while sending"},
        {HTTP_RESET, "https://svc:443: connection lost before the whole response had come"},
        {HTTP_IDLE_TIMEOUT, "https://svc:443: no answer in time"},
        {HTTP_TOTAL_TIMEOUT, "https://svc:443: the whole took longer than allowed"},
        {HTTP_PROTOCOL, "https://svc:443: the answer is not proper HTTP: as libcurl says"},
        {HTTP_EGRESS, "https://svc:443: the agent sends nothing there: it is denied"},
        {HTTP_CANCELLED, "https://svc:443: cancelled"},
        {HTTP_MEMORY, "https://svc:443: out of memory"},
        {HTTP_REDIRECT, "https://svc:443: failed"},
        {HTTP_PROXY, "https://svc:443: the proxy  failed: as libcurl says"},
    };
    begin(https_url, 0);
    strcpy(call.curl_error, "as libcurl says");
    strcpy(call.egress_why, "it is denied");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(reason_of(cases[i].failure, CURLE_OK), cases[i].reason);
}

static void a_reason_says_how_long_was_waited(void **state)
{
    (void)state;
    begin(https_url, 0);
    shared.options.connect_timeout_ms = 1500;
    shared.options.idle_timeout_ms = 10000;
    shared.options.total_timeout_ms = 1200000;
    assert_string_equal(reason_of(HTTP_CONNECT_TIMEOUT, CURLE_OK),
                        "https://svc:443: no connection in time (1.5 s)");
    assert_string_equal(reason_of(HTTP_IDLE_TIMEOUT, CURLE_OK), "https://svc:443: no answer in time (10 s)");
    assert_string_equal(reason_of(HTTP_TOTAL_TIMEOUT, CURLE_OK),
                        "https://svc:443: the whole took longer than allowed (1200 s)");
    assert_string_equal(reason_of(HTTP_DNS, CURLE_OK), "https://svc:443: host name not found");
    shared.options.connect_timeout_ms = shared.options.idle_timeout_ms = shared.options.total_timeout_ms = 0;
}

static void a_reason_says_more_where_more_is_known(void **state)
{
    (void)state;
    begin(https_url, 0);
    assert_string_equal(reason_of(HTTP_TLS, CURLE_SSL_CONNECT_ERROR),
                        "https://svc:443: TLS handshake failed: SSL connect error");
    call.header_overflow = true;
    assert_string_equal(reason_of(HTTP_PROTOCOL, CURLE_WRITE_ERROR),
                        "https://svc:443: the answer is not proper HTTP: more than 64 KiB of headers");
    call.proxy = &through_http;
    assert_string_equal(reason_of(HTTP_DNS, CURLE_COULDNT_RESOLVE_HOST),
                        "https://svc:443: host name not found, through the proxy http://proxy:3128");
    call.header_overflow = false;
    char words[128]; /* libcurl's own, which change */
    snprintf(words, sizeof words, "https://svc:443: the proxy http://proxy:3128 failed: %s",
             curl_easy_strerror(CURLE_COULDNT_CONNECT));
    assert_string_equal(reason_of(HTTP_PROXY, CURLE_COULDNT_CONNECT), words);
    call.proxy_words = "its answer to CONNECT is not HTTP";
    assert_string_equal(
        reason_of(HTTP_PROXY, CURLE_WRITE_ERROR),
        "https://svc:443: the proxy http://proxy:3128 failed: its answer to CONNECT is not HTTP");
    begin(path_url, 0);
    assert_string_equal(reason_of(HTTP_DNS, CURLE_OK), "the endpoint: host name not found");
    strcpy(call.reason, "said before");
    assert_string_equal(reason_of(HTTP_DNS, CURLE_OK), "said before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_failure_has_a_name_of_its_own, end),
        cmocka_unit_test_teardown(a_code_means_what_had_happened_by_then, end),
        cmocka_unit_test_teardown(some_codes_are_told_apart_by_what_else_is_known, end),
        cmocka_unit_test_teardown(an_alert_about_a_certificate_is_told_with_what_to_do, end),
        cmocka_unit_test_teardown(what_egress_refused_is_that_unless_an_address_was_tried, end),
        cmocka_unit_test_teardown(a_socket_that_the_system_refuses_is_a_shortage, end),
        cmocka_unit_test_teardown(without_descriptors_nothing_was_tried, end),
        cmocka_unit_test_teardown(before_the_tunnel_stands_it_is_the_proxys_fault, end),
        cmocka_unit_test_teardown(without_a_tunnel_the_proxy_is_whom_a_request_is_sent_to_first, end),
        cmocka_unit_test_teardown(without_an_answer_no_proxy_refuses_a_password, end),
        cmocka_unit_test_teardown(nothing_came_means_that_an_address_is_in_doubt, end),
        cmocka_unit_test_teardown(a_reason_names_the_destination_and_what_happened, end),
        cmocka_unit_test_teardown(a_reason_says_how_long_was_waited, end),
        cmocka_unit_test_teardown(a_reason_says_more_where_more_is_known, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
