/* From a member to the struct that embeds it. */
#pragma once
#include <stddef.h>

/** The struct of `type_` whose member `member_` the pointer points to. */
#define CONTAINER_OF(pointer_, type_, member_) \
    ((type_ *)(void *)((char *)(pointer_)-offsetof(type_, member_)))
