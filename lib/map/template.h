/* JSON whose strings are jq expressions: what `body`, `headers` and `query` of a mapping may be. Private to
 * the map room. */
#pragma once
#include "map/expression.h"

struct json_template;

/** Compiles `json` (taken over). Every expression that does not compile adds a line to `problems`, which
 * begins with `where` ("mapping 2, body") and the way to it (".a[0]"). NULL when there was one. */
PA_MUST_USE struct json_template *template_compile(struct expressions *expressions, jv json,
                                                   const char *where, struct buffer *problems);
void template_free(struct json_template *template);
/** True when the template is one expression, and writes it to `out`. */
PA_MUST_USE bool template_is_expression(const struct json_template *template, struct slice *out);

/** Hears of each expression's result: `path` as in the messages of template_compile, `problem` empty or why
 * the result is null. */
typedef void template_heard(void *ctx, const char *path, struct slice expression, jv result,
                            struct slice problem);
/** The value for `input` (borrowed). */
jv template_evaluate(const struct json_template *template, jv input, const char *where, template_heard *heard,
                     void *ctx);
