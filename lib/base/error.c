/* Writes the sentence of an error; cuts it where it is too long. */
#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *err, int kind, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->kind = kind;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return kind;
}
