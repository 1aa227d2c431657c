/* Why a signature does not match: what is known to go wrong between a sender and a receiver, tried one after
 * another. Pure, but slow: for `port-agent verify` and `listen`, never for the agent's own verification. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct signature_case {
    struct slice secret;
    /** The body as it came; a whole record's bytes where `record` is set. */
    struct slice body;
    /** The timestamp and the signature are the record's own members. */
    bool record;
    /** Null: there is none. */
    struct slice timestamp;
    /** Null: there is none. */
    struct slice signature;
    int64_t now_s;
};

/** The two documented ways to check a webhook's signature, and in which of them it is right. */
struct signature_ways {
    /** Over the body as it came. */
    bool raw;
    /** Over JSON.stringify(JSON.parse(body)), as JavaScript writes numbers; a body that is empty counts as it
     * came. */
    bool parsed;
    /** The body is JSON, or empty: the second way is open. */
    bool json;
};
/** Not for a record. Out of memory: neither is right. */
struct signature_ways signature_check_ways(const struct signature_case *given);

/** True: the signature is right. What else there is to say goes to `findings`, one line each: about a right
 * one, that its timestamp is old; about a wrong one, what differs as far as that can be known. False with
 * `unreadable` set: the record cannot be read (the reason is the finding). */
PA_MUST_USE bool signature_diagnose(const struct signature_case *given, struct buffer *findings,
                                    bool *unreadable);
