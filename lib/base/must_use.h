/* Results that may not be passed over. Every prototype that says whether something worked (an int, a bool, an
 * enum) or hands over something to free (a pointer) has one of these two words in front; ./dev lint looks
 * for those without. */
#pragma once

/** The compiler refuses a call whose result is not used. */
#define PA_MUST_USE __attribute__((warn_unused_result))
/** The result is an addition that many callers have no use for; a comment says why. */
#define PA_MAY_IGNORE
/** Calls, and passes the result over on purpose; a comment says why that is right. */
#define PA_IGNORE(call) ((void)!(call))
