/* Which redirects are followed, and where they lead. */
#include "../edge.h"
#include "http/client_internal.h"
#include "http/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct redirect_case {
    const char *from, *method;
    int status;
    const char *location;
    const char *to; /* NULL: refused, for the reason in the next */
    const char *why;
    bool may_drop; /* the body, and the method with it */
};

static bool drops(void *ctx, struct http_call *call)
{
    (void)ctx;
    (void)call;
    return true;
}

static const struct redirect_case CASES[] = {
    {"http://svc/a/b", "POST", 307, "/c", "http://svc/c", NULL, false},
    {"http://svc/a/b", "POST", 308, "c?q=1", "http://svc/a/c?q=1", NULL, false},
    {"http://svc/a/b", "PUT", 307, "?q=1", "http://svc/a/b?q=1", NULL, false},
    {"http://svc/a", "POST", 307, "//svc/c", "http://svc/c", NULL, false},
    {"http://svc/a", "POST", 307, "http://SVC:80/c", "http://svc:80/c", NULL, false},
    {"http://svc/a", "POST", 307, "/with blank", "http://svc/with%20blank", NULL, false},
    {"http://svc/a", "POST", 307, "https://svc/c", "https://svc/c", NULL, false},
    {"http://svc:8080/a", "POST", 307, "https://svc:8443/c", NULL, "another port", false},
    {"http://svc:8443/a", "POST", 307, "https://svc:8443/c", "https://svc:8443/c", NULL, false},
    {"http://svc:8080/a", "POST", 307, "https://svc/c", "https://svc/c", NULL, false},
    {"http://svc:8080/a", "POST", 307, "http://svc/c", NULL, "another port", false},
    {"https://svc:8443/a", "POST", 307, "/c", "https://svc:8443/c", NULL, false},
    {"http://svc/a", "GET", 301, "/c", "http://svc/c", NULL, false},
    {"http://svc/a", "GET", 302, "/c", "http://svc/c", NULL, false},
    {"http://svc/a", "GET", 303, "/c", "http://svc/c", NULL, false},
    {"http://[::1]:80/a", "POST", 307, "http://[::1]/c", "http://[::1]/c", NULL, false},
    {"http://u:p@svc/a", "POST", 307, "/c", "http://u:p@svc/c", NULL, false},
    {"http://u:p@svc/a", "POST", 307, "http://svc/c", "http://u:p@svc/c", NULL, false},
    {"http://u:p%40@svc/a", "POST", 307, "http://svc/c", "http://u:p%40@svc/c", NULL, false},
    {"http://u@svc/a", "POST", 307, "http://svc/c", "http://u@svc/c", NULL, false},
    {"http://u:p@svc/a", "POST", 307, "http://v:q@svc/c", "http://v:q@svc/c", NULL, false},
    {"http://u:p@svc/a", "POST", 307, "https://svc/c", "https://u:p@svc/c", NULL, false},
    {"http://svc/a", "POST", 301, "/c", NULL, "only 307 and 308", false},
    {"http://svc/a", "POST", 302, "/c", NULL, "only 307 and 308", false},
    {"http://svc/a", "PATCH", 303, "/c", NULL, "only 307 and 308", false},
    {"http://svc/a", "POST", 301, "/c", "http://svc/c", NULL, true},
    {"http://svc/a", "PUT", 302, "/c", "http://svc/c", NULL, true},
    {"http://svc/a", "PATCH", 303, "/c", "http://svc/c", NULL, true},
    {"http://svc/a", "POST", 303, "http://other/c", NULL, "another host", true},
    {"http://svc/a?q", "POST", 307, "/c?", "http://svc/c?", NULL, false},
    {"http://svc/a?q", "POST", 307, "?", "http://svc/a?", NULL, false},
    {"http://svc/a?q/r", "POST", 307, "b", "http://svc/b", NULL, false},
    {"http://svc/a/b/c", "POST", 307, "../../../d/./e", "http://svc/d/e", NULL, false},
    {"http://svc/a/b", "POST", 307, "..", "http://svc/", NULL, false},
    {"http://svc/a?q", "POST", 307, "#part", "http://svc/a?q", NULL, false},
    {"http://svc/a", "POST", 307, "/c#part", "http://svc/c", NULL, false},
    {"http://svc/a", "POST", 307, "/Zo\xc3\xab?n=Zo\xeb b", "http://svc/Zo%C3%AB?n=Zo%EB%20b", NULL, false},
    {"http://svc/a", "POST", 307, "/%zz\\^[1]", "http://svc/%25zz%5C%5E[1]", NULL, false},
    {"http://svc/a", "POST", 307, "//svc", "http://svc/", NULL, false},
    {"http://u:p@svc/a", "POST", 307, "//svc/c", "http://u:p@svc/c", NULL, false},
    {"http://svc/a", "POST", 307, "http://svc./c", "http://svc./c", NULL, false},
    {"http://svc./a", "POST", 307, "http://svc/c", "http://svc/c", NULL, false},
    {"http://svc/a", "POST", 307, "http://svc:/c", "http://svc/c", NULL, false},
    {"http://[::1]/a", "POST", 307, "http://[0:0:0:0:0:0:0:1]/c", "http://[0:0:0:0:0:0:0:1]/c", NULL, false},
    {"http://127.0.0.1/a", "POST", 307, "http://localhost/c", NULL, "another host", false},
    {"http://127.0.0.1/a", "POST", 307, "http://[::ffff:127.0.0.1]/c", NULL, "another host", false},
    {"https://svc/a", "POST", 307, "http://svc/c", NULL, "back to http", false},
    {"https://svc:8443/a", "POST", 307, "http://svc:8443/c", NULL, "back to http", false},
    {"http://svc/a", "POST", 307, "http://other/c", NULL, "another host", false},
    {"http://svc/a", "POST", 307, "https://other/c", NULL, "another host", false},
    {"http://svc/a", "POST", 307, "//other/c", NULL, "another host", false},
    {"http://svc/a", "POST", 307, "http://svc.other/c", NULL, "another host", false},
    {"http://svc/a", "POST", 307, "http://svc@other/c", NULL, "another host", false},
    {"http://svc/a", "POST", 307, "http://svc:80@other/c", NULL, "another host", false},
    {"http://svc/a", "POST", 307, "http://svc\\@other/c", NULL, "", false},
    {"http://svc/a", "POST", 307, "http://svc:8080/c", NULL, "another port", false},
    {"https://svc/a", "POST", 307, "https://svc:8443/c", NULL, "another port", false},
    {"http://svc/a", "POST", 307, "file:///etc/passwd", NULL, "", false},
    {"http://svc/a", "POST", 307, "gopher://svc/c", NULL, "neither http nor https", false},
    {"http://svc/a", "POST", 307, "javascript:alert(1)", NULL, "", false},
    {"http://svc/a", "POST", 307, "http://[::1/c", NULL, "not a URL", false},
    {"http://svc/a", "POST", 307, "http:/c", NULL, "not a URL", false},
    {"http://svc/a", "POST", 307, "http:///c", NULL, "not a URL", false},
    {"http://svc/a", "POST", 307, "http://svc:99999/c", NULL, "not a URL", false},
    {"http://svc/a", "POST", 307, "http://a b/c", NULL, "not a URL", false},
};

