/* Kafka's credentials from Port, for subcommands, which wait for them. */
#pragma once
#include "port/api.h"

/** Asks until they are there, Port denies them, or `wait_ms` are over; 0: until its first answer. Blocks, and
 * runs nothing on `loop` but this. 0; PA_ERR_UNAVAILABLE with why in err ("no answer"), or PA_ERR_MEMORY.
 * Clear `out` in every case. */
PA_MUST_USE int kafka_login(struct port_api *port, uv_loop_t *loop, int64_t wait_ms,
                            struct kafka_credentials *out, struct error *err);
