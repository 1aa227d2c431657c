/* The sources that STREAMER_NAME chooses from. */
#pragma once
#include "config/config.h"
#include "source/class.h"

/** The source of these settings. */
const struct source_class *streamer_of(const struct config *config);
