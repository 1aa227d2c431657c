/* Words that were meant for another one: how many typing errors lie between the two. */
#pragma once
#include "base/must_use.h"

enum { NEAR_MAX_LEN = 64 };

/** Letters left out, added, changed, or swapped with their neighbour (optimal string alignment distance).
 * Neither is longer than NEAR_MAX_LEN. */
PA_MUST_USE unsigned near_distance(const char *a, const char *b);
/** How many slips a person may make in a word of this length and still mean it: one for each three letters,
 * three at most, and one in a word of two letters or more. */
PA_MUST_USE unsigned near_allowed(const char *word);
/** The word of the list (NULL at the end) that is nearest to `word`; NULL: none is near. */
const char *near_word(const char *word, const char *const *list);
enum { NEAR_QUESTION_SIZE = NEAR_MAX_LEN + 24 };
/** Writes " (did you mean PREFIXnear?)", for behind a word that was not understood; "" where `near` is NULL.
 * Returns `out`. */
const char *near_question(const char *prefix, const char *near, char out[NEAR_QUESTION_SIZE]);
