/* URLs, and the redirects that are followed from one. Input: a URL, a line feed, a Location. */
#include "fuzz.h"
#include "http/client_internal.h"
#include "http/url.h"

/** What is logged is the same with and without user info, which so cannot show in it. */
static void check_redacted(struct slice url, const struct url_parts *parts)
{
    EXPECT(strncmp(parts->redacted, "http://", 7) == 0 || strncmp(parts->redacted, "https://", 8) == 0);
    EXPECT(strncmp(parts->destination, "http://", 7) == 0 || strncmp(parts->destination, "https://", 8) == 0);
    struct slice user = url_user_info(url);
    struct buffer bare = {0};
    struct url_parts again;
    if (!slice_is_null(user)) {
        buffer_append(&bare, url.ptr, (size_t)(user.ptr - url.ptr));
        buffer_append(&bare, user.ptr + user.len + 1, (size_t)(url.ptr + url.len - user.ptr) - user.len - 1);
        EXPECT(url_parse(buffer_slice(&bare), &again, NULL) == 0);
        EXPECT(strcmp(again.redacted, parts->redacted) == 0);
        url_parts_clear(&again);
        buffer_clear(&bare);
    }
    if (strlen(parts->redacted) > URL_MAX)
        return;
    EXPECT(url_parse(slice_of(parts->redacted), &again, NULL) == 0);
    EXPECT(strcmp(again.destination, parts->destination) == 0);
    url_parts_clear(&again);
}

/** What is sent is what HTTP has a place for, and reads as itself, whichever way it is read. */
static void check_sent(const struct url_parts *parts)
{
    struct url_parts again;
    const char *target = url_target(parts->url);
    EXPECT(*target == '/' && !strchr(parts->url, '#'));
    EXPECT(strspn(target,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%[]") ==
           strlen(target));
    for (const char *c = target; *c; c++)
        EXPECT(*c != '%' || slice_hexadecimal(slice_of(c + 1), 2) >= 0);
    for (const char *c = parts->url; *c; c++)
        EXPECT(*c > ' ' && *c < 0x7f);
    struct slice user = url_user_info(slice_of(parts->url));
    EXPECT(slice_is_null(user) || !memchr(user.ptr, '@', user.len));
    if (strlen(parts->url) > URL_MAX)
        return;
    EXPECT(url_parse(slice_of(parts->url), &again, NULL) == 0);
    EXPECT(strcmp(again.url, parts->url) == 0 && strcmp(again.destination, parts->destination) == 0);
    EXPECT(strcmp(again.redacted, parts->redacted) == 0);
    url_parts_clear(&again);
}

static bool drops(void *ctx, struct http_call *call)
{
    (void)ctx;
    (void)call;
    return true;
}

static void check_redirect(struct slice location, const struct url_parts *parts, int status)
{
    char *next = NULL, reason[HTTP_REASON_SIZE] = "", method[] = "POST";
    struct http_call call = {.url = parts->url, .method = method, .without_body = drops};
    bool elsewhere;
    if (redirect_allowed(&call, status, location, &next, &elsewhere, reason, sizeof reason)) {
        struct url_parts target;
        EXPECT(!elsewhere);
        if (strlen(next) <= URL_MAX) {
            EXPECT(url_parse(slice_of(next), &target, NULL) == 0);
            EXPECT(strcmp(target.url, next) == 0);
            bool from_https = strncmp(parts->destination, "https:", 6) == 0;
            bool to_https = strncmp(target.destination, "https:", 6) == 0;
            EXPECT(to_https || !from_https);
            const char *host = strstr(parts->destination, "://") + 3,
                       *other = strstr(target.destination, "://") + 3;
            const char *port = strrchr(host, ':'), *other_port = strrchr(other, ':');
            EXPECT(strcmp(port, other_port) == 0 ||
                   (to_https && !from_https && strcmp(other_port, ":443") == 0));
            size_t len = (size_t)(port - host), other_len = (size_t)(other_port - other);
            len -= len > 1 && host[len - 1] == '.'; /* a final dot is of no weight */
            other_len -= other_len > 1 && other[other_len - 1] == '.';
            EXPECT(len == other_len && strncmp(host, other, len) == 0);
            url_parts_clear(&target);
        }
    } else {
        EXPECT(strncmp(reason, "redirect ", 9) == 0 && strstr(reason, " not followed: ") && !next);
    }
    free(next);
}

/** Where all are followed it is never back to http, and only a target on the same origin is not elsewhere. */
static void check_followed(struct slice location, const struct url_parts *parts)
{
    char *next = NULL, reason[HTTP_REASON_SIZE] = "", method[] = "POST";
    struct http_call call = {
        .url = parts->url, .method = method, .without_body = drops, .follows = HTTP_REDIRECTS_ALL};
    struct http_call strict = {.url = parts->url, .method = method, .without_body = drops};
    bool elsewhere, same;
    if (redirect_allowed(&call, 307, location, &next, &elsewhere, reason, sizeof reason)) {
        EXPECT(strncmp(next, "https:", 6) == 0 || strncmp(parts->url, "https:", 6) != 0);
        free(next);
        EXPECT(redirect_allowed(&strict, 307, location, &next, &same, reason, sizeof reason) == !elsewhere);
    }
    free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = fuzz_input(data, size), url = fuzz_until(&rest, '\n');
    struct url_parts parts;
    struct error err = {0};
    if (url_parse(url, &parts, &err) != 0) {
        EXPECT(err.message[0] != '\0' && !parts.destination && !parts.redacted);
        return 0;
    }
    check_redacted(url, &parts);
    check_sent(&parts);
    rest = slice_strip(rest);
    if (rest.len > 0) {
        check_redirect(rest, &parts, 303);
        check_redirect(rest, &parts, 308);
        check_followed(rest, &parts);
    }
    url_parts_clear(&parts);
    return 0;
}
