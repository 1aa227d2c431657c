/* The topic of dead letters in words, as `port-agent check --connect` shows it. */
#pragma once
#include "steps.h"
#include "topic_probe.h"

/** Adds to a step that says that the topic is there. */
void letters_topic_say(struct check_step *step, const struct topic_probe *topic);
