/* Calls to Port's API, counted by what was asked and with which status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port/tally.h"
#include <string.h>

static size_t place(const char *const *list, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(list[i], name) != 0)
        i++;
    assert_true(i < count);
    return i;
}

static void each_call_counts_once_under_its_route_and_code(void **state)
{
    (void)state;
    static const struct {
        const char *path, *route;
        int status;
        const char *code;
    } calls[] = {
        {"/v1/auth/access_token", "token", 200, "200"},
        {"/v1/kafka-credentials", "kafka_credentials", 403, "403"},
        {"/v1/actions/runs/claim-pending", "claim", 200, "200"},
        {"/v1/workflows/runs/claim-pending", "claim", 500, "500"},
        {"/v1/actions/runs/ack", "ack", 0, "none"},
        {"/v1/actions/runs/r_1/logs", "log", 201, "201"},
        {"/v1/workflows/nodes/runs/wfnr_1/logs", "log", 418, "other"},
        {"/v1/actions/runs/r_1", "run", 422, "422"},
        {"/v1/workflows/nodes/runs/wfnr_1", "run", 504, "504"},
        {"/v1/organization", "organization", 204, "204"},
        {"/v2/something", "other", -7, "other"},
        {"", "other", 200, "200"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct port_tally tally = {0};
        size_t total = 0;
        port_tally_note(&tally, calls[i].path, calls[i].status);
        for (size_t route = 0; route < PORT_ROUTES; route++)
            for (size_t code = 0; code < PORT_CODES; code++)
                total += tally.answers[route][code];
        assert_int_equal(total, 1);
        size_t route = place(port_tally_routes, PORT_ROUTES, calls[i].route);
        size_t code = place(port_tally_codes, PORT_CODES, calls[i].code);
        if (tally.answers[route][code] != 1)
            fail_msg("%s is not %s %s", calls[i].path, calls[i].route, calls[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_counts_once_under_its_route_and_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
