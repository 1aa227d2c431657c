/* Header names of HTTP/2 with the capitals that they have over HTTP/1.1. */
#include "http/header_name.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_have_their_usual_capitals(void **state)
{
    (void)state;
    static const char *const names[] = {"Location",
                                        "X-Run-Id",
                                        "Content-Type",
                                        "ETag",
                                        "WWW-Authenticate",
                                        "Content-MD5",
                                        "TE",
                                        "X-XSS-Protection",
                                        "X-UA-Compatible",
                                        "Sec-WebSocket-Accept",
                                        "X-RateLimit-Remaining",
                                        "RateLimit-Reset",
                                        "X-GitHub-Request-Id",
                                        "CF-RAY",
                                        "X-Etag",
                                        "X",
                                        "A-",
                                        "-B",
                                        "A--B",
                                        "X-1a",
                                        "X_run_id",
                                        "{a",
                                        "X-{a",
                                        "Z",
                                        "X-Websockets",
                                        "",
                                        "-"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        size_t len = strlen(names[i]);
        for (size_t at = 0; at <= len; at++)
            name[at] = (char)(names[i][at] >= 'A' && names[i][at] <= 'Z' ? names[i][at] + 32 : names[i][at]);
        header_name_capitals(name, len);
        assert_string_equal(name, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_have_their_usual_capitals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
