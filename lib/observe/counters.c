/* See counters.h. */
#include "observe/counters.h"

enum { MORE_MAX = 16 };

#define COUNTER_ROW(name_, unit_, kind_, help_) {{#name_, sizeof #name_ - 1}, unit_, help_, COUNTER_##kind_},
const struct counter counters_table[] = {COUNTERS(COUNTER_ROW)};

uint64_t counters_value(const struct counters *counters, size_t index)
{
    return ((const uint64_t *)(const void *)counters)[index];
}

void counters_log_summary(const struct counters *counters, const struct log_field *more, size_t count)
{
    struct log_field fields[COUNTERS_COUNT + MORE_MAX];
    size_t own = 0;
    if (!log_enabled(LOG_INFO))
        return;
    for (; own < COUNTERS_COUNT; own++) {
        uint64_t value = counters_value(counters, own);
        fields[own] = F_INT("", value);
        fields[own].name = counters_table[own].name;
        if (value == COUNTER_NONE)
            fields[own] = F_NONE;
    }
    for (size_t i = 0; i < count && i < MORE_MAX; i++)
        fields[own++] = more[i];
    log_write(LOG_INFO, "summary", fields, own);
}
