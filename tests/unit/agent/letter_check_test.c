/* Which letters are believed, and what is said of the others. */
#include "agent/dead_letters/replay_source/check.h"
#include "deadletter/seal.h"
#include "event/signature.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET SLICE_LITERAL("s3cret-of-the-organisation-0123456789")
#define METHOD "{\"type\":\"WEBHOOK\",\"agent\":true,\"url\":\"http://svc/\"}"
#define RUN "\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":" METHOD "}}"
#define CHANGE "\"context\":{},\"changelogDestination\":" METHOD

struct world {
    struct letter_check *check;
    struct letter_seal *seal;
    struct signer *signer;
    char mac[LETTER_MAC_SIZE], value[1024], reason[CHECK_REASON_SIZE];
};

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->check = letter_check_new(SECRET, (struct slice){NULL, 0}, "org.runs", "org.change.log");
    world->seal = letter_seal_new(SECRET);
    world->signer = signer_new(SECRET);
    *state = world;
    return world->check && world->seal && world->signer ? 0 : -1;
}

static int close_world(void **state)
{
    struct world *world = *state;
    letter_check_free(world->check);
    letter_seal_free(world->seal);
    signer_free(world->signer);
    free(world);
    return 0;
}

/** A letter as a reader returns it, without a MAC. */
static struct dead_letter_entry entry_of(const char *topic, const char *value)
{
    bool polled = !*topic;
    return (struct dead_letter_entry){
        .where = "letters:1",
        .letter_id = SLICE_LITERAL("0123456789abcdef"),
        .letter = {.reason = "",
                   .topic = topic,
                   .partition = polled ? -1 : 2,
                   .offset = polled ? -1 : 77,
                   .url = "",
                   .id = polled ? SLICE_LITERAL("r_1") : (struct slice){NULL, 0},
                   .run_id =
                       strcmp(topic, "org.change.log") == 0 ? (struct slice){NULL, 0} : SLICE_LITERAL("r_1"),
                   .value = slice_of(value)},
    };
}

static void seal(struct world *world, struct dead_letter_entry *entry)
{
    assert_int_equal(letter_seal_mac(world->seal, entry->letter_id, &entry->letter, world->mac), 0);
    entry->mac = slice_of(world->mac);
}

/** An event with these members, signed as Port signs. */
static const char *signed_event(struct world *world, const char *members)
{
    char signature[SIGNATURE_SIZE];
    snprintf(world->value, sizeof world->value, "{%s,\"headers\":{}}", members);
    assert_int_equal(signer_sign(world->signer, 1768317616, slice_of(world->value), signature), 0);
    snprintf(world->value, sizeof world->value,
             "{%s,\"headers\":{\"X-Port-Timestamp\":\"1768317616\",\"X-Port-Signature\":\"%s\"}}", members,
             signature);
    return world->value;
}

static void accepts(struct world *world, const struct dead_letter_entry *entry)
{
    if (!letter_check_accepts(world->check, entry, world->reason))
        fail_msg("refused: %s", world->reason);
}

static void refuses(struct world *world, const struct dead_letter_entry *entry, const char *why)
{
    if (letter_check_accepts(world->check, entry, world->reason))
        fail_msg("accepted, and not refused because: %s", why);
    if (!strstr(world->reason, why))
        fail_msg("'%s' is not '%s'", world->reason, why);
}

static void each_kind_is_believed_by_its_own_proof(void **state)
{
    struct world *world = *state;
    struct dead_letter_entry run = entry_of("org.runs", signed_event(world, RUN));
    accepts(world, &run); /* as earlier versions wrote it */
    seal(world, &run);
    accepts(world, &run);
    struct dead_letter_entry polled = entry_of("", "{" RUN "}"),
                             change = entry_of("org.change.log", "{" CHANGE "}");
    refuses(world, &polled, "no MAC");
    refuses(world, &change, "no MAC");
    seal(world, &polled);
    accepts(world, &polled);
    seal(world, &change);
    accepts(world, &change);
}

static void a_topic_cannot_be_exchanged_for_one_that_asks_for_less(void **state)
{
    struct world *world = *state;
    static const char *const topics[] = {"", "org.runs", "org.change.log"};
    for (size_t from = 0; from < 3; from++)
        for (size_t to = 0; to < 3; to++) {
            struct dead_letter_entry entry = entry_of(topics[from], "{" RUN "}");
            seal(world, &entry);
            entry.letter.topic = topics[to];
            if (from != to)
                refuses(world, &entry, "MAC does not match");
            entry.mac = (struct slice){NULL, 0};
            entry.letter.id = (struct slice){NULL, 0};
            refuses(world, &entry, strcmp(topics[to], "org.runs") == 0 ? "signature missing" : "no MAC");
        }
}

