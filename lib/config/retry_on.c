/* Reads WEBHOOK_RETRY_ON: status codes, classes of them, and words, with commas or blanks between. */
#include "config/retry_on.h"
#include <stdio.h>
#include <string.h>

static const char BLANKS[] = " \t\r\n";

static void add_status(struct retry_on *on, unsigned status)
{
    unsigned bit = status - RETRY_STATUS_MIN;
    on->statuses[bit / 64] |= UINT64_C(1) << bit % 64;
}

/** "503", "5xx" or "4XX" */
static bool add_statuses(struct retry_on *on, struct slice word)
{
    if (word.len != 3 || word.ptr[0] < '3' || word.ptr[0] > '5')
        return false;
    unsigned hundreds = (unsigned)(word.ptr[0] - '0') * 100;
    struct slice rest = {word.ptr + 1, 2};
    if (slice_equal_text_ignore_case(rest, "xx")) {
        for (unsigned status = hundreds; status < hundreds + 100; status++)
            add_status(on, status);
        return true;
    }
    if (!char_is_digit(rest.ptr[0]) || !char_is_digit(rest.ptr[1]))
        return false;
    add_status(on, hundreds + (unsigned)(rest.ptr[0] - '0') * 10 + (unsigned)(rest.ptr[1] - '0'));
    return true;
}

static bool add_word(struct retry_on *on, struct slice word)
{
    if (slice_equal_text_ignore_case(word, "none"))
        on->nothing = true;
    else if (slice_equal_text_ignore_case(word, "timeout"))
        on->timeout = true;
    else if (slice_equal_text_ignore_case(word, "reset"))
        on->reset = true;
    else
        return add_statuses(on, word);
    return true;
}

static bool add_words(struct retry_on *on, struct slice element, size_t *words, struct slice *wrong)
{
    while (element.len > 0) {
        size_t len = 0;
        while (len < element.len && !strchr(BLANKS, element.ptr[len]))
            len++;
        *wrong = (struct slice){element.ptr, len};
        if (!add_word(on, *wrong) || (on->nothing && *words > 0))
            return false;
        ++*words;
        element = slice_trim((struct slice){element.ptr + len, element.len - len});
    }
    return true;
}

bool retry_on_parse(struct slice text, struct retry_on *out, struct slice *wrong)
{
    size_t words = 0;
    *out = (struct retry_on){0};
    if (slice_trim(text).len == 0)
        return true;
    for (struct slice rest = text;;) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        struct slice element = slice_trim((struct slice){rest.ptr, len});
        *wrong = element;
        if (element.len == 0 || !add_words(out, element, &words, wrong))
            return false;
        if (!comma)
            return true;
        rest = (struct slice){comma + 1, rest.len - len - 1};
    }
}

bool retry_on_status(const struct retry_on *on, int status)
{
    if (status < RETRY_STATUS_MIN || status > RETRY_STATUS_MAX)
        return false;
    unsigned bit = (unsigned)(status - RETRY_STATUS_MIN);
    return on->statuses[bit / 64] >> bit % 64 & 1;
}

static void append_word(struct buffer *out, size_t start, const char *word)
{
    if (out->len > start)
        buffer_append_char(out, ',');
    buffer_append_text(out, word);
}

static void append_class(const struct retry_on *on, int hundreds, size_t start, struct buffer *out)
{
    char word[16];
    int count = 0;
    for (int status = hundreds; status < hundreds + 100; status++)
        count += retry_on_status(on, status);
    if (count == 100) {
        snprintf(word, sizeof word, "%dxx", hundreds / 100);
        append_word(out, start, word);
        return;
    }
    for (int status = hundreds; status < hundreds + 100; status++)
        if (retry_on_status(on, status)) {
            snprintf(word, sizeof word, "%d", status);
            append_word(out, start, word);
        }
}

void retry_on_append(const struct retry_on *on, struct buffer *out)
{
    size_t start = out->len;
    if (on->nothing)
        append_word(out, start, "none");
    for (int hundreds = RETRY_STATUS_MIN; hundreds < RETRY_STATUS_MAX; hundreds += 100)
        append_class(on, hundreds, start, out);
    if (on->timeout)
        append_word(out, start, "timeout");
    if (on->reset)
        append_word(out, start, "reset");
}
