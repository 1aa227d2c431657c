/* See check.h. */
#include "check.h"
#include "deadletter/seal.h"
#include "event/signature.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct letter_check {
    struct letter_seal *seal;
    struct signer *signer;
    const char *runs_topic, *change_log_topic;
};

struct letter_check *letter_check_new(struct slice secret, struct slice previous, const char *runs_topic,
                                      const char *change_log_topic)
{
    struct letter_check *check = calloc(1, sizeof *check);
    if (!check)
        return NULL;
    *check = (struct letter_check){.seal = letter_seal_new(secret),
                                   .signer = signer_new(secret),
                                   .runs_topic = runs_topic,
                                   .change_log_topic = change_log_topic};
    if (check->seal && check->signer && letter_seal_accept_too(check->seal, previous) == 0 &&
        signer_accept_too(check->signer, previous) == 0)
        return check;
    letter_check_free(check);
    return NULL;
}

void letter_check_free(struct letter_check *check)
{
    if (!check)
        return;
    letter_seal_free(check->seal);
    signer_free(check->signer);
    free(check);
}

void letter_check_copy(struct letter_check *check, struct dead_letter_entry *entry)
{
    entry->replayed |=
        entry->copy_replayed && (!check || letter_seal_verify(check->seal, entry->letter_id, &entry->letter,
                                                              entry->mac) == SEAL_VALID);
}

void letter_record_id(const struct dead_letter *letter, struct buffer *out)
{
    if (letter->id.len > 0)
        buffer_append_slice(out, letter->id);
    else
        buffer_appendf(out, "%s-%d-%lld", letter->topic, (int)letter->partition, (long long)letter->offset);
}

static bool check_refuse(char reason[CHECK_REASON_SIZE], const char *words)
{
    snprintf(reason, CHECK_REASON_SIZE, "%.*s", CHECK_REASON_SIZE - 1, words);
    return false;
}

/* What it says of itself */

/** The letter's members and its event say the same, as they do when the agent writes them. An ID that cannot
 * be reported to is the event's own business. */
static bool is_consistent(const struct dead_letter *letter, const struct event *event,
                          char reason[CHECK_REASON_SIZE])
{
    struct slice said = letter->run_id, is = event->run_id;
    if (slice_is_null(said) || slice_equal(said, is) || (!run_id_is_usable(said) && !run_id_is_usable(is)))
        return true;
    snprintf(reason, CHECK_REASON_SIZE, "inconsistent: the letter is of run '%.*s', its event of %s%.*s%s",
             (int)(said.len < 100 ? said.len : 100), said.ptr, slice_is_null(is) ? "none" : "run '",
             (int)(is.len < 100 ? is.len : 100), is.ptr ? is.ptr : "", slice_is_null(is) ? "" : "'");
    return false;
}

/** The webhook's Idempotency-Key is what endpoints know a repetition by. */
static bool names_its_record(const struct dead_letter *letter, char reason[CHECK_REASON_SIZE])
{
    struct dead_letter nameless = *letter;
    struct buffer made = {0};
    nameless.id = (struct slice){NULL, 0};
    letter_record_id(&nameless, &made);
    bool same = letter->id.len == 0 || (!made.failed && slice_equal(letter->id, buffer_slice(&made)));
    buffer_clear(&made);
    return same || check_refuse(reason, "inconsistent: its record_id is not its topic, partition and offset");
}

/* What proves it */

static bool is_sealed(struct letter_check *check, const struct dead_letter_entry *entry, bool needed,
                      char reason[CHECK_REASON_SIZE])
{
    switch (letter_seal_verify(check->seal, entry->letter_id, &entry->letter, entry->mac)) {
    case SEAL_VALID:
        return true;
    case SEAL_MISSING:
        return !needed ||
               check_refuse(reason,
                            "it has no MAC, which letters of polled runs and of change-log events need, for "
                            "Port does not sign these; agents of earlier versions wrote none");
    case SEAL_WRONG:
        return check_refuse(reason,
                            "its MAC does not match: it was changed after the agent wrote it, or written "
                            "under another PORT_CLIENT_SECRET");
    case SEAL_UNCHECKED:
        break;
    }
    return check_refuse(reason, "out of memory: its MAC could not be checked");
}

static bool is_signed(struct letter_check *check, const struct event *event, char reason[CHECK_REASON_SIZE])
{
    switch (signer_verify(check->signer, event)) {
    case SIGNATURE_VALID:
        return true;
    case SIGNATURE_MISSING:
        return check_refuse(reason, "signature missing");
    case SIGNATURE_WRONG:
        return check_refuse(reason, "signature wrong");
    case SIGNATURE_MALFORMED:
        return check_refuse(reason, "signature malformed");
    case SIGNATURE_UNCHECKED:
        break;
    }
    return check_refuse(reason, "out of memory: the signature could not be checked");
}

/** `unread`: why the event cannot be read; NULL: it was. */
static bool event_is_accepted(struct letter_check *check, const struct dead_letter_entry *entry,
                              const struct event *event, const char *unread, char reason[CHECK_REASON_SIZE])
{
    const struct dead_letter *letter = &entry->letter;
    bool polled = !*letter->topic, run = event->kind == EVENT_RUN;
    if (!unread && !is_consistent(letter, event, reason))
        return false;
    if (!is_sealed(check, entry, polled || !run, reason))
        return false;
    if (polled)
        return true;
    if (unread)
        return !run ||
               check_refuse(reason, unread); /* of the change log: what is wrong is the delivery's to say */
    if (event->other_topics)
        return check_refuse(reason, event_other_topics(event->kind));
    return names_its_record(letter, reason) && (!run || is_signed(check, event, reason));
}

bool letter_check_accepts(struct letter_check *check, const struct dead_letter_entry *entry,
                          char reason[CHECK_REASON_SIZE])
{
    const struct dead_letter *letter = &entry->letter;
    bool changes = *letter->topic && strcmp(letter->topic, check->change_log_topic) == 0;
    if (*letter->topic && !changes && strcmp(letter->topic, check->runs_topic) != 0)
        return check_refuse(reason,
                            "no letter: its topic is neither KAFKA_RUNS_TOPIC nor KAFKA_CHANGE_LOG_TOPIC");
    struct event event;
    struct error err = {0};
    event_init(&event);
    int failed = event_parse(&event, changes ? EVENT_CHANGE_LOG : EVENT_RUN, letter->value, &err);
    event.kind = changes ? EVENT_CHANGE_LOG : EVENT_RUN;
    bool accepted = failed == PA_ERR_MEMORY
                        ? check_refuse(reason, err.message)
                        : event_is_accepted(check, entry, &event, failed ? err.message : NULL, reason);
    event_clear(&event);
    return accepted;
}
