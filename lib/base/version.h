/* What was built: filled in by CMake (cmake/revision.cmake). */
#pragma once

/** Semantic version, from the file VERSION at the root ("0.2.0"). */
extern const char agent_version[];
/** What our requests say sent them ("port-agent/0.2.0"). */
extern const char agent_user_agent[];
/** Git revision, with "-dirty" when the tree had changes; "unknown" outside a checkout. */
extern const char agent_revision[];
