/* `port-agent check`: what it finds in the settings, and on the way to Port and to the brokers. Port is a
 * thread with a socket, the brokers are librdkafka's mock cluster. */
#include "../kafka/mock_cluster.h"
#include "command.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

struct port {
    pthread_t thread;
    int listener;
    char url[64];
    /** Answers, each a body; status 200 unless it says otherwise ("401 {}"). */
    const char *token, *organisation, *credentials, *traces, *date;
    /** Connections stay open, as those of most servers do; how many of them nobody closed for KEPT_MS. */
    bool keeps_alive;
    unsigned left_open;
};

enum { KEPT_MS = 20000 };

static void answer_one(struct port *port, int fd)
{
    char request[8192], date[64] = "";
    size_t len = 0;
    ssize_t got;
    while (len < sizeof request - 1 && (got = read(fd, request + len, sizeof request - 1 - len)) > 0) {
        len += (size_t)got;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
        if (end && len >= (size_t)(end + 4 - request) +
                              (length && length < end ? strtoul(length + 15, NULL, 10) : 0))
            break;
    }
    const char *body = strstr(request, " /v1/auth/")               ? port->token
                       : strstr(request, " /v1/organization")      ? port->organisation
                       : strstr(request, " /v1/kafka-credentials") ? port->credentials
                       : strstr(request, " /v1/traces")            ? port->traces
                                                                   : "{}";
    bool status = *body >= '1' && *body <= '9';
    if (port->date)
        snprintf(date, sizeof date, "Date: %s\r\n", port->date);
    dprintf(fd, "HTTP/1.1 %.3s X\r\n%sConnection: %s\r\nContent-Length: %zu\r\n\r\n%s", status ? body : "200",
            date, port->keeps_alive ? "keep-alive" : "close", strlen(body + (status ? 4 : 0)),
            body + (status ? 4 : 0));
    if (port->keeps_alive)
        port->left_open += poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, KEPT_MS) == 0;
    shutdown(fd, SHUT_WR);
    while (read(fd, request, sizeof request) > 0)
        ;
}

static void *serve(void *ctx)
{
    struct port *port = ctx;
    for (int fd; (fd = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd))
        answer_one(port, fd);
    return NULL;
}

static void port_open(struct port *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    *port = (struct port){.token = "{\"ok\":true,\"accessToken\":\"t\",\"expiresIn\":3600}",
                          .organisation = "{\"organization\":{\"id\":\"org\"}}",
                          .credentials = "404 {}",
                          .traces = "{}"};
    port->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(port->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(port->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(port->listener, 16), 0);
    snprintf(port->url, sizeof port->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&port->thread, NULL, serve, port), 0);
}

static void port_close(struct port *port)
{
    shutdown(port->listener, SHUT_RDWR);
    pthread_join(port->thread, NULL);
    close(port->listener);
}

static int right_settings(void **state)
{
    (void)state;
    clear_environment();
    setenv("PORT_ORG_ID", "org", 1);
    setenv("PORT_CLIENT_ID", "client", 1);
    setenv("PORT_CLIENT_SECRET", "s3cret-of-the-organisation-0123456789", 1);
    setenv("KAFKA_CONSUMER_GROUP_ID", "org.group", 1);
    setenv("NO_PROXY", "127.0.0.1", 1);
    return 0;
}

static int check_connections(const struct port *port, const char *output)
{
    setenv("PORT_API_BASE_URL", port->url, 1);
    return run_command(command_check, "--connect", "--timeout", "20", "--output", output, NULL);
}

static void every_problem_of_the_settings_is_a_line(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_check, NULL), EXIT_CODE_OK);
    assert_has(printed, "every value is accepted");
    assert_has(printed, "the built-in mappings apply");
    write_file("control_the_payload_config.json", "[{\"url\":\"bad(\"}]");
    unsetenv("PORT_CLIENT_ID");
    setenv("POLLING_INTERVAL_SECONDS", "soon", 1);
    setenv("WEBHOOK_VERIFY_SSL", "false", 1);
    setenv("SSL_CERT_FILE", "nowhere.pem", 1);
    assert_int_equal(run_command(command_check, "--connect", NULL), EXIT_CODE_CONFIG);
    assert_has(complained, "PORT_CLIENT_ID");
    assert_has(complained, "POLLING_INTERVAL_SECONDS");
    assert_has(complained, "mapping 1, url:");
    assert_has(complained, "SSL_CERT_FILE");
    assert_has(printed, "certificates of webhook endpoints are not checked");
    assert_has(printed, "the settings must be right first");
    assert_int_equal(run_command(command_check, "--output", "json", NULL), EXIT_CODE_CONFIG);
    assert_has(printed, "{\"");
    unlink("control_the_payload_config.json");
}

static void a_directory_for_dead_letters_must_be_writable(void **state)
{
    (void)state;
    setenv("DEAD_LETTER_DIR", "letters", 1);
    assert_int_equal(run_command(command_check, NULL), EXIT_CODE_OK);
    assert_has(printed, "DEAD_LETTER_DIR: letters is made when the agent starts");
    mkdir("letters", 0700);
    assert_int_equal(run_command(command_check, NULL), EXIT_CODE_OK);
    assert_has(printed, "DEAD_LETTER_DIR: letters can be written");
    setenv("DEAD_LETTER_DIR", "nowhere/letters", 1);
    assert_int_equal(run_command(command_check, NULL), EXIT_CODE_FAILURE);
    assert_has(printed, "is not there and cannot be made: nowhere: ");
}

