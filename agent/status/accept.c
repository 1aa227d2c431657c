/* See accept.h. */
#include "accept.h"
#include "base/cut.h"

/** "0.25" is 250; what is no such number counts in full (RFC 9110, 12.4.2). */
static int thousandths(struct slice text)
{
    int value = 0, unit = 1000;
    for (size_t i = 0; i < text.len && i < 5; i++) {
        if (i == 1 && text.ptr[i] == '.')
            continue;
        if (!char_is_digit(text.ptr[i]))
            return 1000;
        value += (text.ptr[i] - '0') * unit;
        unit /= 10;
    }
    return text.len > 0 && value < 1000 ? value : 1000;
}

int accept_weight(const char *accept, const char *type)
{
    struct slice ranges = slice_of(accept);
    int most = 0;
    while (ranges.len > 0) {
        struct slice range = slice_cut(&ranges, ',');
        int weight = slice_equal_text_ignore_case(slice_trim(slice_cut(&range, ';')), type) ? 1000 : 0;
        while (weight > 0 && range.len > 0) {
            struct slice parameter = slice_trim(slice_cut(&range, ';'));
            if (parameter.len >= 2 && (*parameter.ptr | 0x20) == 'q' && parameter.ptr[1] == '=')
                weight = thousandths((struct slice){parameter.ptr + 2, parameter.len - 2});
        }
        most = weight > most ? weight : most;
    }
    return most;
}
