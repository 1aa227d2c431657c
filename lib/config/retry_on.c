#include "config/retry_on.h"

static void add_status(struct retry_on *on, unsigned status)
{
    unsigned bit = status - RETRY_STATUS_MIN;
    on->statuses[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** "503", "5xx" or "4XX" */
static bool add_statuses(struct retry_on *on, struct slice word)
{
    if (word.len != 3 || word.ptr[0] < '3' || word.ptr[0] > '5')
        return false;
    unsigned hundreds = (unsigned)(word.ptr[0] - '0') * 100;
    struct slice rest = {word.ptr + 1, 2};
    if (slice_equal_ignore_case(rest, "xx")) {
        for (unsigned status = hundreds; status < hundreds + 100; status++)
            add_status(on, status);
        return true;
    }
    if (!is_digit(rest.ptr[0]) || !is_digit(rest.ptr[1]))
        return false;
    add_status(on, hundreds + (unsigned)(rest.ptr[0] - '0') * 10 + (unsigned)(rest.ptr[1] - '0'));
    return true;
}

static bool add_word(struct retry_on *on, struct slice word)
{
    if (slice_equal_ignore_case(word, "none"))
        on->nothing = true;
    else if (slice_equal_ignore_case(word, "timeout"))
        on->timeout = true;
    else if (slice_equal_ignore_case(word, "reset"))
        on->reset = true;
    else
        return add_statuses(on, word);
    return true;
}

static bool separates(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool retry_on_parse(struct slice text, struct retry_on *out, struct slice *wrong)
{
    size_t words = 0;
    *out = (struct retry_on){0};
    for (size_t at = 0; at < text.len;) {
        size_t start = at;
        while (at < text.len && !separates(text.ptr[at]))
            at++;
        *wrong = (struct slice){text.ptr + start, at - start};
        if (at > start && !add_word(out, *wrong))
            return false;
        words += at > start;
        if (out->nothing && words > 1)
            return false;
        at += at == start;
    }
    return true;
}

bool retry_on_status(const struct retry_on *on, int status)
{
    if (status < RETRY_STATUS_MIN || status > RETRY_STATUS_MAX)
        return false;
    unsigned bit = (unsigned)(status - RETRY_STATUS_MIN);
    return on->statuses[bit / 64] >> bit % 64 & 1;
}
