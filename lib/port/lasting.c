/* See lasting.h. */
#include "port/lasting.h"
#include <stdio.h>

enum {
    /** Fewer results that are refused may be of runs that are gone. */
    REFUSED_MIN = 3,
    /** Fewer attempts of a result are a moment. */
    ATTEMPTS_MIN = 4
};

void lasting_credentials(struct conditions *conditions, bool refused)
{
    if (refused)
        condition_met(conditions, CONDITION_PORT_CREDENTIALS, NULL, 0,
                      "are PORT_CLIENT_ID and PORT_CLIENT_SECRET right, and PORT_API_BASE_URL this "
                      "organisation's? Results wait until Port accepts them");
    else
        condition_ended(conditions, CONDITION_PORT_CREDENTIALS, NULL, 0);
}

void lasting_refusal(struct conditions *conditions, uint64_t in_a_row, const char *reason)
{
    char sentence[CONDITION_SENTENCE_SIZE];
    if (in_a_row < REFUSED_MIN)
        return;
    snprintf(sentence, sizeof sentence,
             "the last answer: %.200s; the runs stay in progress: have they ended, were they deleted, or may "
             "this client report no more?",
             reason);
    condition_stands(conditions, CONDITION_RESULTS_REFUSED, NULL, (int64_t)in_a_row, sentence);
}

void lasting_acceptance(struct conditions *conditions)
{
    condition_ended(conditions, CONDITION_RESULTS_REFUSED, NULL, 0);
}

void lasting_wait(struct conditions *conditions, size_t waiting, unsigned attempts, const char *reason)
{
    char sentence[CONDITION_SENTENCE_SIZE];
    if (attempts < ATTEMPTS_MIN)
        return;
    snprintf(sentence, sizeof sentence, "%.250s; 'port-agent check --connect' goes the way to Port", reason);
    condition_stands(conditions, CONDITION_RESULTS_WAIT, NULL, (int64_t)waiting, sentence);
}

void lasting_wait_ended(struct conditions *conditions, size_t accepted)
{
    condition_ended(conditions, CONDITION_RESULTS_WAIT, NULL, (int64_t)accepted);
}
