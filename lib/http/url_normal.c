/* From a URL as somebody wrote it to the one that is sent: pure ASCII, without characters that HTTP does not
 * allow (RFC 3986, RFC 9112), so that every libcurl reads and asks for the same. */
#include "http/url.h"
#include <curl/curl.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** Besides letters and digits. Brackets belong to addresses, but have always been sent as they came, and
 * servers understand them. */
#define LEGAL_IN_USER "-._~!$&'()*+,;=:"
#define LEGAL_IN_PATH "-._~!$&'()*+,;=:@/[]"
#define LEGAL_IN_QUERY "-._~!$&'()*+,;=:@/[]?"

struct written {
    const char *scheme;
    /** Null: none. */
    struct slice user, host, port;
    /** The query with its question mark; null: none. */
    struct slice path, query;
};

static bool is_letter_or_digit(char c)
{
    return char_is_letter(c) || char_is_digit(c);
}

static void append_url_encoded(struct buffer *out, struct slice text, const char *legal)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; text.ptr && i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        struct slice rest = {text.ptr + i + 1, text.len - i - 1};
        if (is_letter_or_digit((char)c) || strchr(legal, c) ||
            (c == '%' && slice_hexadecimal(rest, 2) >= 0)) {
            buffer_append_char(out, (char)c);
        } else {
            const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            buffer_append(out, escape, sizeof escape);
        }
    }
}

/* Reading */

static size_t length_until(struct slice text, const char *ends)
{
    size_t len = 0;
    while (len < text.len && !strchr(ends, text.ptr[len]))
        len++;
    return len;
}

static struct slice behind(struct slice text, size_t len)
{
    return (struct slice){text.ptr + len, text.len - len};
}

static int read_scheme(struct slice *rest, struct written *out, struct error *err)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (rest->len >= len && strncasecmp(rest->ptr, schemes[i], len) == 0) {
            out->scheme = schemes[i];
            *rest = behind(*rest, len);
            return 0;
        }
    }
    return error_set(err, PA_ERR_INVALID, "the URL is not http:// or https://");
}

/** The last @ divides. An empty user info counts as none. */
static struct slice read_user(struct slice authority, struct written *out)
{
    const char *at = authority.len > 0 ? memrchr(authority.ptr, '@', authority.len) : NULL;
    if (!at)
        return authority;
    size_t len = (size_t)(at - authority.ptr);
    if (len > 1 || (len == 1 && *authority.ptr != ':'))
        out->user = (struct slice){authority.ptr, len};
    return behind(authority, len + 1);
}

static int read_host(struct slice text, struct written *out, struct error *err)
{
    const char *bracket = text.len > 0 && *text.ptr == '[' ? memchr(text.ptr, ']', text.len) : NULL;
    size_t len = bracket ? (size_t)(bracket - text.ptr) + 1 : length_until(text, ":");
    out->host = (struct slice){text.ptr, len};
    text = behind(text, len);
    if (out->host.len == 0)
        return error_set(err, PA_ERR_INVALID, "not a URL: there is no host name");
    for (size_t i = 0; i < out->host.len; i++)
        if ((unsigned char)out->host.ptr[i] <= ' ' || out->host.ptr[i] == 0x7f ||
            (bracket && (unsigned char)out->host.ptr[i] >= 0x80))
            return error_set(err, PA_ERR_INVALID,
                             "not a URL: a character in its host name has no place there");
    if (text.len > 0 && *text.ptr != ':')
        return error_set(err, PA_ERR_INVALID, "not a URL: something stands between the address and the port");
    if (text.len > 1)
        out->port = behind(text, 1);
    for (size_t i = 0; i < out->port.len; i++)
        if (out->port.ptr[i] < '0' || out->port.ptr[i] > '9')
            return error_set(err, PA_ERR_INVALID, "not a URL: its port is not a number");
    return 0;
}

/** The host's name ends at a backslash too, which the path then begins with. Where an @ follows, some would
 * take what is before it for the host, and others for a user: nobody may be sent there by mistake. */
static int read_authority(struct slice *rest, struct written *out, struct error *err)
{
    size_t len = length_until(*rest, "/?#"), name = length_until(*rest, "\\/?#");
    if (name < len && memchr(rest->ptr + name, '@', len - name))
        return error_set(
            err, PA_ERR_INVALID,
            "not a URL: there is a backslash before its last @ (in a user name it is written %%5C)");
    struct slice authority = {rest->ptr, name};
    *rest = behind(*rest, name);
    return read_host(read_user(authority, out), out, err);
}

static int read_written(struct slice url, struct written *out, struct error *err)
{
    *out = (struct written){0};
    int failed = read_scheme(&url, out, err);
    if (!failed)
        failed = read_authority(&url, out, err);
    if (failed)
        return failed;
    url.len = length_until(url, "#");
    out->path = (struct slice){url.ptr, length_until(url, "?")};
    if (out->path.len < url.len)
        out->query = behind(url, out->path.len);
    return 0;
}

