/* Explanations, for people and for programs. */
#pragma once
#include "explain.h"

/** One JSON object on one line:
 * {"mapping","why","mappings":[{"mapping","enabled","result","applies"}],"expressions":[{"where","expression",
 * "result","problem"}],"request":{"method","url","headers","body"},"failure","warnings","notes","report"}. */
void map_show_json(const struct explanation *explanation, struct buffer *out);
/** `report_asked`: there was an answer to report on. */
void map_show_text(const struct explanation *explanation, bool report_asked, struct buffer *out);

/** Why the mapping was chosen, in a sentence. */
void map_show_why(const struct explanation *explanation, struct buffer *out);
/** The expression of mapping `number`'s enabled; NULL: it has none (it is plainly true or false). */
const struct explained_expression *map_show_enabled(const struct explanation *explanation, size_t number);
/** A header's value as it is shown. */
void map_show_header_value(const struct explanation *explanation, const struct explained_header *header,
                           struct buffer *out);
/** The URL as it is shown: without a password. */
void map_show_url(const struct explanation *explanation, struct buffer *out);
/** The result of an expression as it is shown. */
void map_show_result(const struct explanation *explanation, const struct explained_expression *expression,
                     struct buffer *out);
