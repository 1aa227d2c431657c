/* Names in the environment that are meant for a setting and miss it. Private to the config room. */
#pragma once
#include "base/buffer.h"

/** Appends a line to `warnings` when `name` is no setting's (nor NAME_FILE of one), but close to one: a few
 * letters differ (optimal string alignment distance, any case), or one word between its underscores. Names
 * that other programs read are left alone; those of OpenTelemetry's standard are, whether the agent reads
 * them or not. */
void near_name_warn(struct slice name, struct buffer *warnings);