/* Writing */

static bool needs_reading(struct slice host)
{
    for (size_t i = 0; i < host.len; i++)
        if ((unsigned char)host.ptr[i] >= 0x80 || host.ptr[i] == '%')
            return *host.ptr != '[';
    return false;
}

/** A character in a host's name that would end it, or that no name has. Some are only there once the name is
 * in the form that names are looked up in: U+FF0F is a slash then. */
static bool ends_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("/\\?#@:[]%", *c))
            return true;
    return *name == '\0';
}

/** A name with its escapes undone and in its xn-- form. By libidn2 itself: through libcurl (7.88) what is
 * wrong with a name looks like a lack of memory. Free it with free. */
static int read_host_name(struct slice host, char **out, struct error *err)
{
    int len = 0, code = IDN2_MALLOC;
    char *name = curl_easy_unescape(NULL, host.ptr, (int)host.len, &len);
    if (name && strlen(name) != (size_t)len)
        code = IDN2_DISALLOWED;
    else if (name)
        code = idn2_to_ascii_8z(name, out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    curl_free(name);
    if (code == IDN2_MALLOC)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (code != IDN2_OK)
        return error_set(err, PA_ERR_INVALID, "not a URL: its host name cannot be used: %s",
                         idn2_strerror(code));
    return ends_name(*out) ? error_set(err, PA_ERR_INVALID, "not a URL: its host name cannot be used") : 0;
}

static int append_host(struct buffer *out, struct slice host, struct error *err)
{
    char *name = NULL;
    int failed = needs_reading(host) ? read_host_name(host, &name, err) : 0;
    if (!failed && name)
        host = slice_of(name);
    for (size_t i = 0; i < host.len && !failed; i++) {
        bool capital = *host.ptr != '[' && host.ptr[i] >= 'A' && host.ptr[i] <= 'Z';
        buffer_append_char(out, capital ? (char)(host.ptr[i] - 'A' + 'a') : host.ptr[i]);
    }
    free(name);
    return failed;
}

static void drop_last_segment(struct buffer *out, size_t start)
{
    const char *slash =
        !out->failed && out->len > start ? memrchr(out->ptr + start, '/', out->len - start) : NULL;
    if (slash)
        out->len = (size_t)(slash - out->ptr);
}

/** RFC 3986, section 5.2.4: "." and ".." are gone, written as they are; "%2e" is somebody's own. */
static void append_path(struct buffer *out, struct slice path)
{
    size_t start = out->len;
    bool more = true;
    if (path.len > 0 && *path.ptr == '/')
        path = behind(path, 1);
    while (more) {
        struct slice segment = {path.ptr, length_until(path, "/")};
        bool one = slice_equal_text(segment, "."), two = slice_equal_text(segment, "..");
        more = segment.len < path.len;
        if (two)
            drop_last_segment(out, start);
        if (!one && !two) {
            buffer_append_char(out, '/');
            append_url_encoded(out, segment, LEGAL_IN_PATH);
        } else if (!more) {
            buffer_append_char(out, '/');
        }
        path = behind(path, segment.len + more);
    }
}

static int append_written(const struct written *url, struct buffer *out, struct error *err)
{
    buffer_append_text(out, url->scheme);
    if (!slice_is_null(url->user)) {
        append_url_encoded(out, url->user, LEGAL_IN_USER);
        buffer_append_char(out, '@');
    }
    int failed = append_host(out, url->host, err);
    if (failed)
        return failed;
    if (!slice_is_null(url->port)) {
        buffer_append_char(out, ':');
        buffer_append_slice(out, url->port);
    }
    append_path(out, url->path);
    if (!slice_is_null(url->query)) {
        buffer_append_char(out, '?');
        append_url_encoded(out, behind(url->query, 1), LEGAL_IN_QUERY);
    }
    return out->failed ? error_set(err, PA_ERR_MEMORY, "out of memory") : 0;
}

int url_normalise(struct slice url, struct buffer *out, struct error *err)
{
    struct written written;
    url = slice_strip(url);
    if (url.len == 0)
        return error_set(err, PA_ERR_INVALID, "there is no URL");
    if (url.len > URL_MAX)
        return error_set(err, PA_ERR_INVALID, "the URL is longer than %d bytes", URL_MAX);
    if (memchr(url.ptr, '\0', url.len)) /* what is behind it would be lost on many a server */
        return error_set(err, PA_ERR_INVALID, "the URL holds a NUL");
    int failed = read_written(url, &written, err);
    return failed ? failed : append_written(&written, out, err);
}

const char *url_target(const char *url)
{
    const char *authority = strstr(url, "://");
    return authority ? authority + 3 + strcspn(authority + 3, "/?#") : url + strlen(url);
}
