/* Connections that end, as the table of docs/operating.md has them: what of it is an answer, what is sent
 * again, and what is told. On both ways, over TCP and TLS. */
#include "asker.h"
#include "promises.h"
#include <curl/curl.h>
#include <signal.h>

struct world {
    struct asker asker;
    /** How many requests are answered before the row's own way begins. */
    size_t answered_before;
    const struct ending *ending;
    /** Whose request came last. */
    struct endpoint_peer *idle;
};

static void open_world(struct world *world, enum way way, void (*asked)(struct endpoint_peer *, int))
{
    *world = (struct world){0};
    asker_open(&world->asker, (struct http_client_options){.redirects = HTTP_REDIRECTS_NONE}, way, asked,
               world);
}

static const char *const WAY_NAMES[WAYS] = {"TCP", "TLS", "libcurl's TCP", "libcurl's TLS"};
/** Over TLS alone: a fatal alert, and then the FIN. */
enum how { FIN, CUT, RESET, ALERT };
enum { LARGE = 6 * 1024 * 1024 };

#define TITLE "| how an HTTP/1.1 connection ends | first use | used before |\n"
/** What libcurl's ordinary way does otherwise. */
#define BY_LIBCURL "; sent again once on libcurl's ordinary way"

struct ending {
    /** How the first cell of its row begins. */
    const char *row;
    /** What is said before the connection ends. */
    const char *said;
    enum how how;
    /** Over TLS alone; over TCP alone. */
    bool tls_only, tcp_only;
    /** The request has not wholly gone. */
    bool unsent;
    /** While nobody uses it. */
    bool idle;
    /** It only says this, while nobody uses it. */
    bool only_says;
};

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct ending ENDINGS[] = {
    {.row = "before anything", .said = "", .how = FIN},
    {.row = "before anything", .said = "", .how = CUT},
    {.row = "before anything", .said = "", .how = RESET},
    {.row = "before anything", .said = "", .how = RESET, .unsent = true},
    {.row = "before anything", .said = "", .how = ALERT, .tls_only = true},
    {.row = "within the first line", .said = "H", .how = FIN},
    {.row = "within the first line", .said = "HTTP/1.1 20", .how = RESET},
    {.row = "within the answer's head", .said = HEAD "X-A: a\r\n", .how = FIN},
    {.row = "within the answer's head", .said = HEAD, .how = RESET},
    {.row = "within the answer's head", .said = "HTTP/1.1 100 Continue\r\n\r\n", .how = FIN},
    {.row = "within a body", .said = HEAD "Content-Length: 9\r\n\r\nx", .how = FIN},
    {.row = "within a body", .said = HEAD "Content-Length: 9\r\n\r\nx", .how = RESET},
    {.row = "within a body", .said = HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", .how = FIN},
    {.row = "within a body", .said = HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", .how = FIN},
    {.row = "within a body",
     .said = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
     .how = ALERT,
     .tls_only = true},
    {.row = "closed at the end", .said = HEAD "\r\nx", .how = FIN},
    {.row = "the same over TLS", .said = HEAD "\r\nx", .how = CUT, .tls_only = true},
    {.row = "the same over TLS",
     .said = HEAD "Transfer-Encoding: identity\r\n\r\nx",
     .how = CUT,
     .tls_only = true},
    {.row = "reset within such", .said = HEAD "\r\nx", .how = RESET, .tcp_only = true},
    {.row = "reset within such", .said = HEAD "\r\nx", .how = ALERT, .tls_only = true},
    {.row = "after the whole", .said = HEAD "Content-Length: 1\r\n\r\nx", .how = FIN},
    {.row = "after the whole", .said = HEAD "Content-Length: 1\r\n\r\nx", .how = ALERT, .tls_only = true},
    {.row = "after the whole", .said = HEAD "Content-Length: 1\r\n\r\nx", .how = RESET},
    {.row = "after the whole", .said = HEAD "Content-Length: 1\r\n\r\nx", .how = CUT},
    {.row = "while the request", .said = HEAD "Content-Length: 1\r\n\r\nx", .how = FIN, .unsent = true},
    {.row = "while nobody", .said = "", .how = FIN, .idle = true},
    {.row = "while nobody", .said = "", .how = CUT, .idle = true},
    {.row = "while nobody", .said = "", .how = RESET, .idle = true},
    {.row = "while nobody", .said = "", .how = ALERT, .idle = true, .tls_only = true},
    {.row = "while nobody", .said = HEAD "Content-Length: 1\r\n\r\nx", .idle = true, .only_says = true},
};

/** The alert that answers a record which cannot be read. */
static void say_alert(struct endpoint_peer *peer)
{
    static const char record[] = "\x17\x03\x03\0\x20no record that anybody enciphered.";
    char byte;
    BIO_write(SSL_get_rbio(peer->ssl), record, sizeof record - 1);
    assert_int_equal(SSL_read(peer->ssl, &byte, 1), -1);
    assert_true(BIO_pending(SSL_get_wbio(peer->ssl)) > 0);
    endpoint_flush(peer);
}

static void end_connection(struct endpoint_peer *peer, const struct ending *ending)
{
    endpoint_say(peer, ending->said);
    if (ending->only_says)
        return;
    if (ending->how == ALERT)
        say_alert(peer);
    if (ending->how == RESET)
        endpoint_reset(peer);
    else
        endpoint_close(peer, ending->how == FIN);
}

static void answer_or_end(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    const struct ending *ending = world->ending;
    world->idle = peer;
    bool ends = world->asker.endpoint.requests == world->answered_before + 1 && !ending->idle;
    if (ends && ending->unsent)
        uv_read_stop((uv_stream_t *)&peer->tcp);
    if (ends)
        end_connection(peer, ending);
    else
        endpoint_answer(peer, n);
}

/** Its connection is found to be of no use before the next request. */
static void try_idle_ending(const struct ending *ending, const char *promised, enum way way, bool reused)
{
    struct world world;
    open_world(&world, way, answer_or_end);
    world.ending = ending;
    for (size_t i = 1; i <= 1U + reused; i++) {
        asker_post(&world.asker, (int)i, SLICE_LITERAL("{}"));
        asker_run(&world.asker, i);
    }
    assert_int_equal(world.asker.endpoint.connections, 1);
    end_connection(world.idle, ending);
    asker_settle(&world.asker);
    asker_post(&world.asker, 8, SLICE_LITERAL("{}"));
    asker_run(&world.asker, 2U + reused);
    assert_string_equal(promised, "closed; the next request has a new connection");
    assert_string_equal(world.asker.body, "8");
    assert_int_equal(world.asker.endpoint.connections, 2);
    assert_false(world.asker.result.resent);
    asker_close(&world.asker);
}

static void try_ending(const struct ending *ending, const char *promised, enum way way, bool reused)
{
    static char large[LARGE];
    struct world world;
    open_world(&world, way, answer_or_end);
    world.ending = ending;
    world.answered_before = reused;
    if (reused) {
        struct ending none = {.row = ""};
        world.ending = &none;
        asker_post(&world.asker, 1, SLICE_LITERAL("{}"));
        asker_run(&world.asker, 1);
        assert_string_equal(world.asker.body, "1");
        world.ending = ending;
    }
    asker_post(&world.asker, 7, ending->unsent ? (struct slice){large, sizeof large} : SLICE_LITERAL("{}"));
    asker_run(&world.asker, reused + 1U);
    bool by_libcurl = way == LIBCURL_TCP || way == LIBCURL_TLS;
    bool resent = strcmp(promised, "sent again once") == 0 || (by_libcurl && strstr(promised, BY_LIBCURL));
    bool unsure = strstr(promised, "with a warning") != NULL;
    bool answered = resent || strncmp(promised, "the answer", strlen("the answer")) == 0;
    const char *failure = answered ? "" : ending->unsent && strstr(promised, "`send`") ? "send" : "reset";
    assert_true(answered || strncmp(promised, "`reset`", strlen("`reset`")) == 0);
    if (strcmp(http_failure_name(world.asker.result.failure), failure) != 0 ||
        world.asker.result.resent != resent || !world.asker.result.sent ||
        world.asker.result.body_cut != (unsure ? HTTP_CUT_UNSURE : HTTP_WHOLE) ||
        world.asker.endpoint.requests != (size_t)reused + 1 + resent)
        fail_msg("%s ('%s'), %s, %s: %s, resent %d, cut %d, %zu requests; promised: %s", ending->row,
                 ending->said, WAY_NAMES[way], reused ? "used before" : "first use",
                 *world.asker.reason ? world.asker.reason : "an answer", world.asker.result.resent,
                 world.asker.result.body_cut, world.asker.endpoint.requests, promised);
    /* Whatever came of it, the next one is not touched by it. */
    asker_post(&world.asker, 8, SLICE_LITERAL("{}"));
    asker_run(&world.asker, reused + 2U);
    assert_string_equal(world.asker.body, "8");
    asker_close(&world.asker);
}

/** An old libcurl uses no connection twice on its ordinary way, and has no HTTP/2, for which alone https
 * URLs go that way. */
static bool can_happen(const struct ending *ending, enum way way, bool reused)
{
    bool tls = way == OWN_TLS || way == LIBCURL_TLS,
         old = curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
    if (tls ? ending->tcp_only : ending->tls_only)
        return false;
    if (way == LIBCURL_TLS && !http_client_can_http2())
        return false;
    return way < LIBCURL_TCP || !old || !(reused || ending->idle);
}

static void connections_that_end_keep_the_promises_of_the_document(void **state)
{
    (void)state;
    struct row rows[ROWS_MAX];
    size_t count = read_table(TITLE, rows);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        struct row *row = row_of(rows, count, ENDINGS[i].row);
        row->endings++;
        for (enum way way = 0; way < WAYS; way++)
            for (int reused = 0; reused <= 1; reused++)
                if (can_happen(&ENDINGS[i], way, reused))
                    (ENDINGS[i].idle ? try_idle_ending : try_ending)(&ENDINGS[i], row->cells[1 + reused], way,
                                                                     reused);
    }
    assert_all_tried(rows, count);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_that_end_keep_the_promises_of_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