static void every_redirect_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct redirect_case *one = &CASES[i];
        struct buffer from = {0};
        assert_int_equal(url_normalise(edge_of(one->from), &from, NULL), 0);
        struct http_call call = {.url = buffer_take(&from, NULL), .method = strdup(one->method)};
        call.without_body = one->may_drop ? drops : NULL;
        char reason[256] = "", *next = NULL;
        bool elsewhere, allowed = redirect_allowed(&call, one->status, edge_of(one->location), &next,
                                                   &elsewhere, reason, sizeof reason);
        if (allowed != (one->to != NULL) || (allowed && strcmp(next, one->to) != 0))
            fail_msg("%d from %s to %s: %s (%s)", one->status, one->from, one->location,
                     allowed ? next : "refused", reason);
        if (!allowed && (!strstr(reason, one->why) || !strstr(reason, "not followed")))
            fail_msg("%d from %s to %s: '%s' does not say '%s'", one->status, one->from, one->location,
                     reason, one->why);
        free(next);
        free(call.url);
        free(call.method);
    }
}

static void the_reason_says_where_a_redirect_leads_without_secrets(void **state)
{
    (void)state;
    static char long_location[4000], longer_location[URL_MAX];
    static const char *const cases[][2] = {
        {"http://u:hunter2@svc:81/a/b?token=hunter2&x#hunter2",
         "redirect 307 to http://svc:81/a/b?token=***&x not followed: another port"},
        {"https://other/a", "redirect 307 to https://other/a not followed: another host"},
        {"//other:8443/", "redirect 307 to http://other:8443/ not followed: another host"},
        {"http://b\xc3\xbc"
         "cher.example/",
         "redirect 307 to http://xn--bcher-kva.example/ not followed: another host"},
        {"gopher://u:hunter2@svc/c?hunter2",
         "redirect 307 to gopher://***@svc/c?*** not followed: neither http nor https"},
        {"http://u:hunter2@[::1/c",
         "redirect 307 to http://***@[::1/c not followed: its target is not a URL"},
        {long_location, "… not followed: another host"},
        {longer_location, "… not followed: its target is longer than 64 KiB"},
    };
    memset(long_location, 'a', sizeof long_location - 1);
    memset(longer_location, 'a', sizeof longer_location - 1);
    memcpy(long_location, "http://other/", strlen("http://other/"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[] = "http://svc/a", method[] = "POST", reason[HTTP_REASON_SIZE], *next = NULL;
        bool elsewhere;
        struct http_call call = {.url = url, .method = method};
        assert_false(
            redirect_allowed(&call, 307, edge_of(cases[i][0]), &next, &elsewhere, reason, sizeof reason));
        if (cases[i][0] != long_location && cases[i][0] != longer_location)
            assert_string_equal(reason, cases[i][1]);
        else if (!strstr(reason, cases[i][1]) || strlen(reason) >= sizeof reason)
            fail_msg("%s", reason);
    }
}

static void five_and_no_more(void **state)
{
    (void)state;
    char url[] = "http://svc/a", method[] = "POST", reason[256], *next = NULL;
    bool elsewhere;
    struct http_call call = {.url = url, .method = method, .redirects = 4};
    assert_true(redirect_allowed(&call, 307, SLICE_LITERAL("/b"), &next, &elsewhere, reason, sizeof reason));
    free(next);
    call.redirects = 5;
    assert_false(redirect_allowed(&call, 307, SLICE_LITERAL("/b"), &next, &elsewhere, reason, sizeof reason));
    assert_non_null(strstr(reason, "more than 5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_redirect_gets_its_answer),
        cmocka_unit_test(the_reason_says_where_a_redirect_leads_without_secrets),
        cmocka_unit_test(five_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
