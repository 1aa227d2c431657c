/* See json_tree.h. */
#include "base/json_tree.h"

cJSON *json_tree(struct slice text, struct error *err)
{
    const char *begin = text.ptr ? text.ptr : "", *end = begin;
    cJSON *tree = cJSON_ParseWithLengthOpts(begin, text.len, &end, false);
    struct slice rest = slice_trim((struct slice){end, (size_t)(begin + text.len - end)});
    if (tree && rest.len == 0)
        return tree;
    if (tree)
        error_set(err, PA_ERR_INVALID, "has something behind the end of its JSON, at byte %zu",
                  (size_t)(rest.ptr - begin) + 1);
    else
        error_set(err, PA_ERR_INVALID, "is not JSON, at byte %zu", (size_t)(end - begin) + 1);
    cJSON_Delete(tree);
    return NULL;
}