static void a_topic_that_is_not_configured_is_no_letters(void **state)
{
    struct world *world = *state;
    static const char *const topics[] = {"org", "org.runs.",       "ORG.RUNS",
                                         " ",   "org.change.log ", "other.runs"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        struct dead_letter_entry entry = entry_of(topics[i], signed_event(world, RUN));
        seal(world, &entry);
        refuses(world, &entry, "neither KAFKA_RUNS_TOPIC nor KAFKA_CHANGE_LOG_TOPIC");
    }
}

static void a_mac_does_not_excuse_a_runs_signature(void **state)
{
    struct world *world = *state;
    struct dead_letter_entry entry = entry_of("org.runs", "{" RUN "}");
    seal(world, &entry);
    refuses(world, &entry, "signature missing");
    char *edited = strstr((char *)(uintptr_t)signed_event(world, RUN), "svc");
    memcpy(edited, "bad", 3);
    entry = entry_of("org.runs", world->value);
    refuses(world, &entry, "signature wrong");
}

static void a_letter_of_another_run_than_its_events_is_inconsistent(void **state)
{
    struct world *world = *state;
    static const char *const topics[] = {"", "org.runs"};
    for (size_t i = 0; i < 2; i++) {
        struct dead_letter_entry entry = entry_of(topics[i], signed_event(world, RUN));
        entry.letter.run_id = SLICE_LITERAL("r_2");
        seal(world, &entry);
        refuses(world, &entry, "inconsistent: the letter is of run 'r_2', its event of run 'r_1'");
    }
    struct dead_letter_entry entry = entry_of("", "{\"context\":{}}");
    seal(world, &entry);
    refuses(world, &entry, "inconsistent: the letter is of run 'r_1', its event of none");
    /* An ID that can be reported to nobody is not compared: a letter holds it as text only. */
    entry = entry_of("", "{\"context\":{\"runId\":\"a\\u0000b\"}}");
    entry.letter.run_id = SLICE_LITERAL("a\xef\xbf\xbd"
                                        "b");
    seal(world, &entry);
    accepts(world, &entry);
}

static void a_polled_run_whose_event_cannot_be_read_is_replayed_to_its_failure(void **state)
{
    struct world *world = *state;
    struct dead_letter_entry entry = entry_of("", NULL);
    seal(world, &entry);
    accepts(world, &entry);
    entry = entry_of("org.runs", "{");
    refuses(world, &entry, "not JSON");
}

static void the_idempotency_key_of_a_record_is_where_it_came_from(void **state)
{
    struct world *world = *state;
    struct dead_letter_entry entry = entry_of("org.runs", signed_event(world, RUN));
    entry.letter.id = SLICE_LITERAL("org.runs-2-77");
    accepts(world, &entry);
    entry.letter.id = SLICE_LITERAL("org.runs-2-78");
    refuses(world, &entry, "inconsistent: its record_id");
}

static void an_event_of_both_worlds_is_of_none(void **state)
{
    struct world *world = *state;
    struct dead_letter_entry entry =
        entry_of("org.runs", signed_event(world, RUN ",\"changelogDestination\":" METHOD));
    refuses(world, &entry, "has a changelogDestination");
    entry = entry_of("org.runs", signed_event(world, RUN ",\"changelogDestination\":\"x\""));
    refuses(world, &entry, "has a changelogDestination");
    entry = entry_of("org.change.log", "{" RUN ",\"changelogDestination\":" METHOD "}");
    entry.letter.run_id = SLICE_LITERAL("r_1");
    seal(world, &entry);
    refuses(world, &entry, "has a payload.action.invocationMethod");
}

static void a_copy_is_the_letter_only_when_the_agent_wrote_it(void **state)
{
    struct world *world = *state;
    struct dead_letter_entry entry = entry_of("", "{" RUN "}");
    seal(world, &entry);
    entry.copy_replayed = true;
    letter_check_copy(world->check, &entry);
    assert_true(entry.replayed);
    entry.replayed = false;
    entry.letter.attempts++;
    letter_check_copy(world->check, &entry);
    assert_false(entry.replayed);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(each_kind_is_believed_by_its_own_proof),
        IN_A_WORLD(a_topic_cannot_be_exchanged_for_one_that_asks_for_less),
        IN_A_WORLD(a_topic_that_is_not_configured_is_no_letters),
        IN_A_WORLD(a_mac_does_not_excuse_a_runs_signature),
        IN_A_WORLD(a_letter_of_another_run_than_its_events_is_inconsistent),
        IN_A_WORLD(a_polled_run_whose_event_cannot_be_read_is_replayed_to_its_failure),
        IN_A_WORLD(the_idempotency_key_of_a_record_is_where_it_came_from),
        IN_A_WORLD(an_event_of_both_worlds_is_of_none),
        IN_A_WORLD(a_copy_is_the_letter_only_when_the_agent_wrote_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
