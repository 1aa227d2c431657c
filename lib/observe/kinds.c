/* See kinds.h. */
#include "observe/kinds.h"
#include "observe/internal.h"
#include <stddef.h>
#include <string.h>

#define COUNTS(member_) (1 + offsetof(struct counters, member_) / sizeof(uint64_t))

const struct kind_row observed_kinds[OBSERVED_KINDS] = {
    [OBSERVED_TAKEN] = {.counts = COUNTS(taken)},
    [OBSERVED_NOT_FOR_AGENT] = {"event is not for an agent", LOG_DEBUG, 0, COUNTS(skipped), END_SKIPPED},
    [OBSERVED_REPEATED] = {"record was delivered already", LOG_DEBUG, 0, COUNTS(deduplicated)},
    [OBSERVED_READ_AGAIN] = {.counts = COUNTS(read_again)},
    [OBSERVED_GONE] = {.counts = COUNTS(gone)},
    [OBSERVED_UNREADABLE] = {"record skipped", LOG_WARNING, REASON, COUNTS(bad_records), END_UNREADABLE},
    [OBSERVED_UNREADABLE_OF_RUN] = {.counts = COUNTS(bad_records)},
    [OBSERVED_UNSIGNED] = {OBSERVED_REFUSED "signature missing", LOG_WARNING, 0, COUNTS(bad_signatures),
                           END_REFUSED},
    [OBSERVED_TIMESTAMP_MALFORMED] = {OBSERVED_REFUSED "timestamp malformed", LOG_WARNING, 0,
                                      COUNTS(bad_signatures), END_REFUSED},
    [OBSERVED_SIGNATURE_WRONG] = {OBSERVED_REFUSED "signature wrong", LOG_WARNING, 0, COUNTS(bad_signatures),
                                  END_REFUSED},
    [OBSERVED_OTHER_TOPICS] = {OBSERVED_REFUSED "it belongs on another topic", LOG_WARNING, REASON,
                               COUNTS(bad_signatures), END_REFUSED},
    [OBSERVED_MORE_REFUSED] = {"events refused: more of them within a minute", LOG_WARNING,
                               COUNT | UNREPORTED},
    [OBSERVED_UNREPORTABLE] = {"a run's id does not fit Port's API: nothing of it is reported", LOG_WARNING,
                               0},
    [OBSERVED_MAPPED] = {0},
    [OBSERVED_EXPRESSION_EMPTY] = {"a mapping's expression gave nothing", LOG_WARNING, MESSAGE},
    [OBSERVED_REPORT_UNMAPPED] = {"a mapping's expression gave nothing", LOG_WARNING, MESSAGE},
    [OBSERVED_HEADERS_LEFT_OUT] = {"the answer has more headers than a mapping's report sees", LOG_WARNING,
                                   MESSAGE},
    [OBSERVED_MOVED] = {"delivery moved", LOG_DEBUG, MOVE},
    [OBSERVED_UNWANTED] = {"no mapping wants the event", LOG_INFO, 0, COUNTS(skipped)},
    [OBSERVED_MORE_UNWANTED] = {"events that no mapping wants, within a minute", LOG_INFO, COUNT},
    [OBSERVED_SENDING] = {"request", LOG_DEBUG, METHOD | URL | ATTEMPT | BODY},
    [OBSERVED_RETRYING] = {"webhook will be tried again", LOG_INFO, STATUS | ERROR | ATTEMPT | WAIT,
                           COUNTS(retries)},
    [OBSERVED_DELIVERED] = {"webhook delivered", LOG_INFO, ATTEMPTED, COUNTS(delivered), END_DELIVERED},
    [OBSERVED_FAILED] = {"webhook failed", LOG_ERROR, ATTEMPTED | ERROR | LETTER, COUNTS(failed), END_FAILED},
    [OBSERVED_EXPIRED] = {.counts = COUNTS(expired)},
    [OBSERVED_STALE] = {.counts = COUNTS(stale)},
    [OBSERVED_UNSENT] = {"webhook failed", LOG_ERROR, ERROR | AGE | LETTER, COUNTS(failed), END_FAILED},
    [OBSERVED_OWED] = {"out of memory: a result waits", LOG_ERROR, 0},
    [OBSERVED_LEFT] = {"out of memory: the record is left for the next assignment", LOG_ERROR, 0},
    [OBSERVED_ANSWER_LOST] = {"out of memory: the result is reported without the endpoint's answer",
                              LOG_ERROR, 0},
    [OBSERVED_RESULT_REFUSED] = {.counts = COUNTS(refused_results)},
    [OBSERVED_DROPPED] = {.counts = COUNTS(dropped)},
    [OBSERVED_DONE] = {.counts = 0},
    /* Told as a standing condition. */
    [OBSERVED_CIRCUIT_OPEN] = {0},
    [OBSERVED_CIRCUIT_CLOSED] = {0},
    [OBSERVED_SHORTAGE] =
        {"the system gives out no more connections: deliveries wait, and fewer are sent at once", LOG_WARNING,
         MESSAGE | AT_ONCE},
    [OBSERVED_WAITS] = {"run waits", LOG_INFO, REASON},
    [OBSERVED_ENDED] = {0}, /* as what it ended with */
};

const char *observed_message(enum observed_kind kind)
{
    return observed_kinds[kind].message ? observed_kinds[kind].message : "";
}

enum observed_end observed_end(enum observed_kind kind)
{
    return observed_kinds[kind].end;
}

void observed_cause(const struct observed *observed, char *out, size_t size)
{
    static const char before[] = " (";
    slice_copy_cut(observed_why(observed), out, size);
    size_t len = strlen(out), ends = sizeof before + 1;
    if (observed->warning.len == 0 || size - len <= ends)
        return;
    memcpy(out + len, before, sizeof before);
    slice_copy_cut(observed->warning, out + len + sizeof before - 1, size - len - ends);
    memcpy(out + strlen(out), ")", sizeof ")");
}

struct slice observed_why(const struct observed *observed)
{
    const size_t before = sizeof OBSERVED_REFUSED - 1; /* "event refused: " */
    enum observed_end end = observed_end(observed->kind);
    struct slice message = slice_of(observed_message(observed->kind));
    if (end == END_REFUSED)
        return (struct slice){message.ptr + before, message.len - before};
    return end == END_SKIPPED ? SLICE_LITERAL("not for an agent") : observed->reason;
}
