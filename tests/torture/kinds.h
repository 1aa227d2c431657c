/* The kinds of deliveries, and a record of each. */
#pragma once
#include "event/signature.h"
#include "outside.h"

struct kind {
    const char *name;
    const char *run_id;   /* what it begins with; NULL: a change-log event, which has no run */
    const char *endpoint; /* of outside.h */
    bool synchronized;
    bool forged;   /* its signature is wrong */
    bool polled;   /* claimed from Port, through the polling source */
    bool consumed; /* through the Kafka source; torture_consumed says how */
    bool keyed;
    const char *mapping; /* the mapping file, of mappings.h; NULL: none */
    bool buried;         /* dead letters are written */
    bool tls;            /* its endpoint is reached over TLS */
    bool proxied;        /* through an HTTP proxy, which is the endpoint itself: libcurl's ordinary way */
    size_t webhooks;     /* at least, when all goes well */
    /* What Port is told when all goes well, %s being the run's id: one line for each PATCH. NULL: that it
     * failed. */
    const char *results;
    /* The same when there was no memory for the endpoint's answer, of which its log speaks then. NULL:
     * nothing else will do. */
    const char *results_cut[2];
};

extern const struct kind kinds[];
extern const size_t kinds_count;
/** NULL: there is none of that name. */
const struct kind *kind_find(const char *name);

struct sample {
    char run_id[32], name[32]; /* run_id "": none */
    char value[2048];          /* the record; for a polled one, the run as Port's answer has it */
};
void sample_write(const struct kind *kind, const struct outside *outside, size_t number,
                  struct sample *sample);
/** Puts the run's id into one of the kind's expectations. */
void kind_expect(const char *results, const char *run_id, char out[512]);
