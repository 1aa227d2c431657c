/* A response: a byte that says how long its pieces are and what was asked with (GET or HEAD), then what comes
 * before the connection ends. It means the same whatever the pieces; where libcurl takes it too, it means
 * what it means to libcurl. */
#include "fuzz.h"
#include "http/response.h"
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 16, INPUT_MAX = 1 << 15 };

struct meant {
    int status;
    /** The answer counts: it is whole, or the connection's end is its end. */
    bool taken;
    /** Without its end the connection says the same. */
    bool ended;
    struct buffer body;
};

static struct meant read_response(struct slice bytes, size_t piece, bool to_head, struct response *response)
{
    struct meant meant = {0};
    bool broken = false;
    response_begin(response, to_head);
    while (bytes.len > 0 && !meant.ended && !broken) {
        size_t len = bytes.len < piece ? bytes.len : piece;
        char *copy = malloc(len);
        struct slice in = {copy, len}, body;
        enum response_event event = RESPONSE_HEAD;
        memcpy(copy, bytes.ptr, len);
        bytes = (struct slice){bytes.ptr + len, bytes.len - len};
        while (event == RESPONSE_HEAD || event == RESPONSE_BODY) {
            event = response_read(response, &in, &body);
            EXPECT(in.len <= len);
            EXPECT(event != RESPONSE_HEAD || (response->status >= 200 && response->status <= 999));
            if (event == RESPONSE_BODY) {
                EXPECT(body.ptr == in.ptr && body.len > 0 && body.len <= in.len);
                buffer_append_slice(&meant.body, body);
                response_take(response, &in, body.len);
            }
        }
        meant.ended = event == RESPONSE_END;
        broken = event == RESPONSE_BROKEN;
        EXPECT(event != RESPONSE_MORE || in.len == 0);
        EXPECT(broken == (response->why != NULL));
        free(copy);
    }
    meant.status = response->status;
    meant.taken = meant.ended || (!broken && response_ends_here(response));
    EXPECT(response->head.len <= RESPONSE_HEAD_MAX + 4096);
    return meant;
}

/* The same to libcurl */

static int listener;

/** One listener for all; its address, as CURLOPT_CONNECT_TO takes it. */
static const char *listen_once(void)
{
    static char to[64];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    if (listener > 0)
        return to;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(bind(listener, (const struct sockaddr *)&address, length) == 0 && listen(listener, 16) == 0);
    EXPECT(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    snprintf(to, sizeof to, "::127.0.0.1:%d", ntohs(address.sin_port));
    return to;
}

/** The connection stands: all of the response is on it before the request is. */
static int answer(void *ctx, char *remote, char *local, int remote_port, int local_port)
{
    const struct slice *bytes = ctx;
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    int fd = accept(listener, NULL, NULL);
    EXPECT(fd >= 0 && send(fd, bytes->ptr, bytes->len, 0) == (ssize_t)bytes->len);
    shutdown(fd, SHUT_WR);
    dup2(fd, 100); /* open until the next one, so that no reset overtakes the response */
    close(fd);
    return CURL_PREREQFUNC_OK;
}

static size_t keep(char *bytes, size_t size, size_t count, void *ctx)
{
    buffer_append(ctx, bytes, size * count);
    return size * count;
}

static struct meant ask_libcurl(struct slice bytes, bool to_head)
{
    static CURL *easy;
    struct meant meant = {0};
    long status = 0;
    if (!easy)
        easy = curl_easy_init();
    char *to = strdup(listen_once());
    struct curl_slist connect_to = {to, NULL};
    curl_easy_setopt(easy, CURLOPT_URL, "http://127.0.0.1/");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOBODY, to_head ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, to_head ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_NOBODY, to_head ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, &connect_to);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, answer);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, &bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &meant.body);
    meant.taken = curl_easy_perform(easy) == CURLE_OK;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    meant.status = (int)status;
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, NULL);
    free(to);
    return meant;
}

/** Where the two are known to differ: within HTTP/1.0, with codings that nobody asked for, beside "identity"
 * (which libcurl 7.88 takes for a coding), and with lines that go on with the one before. */
static bool may_differ(const struct response *response, struct slice bytes)
{
    bool identity =
        response->length >= 0 && !slice_is_null(response_header(response, "Transfer-Encoding", 0));
    return identity || response->strange_coding || response->version == 10 ||
           memmem(bytes.ptr, bytes.len, "\n ", 2) || memmem(bytes.ptr, bytes.len, "\n\t", 2) ||
           memmem(bytes.ptr, bytes.len, "\r", 1) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct response at_once, in_pieces;
    struct slice bytes = fuzz_input(data, size);
    unsigned how = fuzz_byte(&bytes);
    bool to_head = how & 1;
    if (bytes.len == 0 || bytes.len > INPUT_MAX)
        return 0;
    struct meant ours = read_response(bytes, SIZE_MAX, to_head, &at_once);
    struct meant same = read_response(bytes, how / 2 % 16 + 1, to_head, &in_pieces);
    EXPECT(ours.status == same.status && ours.taken == same.taken && ours.ended == same.ended);
    EXPECT(slice_equal(buffer_slice(&ours.body), buffer_slice(&same.body)));
    EXPECT(at_once.keeps_alive == in_pieces.keeps_alive);
    EXPECT(slice_equal(buffer_slice(&at_once.head), buffer_slice(&in_pieces.head)));
    struct meant libcurls = {0};
    if (ours.taken && !may_differ(&at_once, bytes))
        libcurls = ask_libcurl(bytes, to_head);
    if (libcurls.taken) {
        EXPECT(ours.status == libcurls.status);
        EXPECT(slice_equal(buffer_slice(&ours.body), buffer_slice(&libcurls.body)));
    }
    buffer_clear(&ours.body);
    buffer_clear(&same.body);
    buffer_clear(&libcurls.body);
    return 0;
}
