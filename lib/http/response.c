/* See response.h. A response is read line by line until its head has ended. Lines may end in LF alone (RFC
 * 9112, section 2.2).
 *
 *   STATUS -> FIELDS -> (interim: STATUS) -> NOTHING | LENGTH | SIZE | UNTIL_CLOSE
 *   SIZE -> EXTENSION -> DATA -> DATA_END -> SIZE, and after the last chunk: TRAILERS -> NOTHING */
#include "http/response.h"
#include <string.h>

enum step { STATUS, FIELDS, NOTHING, LENGTH, UNTIL_CLOSE, SIZE, EXTENSION, DATA, DATA_END, TRAILERS, BROKEN };
/** A chunk's size has at most so many hexadecimal digits, zeros before it not counted. */
enum { SIZE_DIGITS = 15 };

static enum response_event broken(struct response *response, const char *why)
{
    response->own.step = BROKEN;
    response->why = why;
    return RESPONSE_BROKEN;
}

void response_begin(struct response *response, bool to_head)
{
    struct buffer head = response->head, line = response->own.line;
    head.len = line.len = 0;
    head.failed = line.failed = false;
    *response = (struct response){.head = head, .length = -1};
    response->own.line = line;
    response->own.bodiless = to_head;
}

/* Lines */

/** Counts bytes that bring nothing forward; false: there are too many. */
static bool count_overhead(struct response *response, size_t len)
{
    response->own.counted += len;
    return response->own.counted <= RESPONSE_HEAD_MAX;
}

