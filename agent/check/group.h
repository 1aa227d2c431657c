/* The consumer group in words, as `port-agent check --connect` shows it: who is in it, and how far each topic
 * is read. */
#pragma once
#include "config/config.h"
#include "group_probe.h"
#include "steps.h"

/** Adds the steps "group members", "runs lag" and "change-log lag". */
void group_steps(struct check_steps *steps, const struct config *config, struct group_probe *probe);
