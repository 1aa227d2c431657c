/* See terminal.h. */
#include "terminal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_MIN = 40, WIDTH_MAX = 1000 };

bool terminal_has_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) == 1 && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

size_t terminal_width(int fd, size_t otherwise)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    size_t width = columns ? strtoul(columns, NULL, 10) : 0;
    if (width == 0 && isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width == 0)
        return otherwise;
    return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

void terminal_append(struct buffer *out, struct slice text, bool lines)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_sequence(text.ptr + i, text.len - i);
        unsigned char first = (unsigned char)text.ptr[i];
        unsigned char second = len == 2 ? (unsigned char)text.ptr[i + 1] : 0;
        bool breaks = lines && (first == '\n' || first == '\t');
        bool control = first < 0x20 || first == 0x7f || (first == 0xc2 && second < 0xa0);
        if (len == 0 || (control && !breaks))
            buffer_append_char(out, '?');
        else
            buffer_append(out, text.ptr + i, len);
        i += len ? len : 1;
    }
}
