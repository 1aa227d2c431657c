/* What to look at after a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/observe.h"
#include <string.h>

static void an_answer_that_fails_says_what_to_look_at_by_its_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *hint;
    } cases[] = {{401, "this organisation's secret"},
                 {403, "this organisation's secret"},
                 {404, "the right path"},
                 {405, "the right path"},
                 {410, "the right path"},
                 {400, "its answer says why"},
                 {415, "its answer says why"},
                 {422, "its answer says why"},
                 {408, "408 in WEBHOOK_RETRY_ON"},
                 {413, "no request of this size"},
                 {414, "no request of this size"},
                 {431, "no request of this size"},
                 {429, "WEBHOOK_MAX_IN_FLIGHT_PER_DESTINATION"},
                 {502, "a proxy before the endpoint"},
                 {504, "a proxy before the endpoint"},
                 {500, "the endpoint itself failed: look at its log"},
                 {503, "the endpoint itself failed"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct observed observed = {
            .kind = OBSERVED_FAILED, .error_type = "http_status", .status = cases[i].status};
        assert_non_null(strstr(observed_hint(&observed), cases[i].hint));
        assert_non_null(strstr(observed_hint(&observed), "nothing keeps the event: DEAD_LETTER_DIR would"));
        observed.has_letter = true;
        assert_non_null(strstr(observed_hint(&observed), cases[i].hint));
        assert_null(strstr(observed_hint(&observed), "nothing keeps"));
    }
    struct observed other = {.kind = OBSERVED_FAILED, .error_type = "http_status", .status = 409};
    assert_string_equal(observed_hint(&other), "nothing keeps the event: DEAD_LETTER_DIR would");
    other.kind = OBSERVED_RETRYING;
    assert_null(observed_hint(&other));
    other.kind = OBSERVED_DELIVERED;
    assert_null(observed_hint(&other));
}

static void whatever_failed_where_no_letter_keeps_the_event_it_is_said_to_be_gone(void **state)
{
    (void)state;
    static const char *const errors[] = {"tls",      "tls_certificate", "timeout",       "connect",  "dns",
                                         "redirect", "reset",           "bad_request",   "mapping",  "egress",
                                         "proxy",    "record_gone",     "event_expired", "cancelled"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct observed observed = {.kind = OBSERVED_FAILED,
                                    .error_type = errors[i],
                                    .reason = SLICE_LITERAL("the agent was stopped")};
        const char *gone = observed_hint(&observed);
        observed.has_letter = true;
        const char *kept = observed_hint(&observed);
        static const char nothing[] = "; nothing keeps the event: DEAD_LETTER_DIR would";
        assert_int_equal(strncmp(gone, kept, strlen(kept)), 0);
        assert_string_equal(gone + strlen(kept), nothing);
        observed.has_letter = false;
        observed.kind = OBSERVED_RETRYING;
        assert_string_equal(observed_hint(&observed), kept);
    }
}

static void a_certificate_says_what_to_look_at_by_what_is_wrong_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *hint;
    } cases[] = {
        {"https://a: the server's certificate failed its check: SSL: no alternative certificate subject name "
         "matches target host name 'a'",
         "host name in the URL"},
        {"SSL: certificate subject name 'b' does not match target hostname 'a'", "host name in the URL"},
        {"SSL certificate problem: certificate has expired", "renew the endpoint's certificate"},
        {"SSL certificate problem: unable to get local issuer certificate", "set SSL_CERT_FILE"},
        {"", "set SSL_CERT_FILE"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct observed observed = {.kind = OBSERVED_ENDED,
                                    .ended = OBSERVED_FAILED,
                                    .error_type = "tls_certificate",
                                    .reason = slice_of(cases[i].reason)};
        assert_non_null(strstr(observed_hint(&observed), cases[i].hint));
    }
}

static void a_handshake_says_what_to_look_at_by_what_it_ended_with(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *hint;
    } cases[] = {
        {"TLS handshake failed: OpenSSL/3.0.19: error:0A00042E:SSL routines::tlsv1 alert protocol version",
         "older TLS than 1.2"},
        {"TLS handshake failed: error:0A000102:SSL routines::unsupported protocol", "older TLS than 1.2"},
        {"TLS handshake failed: error:0A000410:SSL routines::sslv3 alert handshake failure; perhaps it "
         "wants a client certificate: see WEBHOOK_CLIENT_CERT",
         "WEBHOOK_CLIENT_CERT and WEBHOOK_CLIENT_KEY"},
        {"TLS handshake failed: error:0A00010B:SSL routines::wrong version number",
         "does the endpoint speak TLS"},
        {"", "does the endpoint speak TLS"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct observed observed = {
            .kind = OBSERVED_FAILED, .error_type = "tls", .reason = slice_of(cases[i].reason)};
        assert_non_null(strstr(observed_hint(&observed), cases[i].hint));
    }
}

static void what_the_agents_end_cut_off_is_to_be_run_again(void **state)
{
    (void)state;
    struct observed observed = {.kind = OBSERVED_FAILED,
                                .error_type = "cancelled",
                                .has_letter = true,
                                .reason =
                                    SLICE_LITERAL("the agent was stopped before the endpoint had answered")};
    assert_non_null(strstr(observed_hint(&observed), "DRAIN_TIMEOUT_SECONDS"));
    observed.reason = SLICE_LITERAL("cancelled by the operator");
    assert_null(observed_hint(&observed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_fails_says_what_to_look_at_by_its_status),
        cmocka_unit_test(whatever_failed_where_no_letter_keeps_the_event_it_is_said_to_be_gone),
        cmocka_unit_test(a_certificate_says_what_to_look_at_by_what_is_wrong_with_it),
        cmocka_unit_test(a_handshake_says_what_to_look_at_by_what_it_ended_with),
        cmocka_unit_test(what_the_agents_end_cut_off_is_to_be_run_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
