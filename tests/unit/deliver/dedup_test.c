/* Records that had their last answer a moment ago, and the reports that are still owed to them. */
#include "deliver/dedup.h"
#include "deliver/delivery.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A report, as far as dedup.c sees it. */
struct run_report {
    size_t bytes;
    unsigned paused, cancelled;
};

void run_report_pause(struct run_report *report)
{
    report->paused++;
}

void run_report_cancel(struct run_report *report)
{
    report->cancelled++;
}

size_t run_report_bytes(const struct run_report *report)
{
    return report->bytes;
}

/** A record "topic-0-N" with its event, and the delivery of it. */
struct seen {
    char id[32], signature[32];
    struct record record;
    struct event event;
    /** With the id behind it. */
    struct delivery *delivery;
};

static struct seen *seen(int number)
{
    static struct seen all[16];
    static size_t next;
    struct seen *one = &all[next++ % 16];
    free(one->delivery);
    memset(one, 0, sizeof *one);
    one->delivery = calloc(1, sizeof *one->delivery + sizeof one->id);
    assert_non_null(one->delivery);
    snprintf(one->id, sizeof one->id, "topic-0-%d", number);
    snprintf(one->signature, sizeof one->signature, "signature of %d", number);
    one->record = (struct record){.id = slice_of(one->id), .timestamp_ms = 1000 + number};
    one->event.signature = slice_of(one->signature);
    memcpy(one->delivery->id, one->id, sizeof one->id);
    one->delivery->content = dedup_content(&one->record, &one->event);
    return one;
}

static bool found(struct dedup *dedup, int number)
{
    struct run_report *report;
    const struct seen *one = seen(number);
    return dedup_find(dedup, &one->record, &one->event, &report);
}

static void add(struct dedup *dedup, int number)
{
    dedup_add(dedup, seen(number)->delivery);
}

static void a_record_that_had_its_answer_is_known(void **state)
{
    (void)state;
    struct dedup dedup;
    assert_true(dedup_open(&dedup, 8, 1000));
    assert_false(found(&dedup, 1));
    add(&dedup, 1);
    assert_true(found(&dedup, 1));
    assert_true(found(&dedup, 1));
    assert_false(found(&dedup, 2));
    dedup_close(&dedup);
}

static void the_last_of_them_are_remembered(void **state)
{
    (void)state;
    for (int window = 1; window <= 9; window++) {
        struct dedup dedup;
        assert_true(dedup_open(&dedup, (size_t)window, 1000));
        for (int i = 0; i < 3 * window + 1; i++)
            add(&dedup, i);
        for (int i = 0; i < 3 * window + 1; i++)
            assert_int_equal(found(&dedup, i), i > 2 * window);
        dedup_close(&dedup);
    }
}

static void records_with_neighbouring_numbers_are_told_apart(void **state)
{
    (void)state;
    struct dedup dedup;
    assert_true(dedup_open(&dedup, 2000, 1000));
    for (int i = 0; i < 3000; i += 2)
        add(&dedup, i);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(found(&dedup, i), i % 2 == 0);
    dedup_close(&dedup);
}

static void a_record_that_is_answered_again_is_remembered_from_then_on(void **state)
{
    (void)state;
    struct dedup dedup;
    assert_true(dedup_open(&dedup, 3, 1000));
    add(&dedup, 1);
    add(&dedup, 2);
    add(&dedup, 1);
    add(&dedup, 3); /* where the first entry was forgotten there is nothing to forget */
    assert_true(found(&dedup, 1));
    assert_true(found(&dedup, 3));
    dedup_close(&dedup);
}

static void another_record_with_the_same_id_is_another(void **state)
{
    (void)state;
    struct dedup dedup;
    struct run_report *report;
    assert_true(dedup_open(&dedup, 8, 1000));
    add(&dedup, 1);
    struct seen *again = seen(1);
    again->record.timestamp_ms++; /* the same event, written again */
    assert_false(dedup_find(&dedup, &again->record, &again->event, &report));
    assert_false(found(&dedup, 1)); /* and from then on the first is forgotten */
    add(&dedup, 1);
    again = seen(1);
    again->event.signature = slice_of("another");
    assert_false(dedup_find(&dedup, &again->record, &again->event, &report));
    dedup_close(&dedup);
}

static void without_a_signature_the_event_itself_counts(void **state)
{
    (void)state;
    struct dedup dedup;
    struct run_report *report;
    assert_true(dedup_open(&dedup, 8, 1000));
    struct seen *one = seen(1);
    one->event.signature = (struct slice){NULL, 0};
    buffer_append_text(&one->event.payload, "{\"a\":1}");
    one->delivery->content = dedup_content(&one->record, &one->event);
    dedup_add(&dedup, one->delivery);
    assert_true(dedup_find(&dedup, &one->record, &one->event, &report));
    buffer_append_text(&one->event.payload, " ");
    assert_false(dedup_find(&dedup, &one->record, &one->event, &report));
    buffer_clear(&one->event.payload);
    dedup_close(&dedup);
}

static void what_is_delivered_again_is_forgotten(void **state)
{
    (void)state;
    struct dedup dedup;
    assert_true(dedup_open(&dedup, 8, 1000));
    add(&dedup, 1);
    add(&dedup, 2);
    dedup_forget(&dedup, seen(1)->delivery);
    dedup_forget(&dedup, seen(7)->delivery);
    assert_false(found(&dedup, 1));
    assert_true(found(&dedup, 2));
    dedup_close(&dedup);
}

