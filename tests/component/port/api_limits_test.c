/* How many calls go at once, and how often a token that is refused is replaced. */
#include "fake_port.h"

struct answers {
    size_t count, accepted, unavailable, refused;
};

static void note_answer(void *ctx, const struct port_result *result)
{
    struct answers *answers = ctx;
    answers->count++;
    answers->accepted += result->answer == PORT_ACCEPTED;
    answers->unavailable += result->answer == PORT_UNAVAILABLE;
    answers->refused += result->answer == PORT_REFUSED;
}

static void start_call(struct fake_port *port, struct answers *answers)
{
    assert_non_null(port_api_call(port->api, "POST", "/v1/x", SLICE_LITERAL("{}"), note_answer, answers));
}

static void finish_call(struct fake_port *port, struct answers *answers)
{
    start_call(port, answers);
    run_until(port, &answers->count, answers->count + 1);
}

static struct reply say_503(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 503};
}

static struct reply say_401(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.status = 401};
}

static struct reply say_nothing(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    (void)request;
    return (struct reply){.delay_ms = 600000};
}

/** Of ten calls that have no answer so many go at once, and no more. */
static void assert_at_once(struct fake_port *port, size_t expected)
{
    static struct answers answers;
    size_t before = port->count;
    answers = (struct answers){0};
    port->script = say_nothing;
    for (int i = 0; i < 10; i++)
        start_call(port, &answers);
    run_until(port, &port->count, before + expected);
    run_for(port, 30);
    assert_int_equal(port->count, before + expected);
    fake_port_free(port);
}

static void calls_without_an_answer_halve_how_many_go_at_once(void **state)
{
    (void)state;
    static const size_t at_once[] = {8, 4, 2, 1, 1};
    for (size_t failures = 0; failures < sizeof at_once / sizeof *at_once; failures++) {
        struct fake_port *port = fake_port_new(8);
        struct answers answers = {0};
        finish_call(port, &answers);
        port->script = say_503;
        for (size_t i = 0; i < failures; i++)
            finish_call(port, &answers);
        assert_int_equal(answers.unavailable, failures);
        assert_at_once(port, at_once[failures]);
    }
}

static void each_answer_lets_one_more_go_up_to_the_bound(void **state)
{
    (void)state;
    static const size_t at_once[] = {2, 3, 4, 4};
    for (size_t successes = 0; successes < sizeof at_once / sizeof *at_once; successes++) {
        struct fake_port *port = fake_port_new(4);
        struct answers answers = {0};
        port->script = say_503;
        finish_call(port, &answers);
        port->script = NULL;
        for (size_t i = 0; i < successes; i++)
            finish_call(port, &answers);
        assert_int_equal(answers.accepted, successes);
        assert_at_once(port, at_once[successes]);
    }
}

/** How many tokens a call that is answered 401 asks for. */
static size_t tokens_of_a_call(struct fake_port *port)
{
    struct answers answers = {0};
    size_t before = port->tokens;
    finish_call(port, &answers);
    assert_int_equal(answers.refused, 1);
    return port->tokens - before;
}

static void a_token_that_is_refused_is_replaced_less_and_less_often(void **state)
{
    (void)state;
    static const int64_t waits_ms[] = {30000, 60000, 120000, 240000, 480000, 600000, 600000};
    struct fake_port *port = fake_port_new(8);
    port->script = say_401;
    assert_int_equal(tokens_of_a_call(port), 2); /* the first, and a fresh one */
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        assert_int_equal(tokens_of_a_call(port), 0);
        port->turned_ms += waits_ms[i] - 20000; /* the test itself may take some seconds */
        assert_int_equal(tokens_of_a_call(port), 0);
        port->turned_ms += 20000;
        assert_int_equal(tokens_of_a_call(port), 1);
    }
    struct answers answers = {0};
    port->script = NULL;
    finish_call(port, &answers); /* accepted: from now on as if nothing had been */
    assert_int_equal(answers.accepted, 1);
    port->script = say_401;
    assert_int_equal(tokens_of_a_call(port), 1);
    assert_int_equal(tokens_of_a_call(port), 0);
    port->turned_ms += 30000;
    assert_int_equal(tokens_of_a_call(port), 1);
    fake_port_free(port);
}

