/* The coding that was done last is undone first; what it gives goes through a small buffer to the next. */
#include "http/decoding.h"
#include "base/cut.h"
#include <stdlib.h>
#include <string.h>

enum { BETWEEN_BYTES = 4096 };

struct stage {
    struct coder *coder;
    /** What the stage before has given, and is not used yet; the first has the body. */
    struct slice from;
    /** Where the stage before gives it. */
    char *between;
    /** Bytes that came that way. */
    size_t between_total;
};

struct decoding {
    /** In the order in which they are undone. */
    struct stage stages[DECODING_CODINGS_MAX];
    size_t count;
    size_t max_between;
};

/* Content-Encoding */

static bool known(struct slice name, enum coding *coding)
{
    static const struct {
        const char *name;
        enum coding coding;
    } names[] = {{"gzip", CODING_GZIP},
                 {"x-gzip", CODING_GZIP},
                 {"deflate", CODING_DEFLATE},
                 {"br", CODING_BROTLI},
                 {"zstd", CODING_ZSTD}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_text_ignore_case(name, names[i].name)) {
            *coding = names[i].coding;
            return true;
        }
    return false;
}

static void read_coding_name(struct codings *codings, struct slice name)
{
    enum coding coding;
    if (name.len == 0 || slice_equal_text_ignore_case(name, "identity"))
        return;
    if (!known(name, &coding))
        codings->unknown = true;
    else if (codings->count == DECODING_CODINGS_MAX)
        codings->too_many = true;
    else
        codings->list[codings->count++] = coding;
}

void codings_read(struct codings *codings, struct slice value)
{
    while (value.len > 0)
        read_coding_name(codings, slice_trim(slice_cut(&value, ',')));
}

/* Decoding */

struct decoding *decoding_new(const struct codings *codings, size_t max_between, coding_may_hold *may_hold,
                              void *ctx)
{
    struct decoding *decoding = calloc(1, sizeof *decoding);
    if (!decoding)
        return NULL;
    decoding->max_between = max_between;
    while (decoding->count < codings->count) {
        struct stage *stage = &decoding->stages[decoding->count];
        stage->from = (struct slice){"", 0};
        stage->coder = coder_new(codings->list[codings->count - ++decoding->count], may_hold, ctx);
        stage->between = decoding->count > 1 ? malloc(BETWEEN_BYTES) : NULL;
        if (!stage->coder || (decoding->count > 1 && !stage->between)) {
            decoding_free(decoding);
            return NULL;
        }
    }
    return decoding;
}

void decoding_free(struct decoding *decoding)
{
    for (size_t i = 0; decoding && i < decoding->count; i++) {
        coder_free(decoding->stages[i].coder);
        free(decoding->stages[i].between);
    }
    free(decoding);
}

/** One step of a stage, with what it has. */
static enum coding_verdict run_stage(struct decoding *decoding, size_t at, struct slice *in, char *out,
                                     size_t room, size_t *made)
{
    struct stage *stage = &decoding->stages[at];
    return coder_run(stage->coder, at == 0 ? in : &stage->from, out, room, made);
}

/** Bytes from one stage to the next. */
static enum coding_verdict hand_on(struct decoding *decoding, size_t at, struct slice *in, size_t *handed)
{
    struct stage *next = &decoding->stages[at + 1];
    enum coding_verdict verdict = run_stage(decoding, at, in, next->between, BETWEEN_BYTES, handed);
    next->from = (struct slice){next->between, *handed};
    next->between_total += *handed;
    return verdict == CODING_GOES_ON && next->between_total > decoding->max_between ? CODING_TOO_LONG
                                                                                    : verdict;
}

/** The last stage gives what it can; while it gives nothing, the nearest one before it that has something
 * hands it on. */
enum coding_verdict decoding_run(struct decoding *decoding, struct slice *in, char *out, size_t room,
                                 size_t *made)
{
    size_t last = decoding->count - 1, at = last;
    for (;;) {
        enum coding_verdict verdict;
        size_t handed = 0;
        *made = 0;
        verdict =
            at == last ? run_stage(decoding, at, in, out, room, &handed) : hand_on(decoding, at, in, &handed);
        if (at == last)
            *made = handed;
        if (verdict != CODING_GOES_ON || *made > 0 || (handed == 0 && at == 0))
            return verdict;
        if (handed > 0)
            at++; /* the next one has something now */
        else
            at--;
    }
}

bool decoding_is_whole(const struct decoding *decoding)
{
    for (size_t i = 0; i < decoding->count; i++)
        if (!coder_is_whole(decoding->stages[i].coder))
            return false;
    return true;
}