static void port_and_the_brokers_are_reached_step_by_step(void **state)
{
    (void)state;
    static const char *const topics[] = {"org.runs", "org.change.log"};
    struct mock_cluster mock;
    struct port port;
    assert_true(mock_cluster_open(&mock, topics, 2));
    port_open(&port);
    port.date = "Tue, 13 Jan 2026 15:20:16 GMT";
    setenv("USING_LOCAL_PORT_INSTANCE", "true", 1);
    setenv("KAFKA_CONSUMER_BOOTSTRAP_SERVERS", mock_cluster_address(&mock), 1);
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    assert_has(printed, "the server answers (status ");
    assert_has(printed, "set this machine's clock (NTP)");
    assert_has(printed, "Port accepts PORT_CLIENT_ID and PORT_CLIENT_SECRET");
    assert_has(printed, "the credentials belong to org");
    assert_has(printed, "the brokers come from the settings");
    assert_has(printed, "connected with plaintext");
    assert_has(printed, "org.runs has 1 partition\n");
    assert_has(printed, "org.change.log has 1 partition\n");
    assert_has(printed, "org.runs: nobody has committed an offset yet; 0 records are there");
    assert_has(printed, "begins at the earliest record");
    port_close(&port);
    mock_cluster_close(&mock);
}

static void ports_credentials_lead_to_the_brokers(void **state)
{
    (void)state;
    static const char *const topics[] = {"org.runs", "org.change.log", "org.letters"};
    char credentials[256];
    struct mock_cluster mock;
    struct port port;
    assert_true(mock_cluster_open(&mock, topics, 3));
    port_open(&port);
    snprintf(credentials, sizeof credentials,
             "{\"credentials\":{\"brokers\":[\"%s\"],\"username\":\"u\",\"password\":\"hunter22\"}}",
             mock_cluster_address(&mock));
    port.credentials = credentials;
    setenv("KAFKA_CONSUMER_SECURITY_PROTOCOL", "plaintext", 1);
    setenv("KAFKA_CONSUMER_AUTHENTICATION_MECHANISM", "none", 1);
    setenv("DEAD_LETTER_TOPIC", "org.letters", 1);
    assert_int_equal(check_connections(&port, "json"), EXIT_CODE_OK);
    assert_has(printed, "user u, brokers ");
    assert_has(printed, "org.letters has 1 partition; only a write can tell");
    assert_has(printed, "its committed offsets can be read");
    assert_has_not(printed, "hunter22");
    port_close(&port);
    mock_cluster_close(&mock);
}

static void what_port_refuses_is_told_with_what_to_do(void **state)
{
    (void)state;
    struct port port;
    port_open(&port);
    port.organisation = "{\"organization\":{\"id\":\"other\"}}";
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_FAILURE);
    assert_has(printed, "the answer has no Date to compare with");
    assert_has(printed, "PORT_ORG_ID is 'org': set it to the organisation of the credentials");
    assert_has(printed, "ask Port to enable the Kafka agent for your organisation");
    assert_has(printed, "the brokers are not known: Port's API names them");
    port.token = "401 {}";
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_FAILURE);
    assert_has(printed, "check PORT_CLIENT_ID and PORT_CLIENT_SECRET");
    setenv("STREAMER_NAME", "POLLING", 1);
    port.token = "{\"ok\":true,\"accessToken\":\"t\",\"expiresIn\":3600}";
    port.organisation = "{}";
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    assert_has(printed, "STREAMER_NAME is POLLING: no Kafka is needed");
    port_close(&port);
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_FAILURE); /* nobody listens there any more */
    assert_has(printed, "ask for outgoing access to this host and port");
    setenv("HTTP_PROXY", port.url, 1);
    unsetenv("NO_PROXY");
    setenv("PORT_API_BASE_URL", "http://port.invalid", 1);
    assert_int_equal(run_command(command_check, "--connect", NULL), EXIT_CODE_FAILURE);
    assert_has(printed, "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY");
}

static void the_collector_is_asked_and_is_no_reason_to_fail(void **state)
{
    (void)state;
    struct port port;
    port_open(&port);
    setenv("STREAMER_NAME", "POLLING", 1);
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    assert_has_not(printed, "Collector");
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", port.url, 1);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter22", 1);
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    assert_has(printed, "/v1/traces answers 200");
    struct port collector;
    port_open(&collector);
    collector.keeps_alive = true;
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url, 1);
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    port_close(&collector);
    assert_int_equal(collector.left_open, 0); /* nobody waits for it to go */
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", port.url, 1);
    port.traces = "401 {}";
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    assert_has(printed, "/v1/traces answers 401");
    assert_has(printed, "check OTEL_EXPORTER_OTLP_HEADERS");
    assert_has_not(printed, "hunter22");
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter22@127.0.0.1:1", 1);
    assert_int_equal(check_connections(&port, "text"), EXIT_CODE_OK);
    assert_has(printed, "traces are dropped, and deliveries are not affected");
    assert_has_not(printed, "hunter22");
    port_close(&port);
}

static void wrong_words_are_told(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0", "301", "1s", "", "-1", "1000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(run_command(command_check, "--timeout", wrong[i], NULL), EXIT_CODE_USAGE);
        assert_has(complained, "is not a whole number of seconds from 1 to 300");
    }
    assert_int_equal(run_command(command_check, "--output", "b", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_command(command_check, "--help", NULL), EXIT_CODE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_problem_of_the_settings_is_a_line, right_settings),
        cmocka_unit_test_setup(a_directory_for_dead_letters_must_be_writable, right_settings),
        cmocka_unit_test_setup(port_and_the_brokers_are_reached_step_by_step, right_settings),
        cmocka_unit_test_setup(ports_credentials_lead_to_the_brokers, right_settings),
        cmocka_unit_test_setup(what_port_refuses_is_told_with_what_to_do, right_settings),
        cmocka_unit_test_setup(the_collector_is_asked_and_is_no_reason_to_fail, right_settings),
        cmocka_unit_test_setup(wrong_words_are_told, right_settings),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