static struct slice without_end(struct slice line)
{
    line.len--; /* LF */
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/** The next whole line, without its end. RESPONSE_HEAD: here it is; it is good until the next call. */
static enum response_event next_line(struct response *response, struct slice *in, struct slice *line)
{
    struct buffer *begun = &response->own.line;
    const char *end = memchr(in->ptr, '\n', in->len);
    size_t len = end ? (size_t)(end - in->ptr) + 1 : in->len;
    if (!count_overhead(response, len))
        return broken(response, "more than 64 KiB of headers");
    *line = (struct slice){in->ptr, len};
    if (begun->len > 0 || !end)
        buffer_append(begun, in->ptr, len);
    *in = (struct slice){in->ptr + len, in->len - len};
    if (begun->failed)
        return broken(response, "out of memory");
    if (!end)
        return RESPONSE_MORE;
    if (begun->len > 0)
        *line = buffer_slice(begun);
    begun->len = 0;
    response->progress += line->len;
    *line = without_end(*line);
    return RESPONSE_HEAD;
}

/* The status line (RFC 9112, section 4) */

static const char VERSION_FORM[] = "HTTP/1.d";
enum { VERSION_LENGTH = sizeof VERSION_FORM - 1 };

/** How much of the line is a version of HTTP/1. */
static size_t version_length(struct slice line)
{
    size_t at = 0;
    while (at < VERSION_LENGTH && at < line.len &&
           (VERSION_FORM[at] == 'd' ? char_is_digit(line.ptr[at]) : line.ptr[at] == VERSION_FORM[at]))
        at++;
    return at;
}

static enum response_event no_http(struct response *response, struct slice line)
{
    /* An alert's record (RFC 8446, section 5.1). */
    bool tls = line.len >= 2 && line.ptr[0] == '\x15' && line.ptr[1] == '\x03';
    return broken(response, tls ? "it is TLS, where the URL says http" : "it does not begin with HTTP/1");
}

/** A first line that has begun, and may not end. */
static enum response_event read_status_beginning(struct response *response)
{
    struct slice line = buffer_slice(&response->own.line);
    size_t version = version_length(line);
    return version < VERSION_LENGTH && version < line.len ? no_http(response, line) : RESPONSE_MORE;
}

static enum response_event read_status(struct response *response, struct slice line)
{
    size_t at = version_length(line);
    if (at < VERSION_LENGTH)
        return no_http(response, line);
    response->version = line.ptr[at - 1] == '0' ? 10 : 11;
    size_t blanks = at;
    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
        at++;
    int status = 0;
    size_t digits = at;
    while (at < line.len && char_is_digit(line.ptr[at]) && at - digits < 4)
        status = status * 10 + (line.ptr[at++] - '0');
    bool ended = at == line.len || line.ptr[at] == ' ' || line.ptr[at] == '\t';
    if (blanks == digits || at - digits != 3 || !ended || status < 100)
        return broken(response, "its first line has no status");
    if (status == 101) /* RFC 9110, section 7.8 */
        return broken(response, "it switches to a protocol that nobody asked for");
    response->own.status = status;
    response->own.step = FIELDS;
    return RESPONSE_MORE;
}

/* Headers (RFC 9112, section 5) */

bool response_next_line(struct slice *lines, struct slice *line)
{
    const char *end = lines->len > 0 ? memchr(lines->ptr, '\n', lines->len) : NULL;
    if (!end)
        return false;
    *line = (struct slice){lines->ptr, (size_t)(end - lines->ptr) + 1};
    *lines = (struct slice){lines->ptr + line->len, lines->len - line->len};
    return true;
}

static bool has_name(struct slice line, struct slice name)
{
    return line.len > name.len && line.ptr[name.len] == ':' &&
           slice_equal_ignore_case((struct slice){line.ptr, name.len}, name);
}

struct slice header_among(struct slice lines, const char *text, size_t index)
{
    struct slice name = slice_of(text), line;
    while (response_next_line(&lines, &line))
        if (has_name(line, name) && index-- == 0)
            return slice_trim((struct slice){line.ptr + name.len + 1, line.len - name.len - 1});
    return (struct slice){NULL, 0};
}

struct slice response_header(const struct response *response, const char *name, size_t index)
{
    struct slice lines = response->status ? buffer_slice(&response->head) : (struct slice){NULL, 0};
    return header_among(lines, name, index);
}

/** A CR within a line counts as a blank (RFC 9112, section 2.2). */
static void append_value(struct buffer *head, struct slice value)
{
    size_t from = head->len;
    value = slice_trim(value);
    buffer_append_slice(head, value);
    if (value.len > 0 && memchr(value.ptr, '\r', value.len) && !head->failed)
        for (; from < head->len; from++)
            if (head->ptr[from] == '\r')
                head->ptr[from] = ' ';
    buffer_append(head, "\r\n", 2);
}

/** A line that goes on with the one before (section 5.2); before the first it is passed over (section 2.2).
 */
static void continue_line(struct response *response, struct slice line)
{
    struct buffer *head = &response->head;
    struct slice more = slice_trim(line);
    if (head->len == 0 || more.len == 0)
        return;
    head->len -= 2;
    if (head->ptr[head->len - 1] != ' ') {
        buffer_append_char(head, '\r');
        response->folded = true;
    }
    append_value(head, more);
}

void response_unfold(struct response *response)
{
    struct buffer *head = &response->head;
    for (size_t i = 0; response->folded && i + 1 < head->len; i++)
        if (head->ptr[i] == '\r' && head->ptr[i + 1] != '\n')
            head->ptr[i] = ' ';
    response->folded = false;
}

/** Does it have a say in where the body ends? */
static bool frames(struct slice name)
{
    return slice_equal_text_ignore_case(name, "Content-Length") ||
           slice_equal_text_ignore_case(name, "Transfer-Encoding");
}

static enum response_event read_header(struct response *response, struct slice line)
{
    struct buffer *head = &response->head;
    if (memchr(line.ptr, '\0', line.len))
        return broken(response, "a header has a NUL");
    if (*line.ptr == '\r') /* the end of the head to some, and a blank to others */
        return broken(response, "a header begins with CR");
    if (*line.ptr == ' ' || *line.ptr == '\t') {
        continue_line(response, line);
        return head->failed ? broken(response, "out of memory") : RESPONSE_MORE;
    }
    const char *colon = memchr(line.ptr, ':', line.len);
    struct slice name = slice_trim((struct slice){line.ptr, colon ? (size_t)(colon - line.ptr) : 0});
    if (name.len == 0)
        return broken(response, "a header has no name");
    if (name.ptr + name.len != colon && frames(name)) /* others may not know it then (section 5.1) */
        return broken(response, "a blank stands before the colon of a header that says where its body ends");
    buffer_append_slice(head, name);
    buffer_append(head, ": ", 2);
    append_value(head, (struct slice){colon + 1, line.len - (size_t)(colon + 1 - line.ptr)});
    return head->failed ? broken(response, "out of memory") : RESPONSE_MORE;
}

/* Where the body ends (RFC 9112, section 6.3) */

/** Takes the next element off a list; false: there is none. Empty ones are passed over. */
static bool next_element(struct slice *list, struct slice *element)
{
    while (list->len > 0) {
        const char *comma = memchr(list->ptr, ',', list->len);
        size_t len = comma ? (size_t)(comma - list->ptr) : list->len, used = len + (comma ? 1 : 0);
        *element = slice_trim((struct slice){list->ptr, len});
        *list = (struct slice){list->ptr + used, list->len - used};
        if (element->len > 0)
            return true;
    }
    return false;
}

static bool read_length(struct slice text, int64_t *length)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (!char_is_digit(text.ptr[i]) || value > (INT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *length = value;
    return text.len > 0;
}

/** One length, however often it is said. */
static bool read_lengths(struct response *response, struct slice value)
{
    struct slice element;
    bool any = false;
    while (next_element(&value, &element)) {
        int64_t length = 0;
        if (!read_length(element, &length) || (response->length >= 0 && response->length != length))
            return false;
        response->length = length;
        any = true;
    }
    return any;
}

struct framing {
    /** The last coding is chunked. */
    bool chunked;
    bool chunked_before;
    bool closes, keeps;
};

/** "identity" is no coding (RFC 7230's predecessors had it): then the other headers say how long the body is.
 */
static bool read_transfer_coding(struct response *response, struct framing *framing, struct slice value)
{
    struct slice element;
    while (next_element(&value, &element)) {
        if (slice_equal_text_ignore_case(element, "identity"))
            continue;
        framing->chunked = slice_equal_text_ignore_case(element, "chunked");
        if (framing->chunked && framing->chunked_before)
            return false;
        response->strange_coding |= !framing->chunked || framing->chunked_before;
        framing->chunked_before |= framing->chunked;
    }
    return true;
}

static void read_connection(struct framing *framing, struct slice value)
{
    struct slice element;
    while (next_element(&value, &element)) {
        framing->closes |= slice_equal_text_ignore_case(element, "close");
        framing->keeps |= slice_equal_text_ignore_case(element, "keep-alive");
    }
}

/** False: the line leaves it open where the body ends. */
static bool read_framing_line(struct response *response, struct framing *framing, struct slice line)
{
    static const struct slice length = SLICE_LITERAL("Content-Length"),
                              coding = SLICE_LITERAL("Transfer-Encoding"),
                              connection = SLICE_LITERAL("Connection");
    char first = (char)(*line.ptr | 0x20);
    if (first != 'c' && first != 't')
        return true;
    const char *colon = memchr(line.ptr, ':', line.len);
    struct slice value = {colon + 1, line.len - (size_t)(colon + 1 - line.ptr)};
    if (has_name(line, length))
        return read_lengths(response, slice_trim(value));
    if (has_name(line, coding))
        return read_transfer_coding(response, framing, slice_trim(value));
    if (has_name(line, connection))
        read_connection(framing, slice_trim(value));
    return true;
}

/** The empty line that ends a head has come. */
static enum response_event end_head(struct response *response)
{
    struct slice lines = buffer_slice(&response->head), line;
    struct framing framing = {0};
    int status = response->own.status;
    bool interim = status < 200;
    bool bodiless = response->own.bodiless || status == 204 || status == 304;
    while (!interim && response_next_line(&lines, &line))
        if (!read_framing_line(response, &framing, line))
            return broken(response, "its headers do not agree on where its body ends");
    if (interim) { /* another one follows (RFC 9110, section 15.2) */
        response->head.len = 0;
        response->folded = false;
        response->own.step = STATUS;
        return RESPONSE_MORE;
    }
    response->status = status;
    bool coded = framing.chunked || response->strange_coding;
    response->keeps_alive = !framing.closes && (response->version > 10 || framing.keeps) &&
                            !(coded && (response->length >= 0 || response->version == 10));
    if (coded)
        response->length = -1;
    if (bodiless) {
        response->own.step = NOTHING;
        response->strange_coding = false;
    } else if (framing.chunked) {
        response->own.step = SIZE;
    } else if (response->length >= 0) {
        response->own.left = (uint64_t)response->length;
        response->own.step = response->length > 0 ? LENGTH : NOTHING;
    } else {
        response->own.step = UNTIL_CLOSE;
        response->until_close = true;
        response->keeps_alive = false;
    }
    return RESPONSE_HEAD;
}

static enum response_event read_line(struct response *response, struct slice *in)
{
    struct slice line;
    enum response_event event = next_line(response, in, &line);
    if (event == RESPONSE_MORE && response->own.step == STATUS)
        return read_status_beginning(response);
    if (event != RESPONSE_HEAD)
        return event;
    if (response->own.step == STATUS)
        return read_status(response, line);
    if (response->own.step == TRAILERS) {
        response->own.step = line.len > 0 ? TRAILERS : NOTHING;
        return RESPONSE_MORE;
    }
    return line.len > 0 ? read_header(response, line) : end_head(response);
}

/* Chunks (RFC 9112, section 7.1) */

static void begin_size(struct response *response)
{
    response->own.step = SIZE;
    response->own.left = 0;
    response->own.digits = 0;
}

static enum response_event read_size(struct response *response, struct slice *in)
{
    while (in->len > 0) {
        int32_t digit = slice_hexadecimal(*in, 1);
        if (digit < 0)
            break;
        response->own.left = response->own.left << 4 | (uint64_t)digit;
        response->own.digits++;
        *in = (struct slice){in->ptr + 1, in->len - 1};
        if (response->own.left >> (4 * SIZE_DIGITS))
            return broken(response, "a chunk is longer than all numbers");
        if (response->own.digits > SIZE_DIGITS && !count_overhead(response, 1))
            return broken(response, "more than 64 KiB of headers");
    }
    if (in->len == 0)
        return RESPONSE_MORE;
    char next = *in->ptr;
    if (response->own.digits == 0 ||
        (next != ';' && next != ' ' && next != '\t' && next != '\r' && next != '\n'))
        return broken(response, "a chunk has no size");
    response->own.step = EXTENSION;
    return RESPONSE_MORE;
}

/** What follows the size in its line (section 7.1.1) has no meaning here; a CR within it has none at all. */
static enum response_event read_extension(struct response *response, struct slice *in)
{
    struct slice line;
    uint64_t before = response->progress;
    enum response_event event = next_line(response, in, &line);
    if (event != RESPONSE_HEAD)
        return event;
    struct slice extension = slice_trim(line);
    if ((extension.len > 0 && *extension.ptr != ';') || (line.len > 0 && memchr(line.ptr, '\r', line.len)))
        return broken(response, "a chunk's size does not end with its line");
    if (line.len == 0)
        response->own.counted -=
            (size_t)(response->progress - before); /* so that chunks without extensions are not bounded */
    response->own.step = response->own.left > 0 ? DATA : TRAILERS;
    return RESPONSE_MORE;
}

static enum response_event read_data_end(struct response *response, struct slice *in)
{
    bool after_cr = response->own.digits > 0; /* once the size is known they count the CR */
    if (!after_cr && *in->ptr == '\r')
        response->own.digits = 1;
    else if (*in->ptr == '\n')
        begin_size(response);
    else
        return broken(response, "a chunk is longer than its size");
    *in = (struct slice){in->ptr + 1, in->len - 1};
    return RESPONSE_MORE;
}

/* Bodies */

static enum response_event read_body(const struct response *response, struct slice in, struct slice *body)
{
    *body = in;
    if (response->own.step != UNTIL_CLOSE && body->len > response->own.left)
        body->len = (size_t)response->own.left;
    return RESPONSE_BODY;
}

void response_take(struct response *response, struct slice *in, size_t len)
{
    *in = (struct slice){in->ptr + len, in->len - len};
    response->progress += len;
    if (response->own.step == UNTIL_CLOSE)
        return;
    response->own.left -= len;
    if (response->own.left > 0)
        return;
    response->own.digits = 0;
    response->own.step = response->own.step == DATA ? DATA_END : NOTHING;
}

enum response_event response_read(struct response *response, struct slice *in, struct slice *body)
{
    enum response_event event = RESPONSE_MORE;
    while (event == RESPONSE_MORE) {
        if (response->own.step == NOTHING)
            return RESPONSE_END;
        if (response->own.step == BROKEN)
            return RESPONSE_BROKEN;
        if (in->len == 0)
            return RESPONSE_MORE;
        switch ((enum step)response->own.step) {
        case SIZE:
            event = read_size(response, in);
            break;
        case EXTENSION:
            event = read_extension(response, in);
            break;
        case DATA_END:
            event = read_data_end(response, in);
            break;
        case LENGTH:
        case DATA:
        case UNTIL_CLOSE:
            return read_body(response, *in, body);
        default:
            event = read_line(response, in);
        }
    }
    return event;
}

bool response_in_chunks(const struct response *response)
{
    return response->own.step >= SIZE && response->own.step <= TRAILERS;
}

bool response_ends_here(const struct response *response)
{
    return response->own.step == UNTIL_CLOSE || response->own.step == NOTHING;
}
