/* Which redirects are followed, and where they lead. */
#include "http/client_internal.h"
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
};

static const struct redirect_case CASES[] = {
    {"http://svc/a/b", "POST", 307, "/c", "http://svc/c", NULL},
    {"http://svc/a/b", "POST", 308, "c?q=1", "http://svc/a/c?q=1", NULL},
    {"http://svc/a/b", "PUT", 307, "?q=1", "http://svc/a/b?q=1", NULL},
    {"http://svc/a", "POST", 307, "//svc/c", "http://svc/c", NULL},
    {"http://svc/a", "POST", 307, "http://SVC:80/c", "http://SVC:80/c", NULL},
    {"http://svc/a", "POST", 307, "/with blank", "http://svc/with%20blank", NULL},
    {"http://svc/a", "POST", 307, "https://svc/c", "https://svc/c", NULL},
    {"http://svc:8080/a", "POST", 307, "https://svc:8443/c", "https://svc:8443/c", NULL},
    {"https://svc:8443/a", "POST", 307, "/c", "https://svc:8443/c", NULL},
    {"http://svc/a", "GET", 301, "/c", "http://svc/c", NULL},
    {"http://svc/a", "GET", 302, "/c", "http://svc/c", NULL},
    {"http://svc/a", "GET", 303, "/c", "http://svc/c", NULL},
    {"http://[::1]:80/a", "POST", 307, "http://[::1]/c", "http://[::1]/c", NULL},
    {"http://u:p@svc/a", "POST", 307, "/c", "http://u:p@svc/c", NULL},
    {"http://u:p@svc/a", "POST", 307, "http://svc/c", "http://u:p@svc/c", NULL},
    {"http://u:p%40@svc/a", "POST", 307, "http://svc/c", "http://u:p%40@svc/c", NULL},
    {"http://u@svc/a", "POST", 307, "http://svc/c", "http://u@svc/c", NULL},
    {"http://u:p@svc/a", "POST", 307, "http://v:q@svc/c", "http://v:q@svc/c", NULL},
    {"http://u:p@svc/a", "POST", 307, "https://svc/c", "https://u:p@svc/c", NULL},
    {"http://svc/a", "POST", 301, "/c", NULL, "only 307 and 308"},
    {"http://svc/a", "POST", 302, "/c", NULL, "only 307 and 308"},
    {"http://svc/a", "PATCH", 303, "/c", NULL, "only 307 and 308"},
    {"https://svc/a", "POST", 307, "http://svc/c", NULL, "back to http"},
    {"https://svc:8443/a", "POST", 307, "http://svc:8443/c", NULL, "back to http"},
    {"http://svc/a", "POST", 307, "http://other/c", NULL, "another host"},
    {"http://svc/a", "POST", 307, "https://other/c", NULL, "another host"},
    {"http://svc/a", "POST", 307, "//other/c", NULL, "another host"},
    {"http://svc/a", "POST", 307, "http://svc.other/c", NULL, "another host"},
    {"http://svc/a", "POST", 307, "http://svc@other/c", NULL, "another host"},
    {"http://svc/a", "POST", 307, "http://svc:80@other/c", NULL, "another host"},
    {"http://svc/a", "POST", 307, "http://svc\\@other/c", NULL, ""},
    {"http://svc/a", "POST", 307, "http://svc:8080/c", NULL, "another port"},
    {"https://svc/a", "POST", 307, "https://svc:8443/c", NULL, "another port"},
    {"http://svc/a", "POST", 307, "file:///etc/passwd", NULL, ""},
    {"http://svc/a", "POST", 307, "gopher://svc/c", NULL, "neither http nor https"},
    {"http://svc/a", "POST", 307, "javascript:alert(1)", NULL, ""},
    {"http://svc/a", "POST", 307, "http://[::1/c", NULL, "not a URL"},
};

static void every_redirect_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct redirect_case *one = &CASES[i];
        struct http_call call = {.url = strdup(one->from), .method = strdup(one->method)};
        char reason[256] = "", *next = NULL;
        bool allowed = redirect_allowed(&call, one->status, one->location, &next, reason, sizeof reason);
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

static void five_and_no_more(void **state)
{
    (void)state;
    char url[] = "http://svc/a", method[] = "POST", reason[256], *next = NULL;
    struct http_call call = {.url = url, .method = method, .redirects = 4};
    assert_true(redirect_allowed(&call, 307, "/b", &next, reason, sizeof reason));
    free(next);
    call.redirects = 5;
    assert_false(redirect_allowed(&call, 307, "/b", &next, reason, sizeof reason));
    assert_non_null(strstr(reason, "more than 5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_redirect_gets_its_answer),
        cmocka_unit_test(five_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
