/* Walks to one value of canonical JSON and writes another there: what jq would write anew (1.0 as 1, long
 * numbers without their last digits) stays as it is. */
#include "map/splice.h"
#include "json/members.h"
#include <stdlib.h>
#include <string.h>

static const struct slice nowhere = {NULL, 0};

static struct slice element_at(struct slice array, int index)
{
    struct members walk = members_of(array);
    struct slice name, value;
    while (walk.close == ']' && members_next(&walk, &name, &value))
        if (index-- == 0)
            return value;
    return nowhere;
}

/** Takes the name over. */
static struct slice member_called(struct slice object, jv name)
{
    struct buffer written = {0};
    struct slice found = nowhere;
    const struct slice text = {jv_string_value(name), (size_t)jv_string_length_bytes(jv_copy(name))};
    buffer_append_json_string(&written, text);
    if (!written.failed) {
        written.ptr[written.len - 1] = '\0'; /* its last quote */
        found = members_find(object, written.ptr + 1);
    }
    buffer_clear(&written);
    jv_free(name);
    return found;
}

static struct slice value_at(struct slice value, jv path)
{
    int count = jv_array_length(jv_copy(path));
    for (int i = 0; i < count && !slice_is_null(value); i++) {
        jv step = jv_array_get(jv_copy(path), i);
        if (jv_get_kind(step) == JV_KIND_STRING) {
            value = member_called(value, step);
        } else {
            value = element_at(value, (int)jv_number_value(step));
            jv_free(step);
        }
    }
    return value;
}

bool splice_text(struct buffer *json, jv path, struct slice text)
{
    struct slice old = value_at(buffer_slice(json), path);
    struct buffer spliced = {0};
    if (slice_is_null(old))
        return false;
    size_t before = (size_t)(old.ptr - json->ptr), after = before + old.len;
    buffer_append(&spliced, json->ptr, before);
    buffer_append_json_string(&spliced, text);
    buffer_append(&spliced, json->ptr + after, json->len - after);
    spliced.failed |= json->failed;
    buffer_wipe(json);
    *json = spliced;
    return true;
}
