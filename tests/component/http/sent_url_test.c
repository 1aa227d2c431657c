/* URLs as they are sent: what of a URL stands in the request. */
#include "asker.h"
#include "one_of.h"
#include <signal.h>

#define HEAD "HTTP/1.1 200 OK\r\n"

struct world {
    struct asker asker;
    const char *says;
    /** The last one's head. */
    char request[ENDPOINT_IN_MAX];
};

static void say(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    (void)n;
    snprintf(world->request, sizeof world->request, "%s", peer->in);
    endpoint_say(peer, world->says);
}

static void open_world(struct world *world)
{
    *world = (struct world){0};
    asker_open(&world->asker, (struct http_client_options){.redirects = HTTP_REDIRECTS_SAME_HOST}, OWN_TCP,
               say, world);
}

/** One POST, until it ends. The port stands between the two. */
static void post(struct world *world, const char *before_port, const char *path)
{
    static const struct http_header number = {SLICE_LITERAL("X-N"), SLICE_LITERAL("1")};
    char text[9000];
    size_t done = world->asker.done;
    snprintf(text, sizeof text, "%s:%d%s", before_port, world->asker.endpoint.port, path);
    const struct http_request request = {
        .method = "POST", .url = text, .headers = &number, .header_count = 1, .body = SLICE_LITERAL("{}")};
    assert_non_null(http_start(world->asker.http.client, &request, asker_ended, &world->asker));
    asker_run(&world->asker, done + 1);
}

struct url_case {
    const char *before_port, *path;
    const char *failure;
    const char *sent[2]; /* in the request's head; NULL: nothing to look for */
};

static void urls_are_sent_as_they_are_meant(void **state)
{
    (void)state;
    struct world world;
    static char long_path[8200];
    open_world(&world);
    world.says = HEAD "Content-Length: 2\r\n\r\nok";
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[0] = '/';
    const struct url_case cases[] = {
        {"http://user:pa%20ss@127.0.0.1",
         "/x",
         "",
         {"Authorization: Basic dXNlcjpwYSBzcw==\r\n", "Host: 127.0.0.1:"}},
        {"http://127.0.0.1", "/a/../b?q=%20#fragment", "", {"POST /b?q=%20 HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "?q=1", "", {"POST /?q=1 HTTP/1.1\r\n", NULL}},
        {"HTTP://LocalHost", "/x", "", {"Host: LocalHost:", NULL}},
        {"http://b\xc3\xbc"
         "cher.localhost",
         "/x",
         "",
         {"Host: xn--bcher-kva.localhost:", NULL}},
        {"http://127.0.0.1", "/\xc3\xbc", "", {"POST /%C3%BC HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "/a b", "", {"POST /a%20b HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "/a\r\nX-Injected: 1", "", {"POST /a%0D%0AX-Injected:%201 HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "\t", "", {"POST / HTTP/1.1\r\n", NULL}},
        {"http://127.0.0.1", "\tx", "bad_url", {NULL, NULL}},
        {"http://me@corp.example:pw@127.0.0.1",
         "/x",
         "",
         {"POST /x HTTP/1.1\r\n", "Authorization: Basic bWVAY29ycC5leGFtcGxlOnB3\r\n"}},
        {"http://[::1", "/x", "bad_url", {NULL, NULL}},
        {"http://300.1.1.1.", "/x", "dns|bad_url", {NULL, NULL}},
        {"file://127.0.0.1", "/etc/passwd", "bad_url", {NULL, NULL}},
        {"gopher://127.0.0.1", "/x", "bad_url", {NULL, NULL}},
        {"http://127.0.0.1", long_path, "", {"POST /aaaa", NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = world.asker.endpoint.requests;
        post(&world, cases[i].before_port, cases[i].path);
        const char *failure = http_failure_name(world.asker.result.failure);
        if (!one_of(cases[i].failure, failure))
            fail_msg("%s…%.20s: '%s' (%s)", cases[i].before_port, cases[i].path, failure, world.asker.reason);
        assert_int_equal(world.asker.endpoint.requests - before, *cases[i].failure ? 0 : 1);
        for (size_t j = 0; j < 2 && cases[i].sent[j]; j++)
            if (!strcasestr(world.request, cases[i].sent[j]))
                fail_msg("'%s' is not in:\n%s", cases[i].sent[j], world.request);
        assert_null(strstr(world.asker.reason, "pa%20ss"));
    }
    asker_close(&world.asker);
}

static void a_redirect_to_the_other_form_of_an_international_name_stays_on_its_host(void **state)
{
    (void)state;
    struct world world;
    char moved[200];
    open_world(&world);
    snprintf(moved, sizeof moved,
             "HTTP/1.1 307 Moved\r\nLocation: http://xn--bcher-kva.localhost:%d/there\r\nContent-Length: "
             "0\r\n\r\n",
             world.asker.endpoint.port);
    world.says = moved;
    post(&world,
         "http://b\xc3\xbc"
         "cher.localhost",
         "/x");
    assert_non_null(strstr(world.asker.reason, "more than 5 redirects")); /* it was followed */
    assert_int_equal(world.asker.endpoint.requests, 6);
    asker_close(&world.asker);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_sent_as_they_are_meant),
        cmocka_unit_test(a_redirect_to_the_other_form_of_an_international_name_stays_on_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