/** A request for a token is answered with a wish for quiet: until that is over nothing is sent. */
static void a_token_that_has_to_wait_holds_all_calls_up(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        size_t quiet;
    } cases[] = {{"Retry-After: 200\r\n", 1}, {"Retry-After: 0\r\n", 0}, {NULL, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct caught caught = logs_catch();
        struct fake_port *port = fake_port_new(8);
        struct answers answers = {0};
        port->token_reply = (struct reply){.status = 429, .headers = cases[i].headers};
        finish_call(port, &answers);
        assert_int_equal(answers.unavailable, 1);
        assert_int_equal(port->tokens, 1);
        port->token_reply = (struct reply){0};
        start_call(port, &answers);
        if (cases[i].quiet) {
            run_for(port, 20);
            assert_int_equal(port->count, 1);
        } else {
            run_until(port, &answers.accepted, 1);
        }
        fake_port_free(port);
        char *text = logs_end(&caught);
        assert_int_equal(occurrences(text, "Port asks for quiet: calls wait\",\"next_attempt_in\":200.000"),
                         cases[i].quiet);
        assert_int_equal(occurrences(text, "Port asks for quiet"), cases[i].quiet);
        free(text);
    }
}

static struct reply quiet_then_late(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)request;
    return n == 1 ? (struct reply){.status = 429, .headers = "Retry-After: 200\r\n"}
                  : (struct reply){.delay_ms = n == 2 ? 50 : 0};
}

static void the_cause_of_quiet_is_told_while_it_lasts(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0};
    port->script = quiet_then_late;
    finish_call(port, &answers); /* there is a token */
    start_call(port, &answers);
    start_call(port, &answers);
    run_until(port, &answers.count, 3); /* one was under way, and is accepted after the other */
    assert_int_equal(answers.accepted, 2);
    assert_true(port_api_view(port->api).quiet_ms > 0);
    assert_string_equal(port_api_view(port->api).failure, "Port answered 429");
    port->turned_ms += 200000;
    finish_call(port, &answers);
    assert_string_equal(port_api_view(port->api).failure, "");
    fake_port_free(port);
    free(logs_end(&caught));
}

/** Its request is over, and there is nothing of it left to forget. */
static void a_call_that_waits_for_a_fresh_token_can_be_cancelled(void **state)
{
    (void)state;
    struct fake_port *port = fake_port_new(8);
    struct answers answers = {0}, cancelled = {0};
    finish_call(port, &answers); /* there is a token */
    port->script = say_401;
    port->token_reply.delay_ms = 200;
    const struct port_request request = {
        .method = "PATCH", .path = "/v1/x", .body = SLICE_LITERAL("{}"), .body_is_lent = true};
    struct port_call *call = port_api_start(port->api, &request, note_answer, &cancelled);
    assert_non_null(call);
    run_until(port, &port->tokens, 2);
    assert_false(port_call_is_sent(call));
    port_call_cancel(call);
    port->script = NULL;
    finish_call(port, &answers);
    assert_int_equal(answers.accepted, 2);
    assert_int_equal(cancelled.count, 0);
    assert_string_equal(port->seen[port->count - 1].authorization, "Bearer token-2");
    fake_port_free(port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_without_an_answer_halve_how_many_go_at_once),
        cmocka_unit_test(each_answer_lets_one_more_go_up_to_the_bound),
        cmocka_unit_test(a_token_that_is_refused_is_replaced_less_and_less_often),
        cmocka_unit_test(a_token_that_has_to_wait_holds_all_calls_up),
        cmocka_unit_test(the_cause_of_quiet_is_told_while_it_lasts),
        cmocka_unit_test(a_call_that_waits_for_a_fresh_token_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