static void a_window_of_none_knows_nothing(void **state)
{
    (void)state;
    struct dedup dedup;
    assert_true(dedup_open(&dedup, 0, 1000));
    struct seen *one = seen(1);
    dedup_add(&dedup, one->delivery);
    assert_false(found(&dedup, 1));
    assert_false(dedup_keep_report(&dedup, one->delivery));
    dedup_forget(&dedup, one->delivery);
    dedup_close(&dedup);
}

static bool kept(struct dedup *dedup, int number, struct run_report *report)
{
    struct seen *one = seen(number);
    one->delivery->report = report;
    bool keeps = dedup_keep_report(dedup, one->delivery);
    assert_ptr_equal(one->delivery->report, keeps ? NULL : report);
    return keeps;
}

static void a_report_waits_until_its_record_comes_back(void **state)
{
    (void)state;
    struct dedup dedup;
    struct run_report report = {.bytes = 100}, *back;
    assert_true(dedup_open(&dedup, 8, 100));
    add(&dedup, 1);
    assert_true(kept(&dedup, 1, &report));
    assert_int_equal(report.paused, 1);
    assert_int_equal(dedup.kept_bytes, 100);
    struct seen *one = seen(1);
    assert_true(dedup_find(&dedup, &one->record, &one->event, &back));
    assert_ptr_equal(back, &report);
    assert_int_equal(dedup.kept_bytes, 0);
    assert_int_equal(dedup.kept_reports, 0);
    assert_true(dedup_find(&dedup, &one->record, &one->event, &back));
    assert_null(back);
    dedup_close(&dedup);
    assert_int_equal(report.cancelled, 0); /* it is whose record it is again */
}

static void a_report_that_cannot_be_kept_has_its_record_delivered_again(void **state)
{
    (void)state;
    struct dedup dedup;
    struct run_report report = {.bytes = 60}, second = {.bytes = 41}, third = {.bytes = 40};
    assert_true(dedup_open(&dedup, 8, 100));
    for (int i = 1; i <= 4; i++)
        add(&dedup, i);
    assert_false(kept(&dedup, 9, &report)); /* nobody knows it */
    assert_true(kept(&dedup, 1, &report));
    assert_false(kept(&dedup, 2, &second)); /* no room */
    assert_false(found(&dedup, 2));
    assert_int_equal(second.paused, 0);
    assert_true(kept(&dedup, 3, &third)); /* just enough */
    assert_false(kept(&dedup, 4, NULL));  /* there is none */
    assert_false(found(&dedup, 4));
    assert_false(kept(&dedup, 3, &second)); /* it has one */
    assert_false(found(&dedup, 3));
    assert_int_equal(third.cancelled, 1);
    assert_int_equal(dedup.kept_bytes, 60);
    assert_int_equal(dedup.kept_reports, 1);
    dedup_close(&dedup);
    assert_int_equal(report.cancelled, 1);
    assert_int_equal(second.cancelled, 0);
}

static void so_many_reports_are_kept(void **state)
{
    (void)state;
    enum { MOST = 1024 };
    static struct run_report reports[MOST + 1];
    struct dedup dedup;
    assert_true(dedup_open(&dedup, 2 * MOST, SIZE_MAX));
    for (int i = 0; i <= MOST; i++) {
        add(&dedup, i);
        assert_int_equal(kept(&dedup, i, &reports[i]), i < MOST);
    }
    dedup_close(&dedup);
    for (int i = 0; i <= MOST; i++)
        assert_int_equal(reports[i].cancelled, i < MOST);
}

static void a_report_goes_with_its_record(void **state)
{
    (void)state;
    struct dedup dedup;
    struct run_report reports[3] = {{.bytes = 1}, {.bytes = 1}, {.bytes = 1}};
    assert_true(dedup_open(&dedup, 2, 100));
    add(&dedup, 1);
    assert_true(kept(&dedup, 1, &reports[0]));
    add(&dedup, 2);
    assert_true(kept(&dedup, 2, &reports[1]));
    add(&dedup, 3); /* takes the place of the first */
    assert_int_equal(reports[0].cancelled, 1);
    add(&dedup, 2); /* answered once more, without a report */
    assert_int_equal(reports[1].cancelled, 1);
    assert_int_equal(dedup.kept_bytes, 0);
    dedup_close(&dedup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_had_its_answer_is_known),
        cmocka_unit_test(the_last_of_them_are_remembered),
        cmocka_unit_test(records_with_neighbouring_numbers_are_told_apart),
        cmocka_unit_test(a_record_that_is_answered_again_is_remembered_from_then_on),
        cmocka_unit_test(another_record_with_the_same_id_is_another),
        cmocka_unit_test(without_a_signature_the_event_itself_counts),
        cmocka_unit_test(what_is_delivered_again_is_forgotten),
        cmocka_unit_test(a_window_of_none_knows_nothing),
        cmocka_unit_test(a_report_waits_until_its_record_comes_back),
        cmocka_unit_test(a_report_that_cannot_be_kept_has_its_record_delivered_again),
        cmocka_unit_test(so_many_reports_are_kept),
        cmocka_unit_test(a_report_goes_with_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
