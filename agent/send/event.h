/* An event as Port would write it: from a template or a file, with values of one's own, signed. Pure, except
 * for the random part of a template's run id. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "event/event.h"

/** Appends the template of this name ("sync"); false: there is none. */
PA_MUST_USE bool event_template(const char *name, struct buffer *out);
/** The name that was meant, perhaps; NULL: none is near. */
const char *event_template_near(const char *name);
/** "sync, async, change-log, gitlab or node-run". */
extern const char event_template_names[];

struct event_wishes {
    /** Where the webhook is to go; NULL: where the event says. */
    const char *url;
    /** "path=value" (event_wish_is_whole): the value is JSON, or else a text. */
    const char *const *sets;
    size_t set_count;
    struct slice secret;
    int64_t now_s;
};

/** Is it "path=value", and has each part of the path a name? */
PA_MUST_USE bool event_wish_is_whole(const char *wish);

/** `in` (JSON) changed as wished, and signed anew unless it is a change-log event, appended to `out`; *kind:
 * which topic is its own. 0; PA_ERR_INVALID with the cause in err; PA_ERR_MEMORY. */
PA_MUST_USE int event_make(struct slice in, const struct event_wishes *wishes, struct buffer *out,
                           enum event_kind *kind, struct error *err);
/** Whether a built-in mapping sends it to GitLab, wherever its URL points. */
PA_MUST_USE bool event_is_gitlab(struct slice record);
