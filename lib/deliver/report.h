/* What is told of a run. */
#pragma once
#include "port/report.h"

struct delivery;
struct due;

void delivery_open_report(struct delivery *delivery);
/** What its mapping reports, the result, and then it is done. */
void delivery_report(struct delivery *delivery);
/** Out of memory: what is owed is still owed, a little later. */
void delivery_later(struct delivery *delivery, void (*again)(struct due *due));
/** Ends a delivery whose event is refused: its run is reported failed, nothing else. */
void delivery_report_refused(struct delivery *delivery);
void delivery_report_accepted(void *delivery, enum report_verdict verdict, const char *refusal);
