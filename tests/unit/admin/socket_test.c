/* The Unix socket's names, and whom its two sides believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/server.h"
#include "admin/socket.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/** As "" it would be, where that directory can be written. */
static char directory[] = "/tmp/socket_test.XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) && setenv("TMPDIR", directory, 1) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static struct admin_socket_choice named(const char *setting)
{
    return (struct admin_socket_choice){.setting = setting, .org_id = "org_test", .group_id = "group/1"};
}

static int listening(const char *setting, char name[ADMIN_SOCKET_NAME_SIZE])
{
    struct admin_socket_choice choice = named(setting);
    struct error err = {0};
    int fd = admin_socket_listen(&choice, name, &err);
    if (fd < 0)
        print_error("%s\n", err.message);
    return fd;
}

static void a_socket_at_a_path_is_its_owners_alone_and_is_found(void **state)
{
    (void)state;
    char path[80], name[ADMIN_SOCKET_NAME_SIZE];
    struct stat status;
    struct error err = {0};
    snprintf(path, sizeof path, "%s/agent.sock", directory);
    int fd = listening(path, name);
    assert_true(fd >= 0);
    assert_string_equal(name, path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    int client = admin_socket_connect(path, &err);
    assert_true(client >= 0);
    int server = accept(fd, NULL, NULL);
    assert_true(admin_socket_trusts_client(server));
    assert_true(admin_socket_trusts_agent(client, false));
    close(client);
    close(server);
    close(fd);
    admin_socket_remove(name);
    assert_int_not_equal(stat(path, &status), 0);
    assert_int_equal(admin_socket_connect(path, &err), -1);
    assert_int_equal(err.kind, PA_ERR_NOT_FOUND);
}

static void what_a_killed_agent_left_is_replaced_and_what_is_alive_is_not(void **state)
{
    (void)state;
    char path[80], name[ADMIN_SOCKET_NAME_SIZE];
    struct error err = {0};
    struct admin_socket_choice choice;
    snprintf(path, sizeof path, "%s/agent.sock", directory);
    choice = named(path);
    close(listening(path, name)); /* the file stays */
    int fd = listening(path, name);
    assert_true(fd >= 0);
    assert_int_equal(admin_socket_listen(&choice, name, &err), -1);
    assert_int_equal(err.kind, PA_ERR_IO);
    assert_non_null(strstr(err.message, "Address already in use"));
    close(fd);
    admin_socket_remove(path);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    char path[80], name[ADMIN_SOCKET_NAME_SIZE];
    struct error err = {0};
    struct stat status;
    snprintf(path, sizeof path, "%s/file", directory);
    FILE *file = fopen(path, "w");
    fclose(file);
    struct admin_socket_choice choice = named(path);
    assert_int_equal(admin_socket_listen(&choice, name, &err), -1);
    assert_int_equal(stat(path, &status), 0);
    unlink(path);
}

static void an_abstract_name_needs_no_directory(void **state)
{
    (void)state;
    char setting[60], name[ADMIN_SOCKET_NAME_SIZE];
    struct error err = {0};
    snprintf(setting, sizeof setting, "@socket_test-%d", (int)getpid());
    int fd = listening(setting, name);
    assert_true(fd >= 0);
    int client = admin_socket_connect(setting, &err);
    assert_true(client >= 0);
    close(client);
    close(fd);
}

struct names {
    char list[3 * ADMIN_SOCKETS_MAX][ADMIN_SOCKET_NAME_SIZE];
    size_t count;
};

static bool note_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    snprintf(names->list[names->count++], ADMIN_SOCKET_NAME_SIZE, "%s", name);
    return true;
}

static void two_agents_of_the_same_settings_have_two_names_which_the_settings_find(void **state)
{
    (void)state;
    char first[ADMIN_SOCKET_NAME_SIZE], second[ADMIN_SOCKET_NAME_SIZE];
    struct names names = {0};
    int one = listening("", first), two = listening("", second);
    assert_true(one >= 0 && two >= 0);
    assert_string_not_equal(first, second);
    struct admin_socket_choice choice = named("");
    admin_socket_each(&choice, note_name, &names);
    size_t found = 0;
    for (size_t i = 0; i < names.count; i++)
        found += strcmp(names.list[i], first) == 0 || strcmp(names.list[i], second) == 0;
    assert_int_equal(found, 2);
    close(one);
    close(two);
    admin_socket_remove(first);
    admin_socket_remove(second);
}

static void other_groups_and_letters_have_other_names(void **state)
{
    (void)state;
    const struct admin_socket_choice choices[] = {{"", "org", "a/b"}, {"", "org", "a_b"}, {"", "org", ""}};
    struct names names[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        admin_socket_each(&choices[i], note_name, &names[i]);
        assert_int_equal(names[i].count, 3 * ADMIN_SOCKETS_MAX);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i].list[0], names[j].list[0]);
        assert_null(strstr(names[i].list[0] + strlen("/run/port-agent/"), "/"));
    }
}

static void names_say_organisation_and_group_and_where_they_are(void **state)
{
    (void)state;
    static const char base[] = "org.Test_9_group_1a-";
    struct admin_socket_choice choice = {"", "org.Test_9", "group/1a"};
    struct names names = {0};
    char expected[3][80];
    snprintf(expected[0], sizeof expected[0], "/run/port-agent/%s", base);
    snprintf(expected[1], sizeof expected[1], "%s/port-agent-%s", directory, base);
    snprintf(expected[2], sizeof expected[2], "@port-agent-%s", base);
    admin_socket_each(&choice, note_name, &names);
    assert_int_equal(names.count, 3 * ADMIN_SOCKETS_MAX);
    for (size_t i = 0; i < names.count; i++) {
        size_t kind = i / ADMIN_SOCKETS_MAX, number = i % ADMIN_SOCKETS_MAX + 1, len = strlen(expected[kind]);
        char behind[16] = "", end[32];
        if (number > 1)
            snprintf(behind, sizeof behind, ".%zu", number);
        snprintf(end, sizeof end, "%s%s", behind, kind < 2 ? ".sock" : "");
        assert_memory_equal(names.list[i], expected[kind], len);
        assert_string_equal(names.list[i] + len + 8, end); /* behind eight digits */
        assert_memory_equal(names.list[i] + len, names.list[0] + strlen(expected[0]), 8);
    }
}

static void of_long_identifiers_24_letters_are_in_the_name(void **state)
{
    (void)state;
    struct admin_socket_choice choice = {"", "abcdefghijklmnopqrstuvwx", "ABCDEFGHIJKLMNOPQRSTUVWX"},
                               longer = {"", "abcdefghijklmnopqrstuvwxy", "ABCDEFGHIJKLMNOPQRSTUVWXY"};
    static const char begin[] = "/run/port-agent/abcdefghijklmnopqrstuvwx_ABCDEFGHIJKLMNOPQRSTUVWX-";
    struct names names = {0}, others = {0};
    admin_socket_each(&choice, note_name, &names);
    admin_socket_each(&longer, note_name, &others);
    assert_memory_equal(names.list[0], begin, sizeof begin - 1);
    assert_memory_equal(others.list[0], begin, sizeof begin - 1);
    assert_string_not_equal(names.list[0], others.list[0]);
}

/** Of those that are found, the ones of this test. */
struct found {
    char file[80], abstract[80];
    size_t files, abstracts, others;
    bool enough;
};

static bool note_found(void *ctx, const char *name)
{
    struct found *found = ctx;
    if (strcmp(name, found->file) == 0)
        found->files++;
    else if (strcmp(name, found->abstract) == 0)
        found->abstracts++;
    else if (strncmp(name, directory, strlen(directory)) == 0)
        found->others++;
    return !found->enough;
}

static void without_settings_every_agent_is_found(void **state)
{
    (void)state;
    static const char *const not_ours[] = {"port-agent-x.sockets", "agent-x.sock", "xport-agent-.sock",
                                           "port-agent-"};
    struct admin_socket_choice choice = {"", "", ""};
    struct found found = {0}, first = {.enough = true};
    char name[ADMIN_SOCKET_NAME_SIZE], path[120];
    snprintf(found.file, sizeof found.file, "%s/port-agent-x.sock", directory);
    snprintf(found.abstract, sizeof found.abstract, "@port-agent-test-%d", (int)getpid());
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, not_ours[i]);
        fclose(fopen(path, "we"));
    }
    int file = listening(found.file, name), abstract = listening(found.abstract, name);
    assert_true(file >= 0 && abstract >= 0);
    admin_socket_each(&choice, note_found, &found);
    assert_int_equal(found.files, 1);
    assert_int_equal(found.abstracts, 1);
    assert_int_equal(found.others, 0);
    memcpy(first.file, found.file, sizeof first.file);
    memcpy(first.abstract, found.abstract, sizeof first.abstract);
    admin_socket_each(&choice, note_found, &first);
    assert_true(first.files + first.abstracts + first.others <= 1);
    close(abstract);
    found.abstracts = 0;
    admin_socket_each(&choice, note_found, &found);
    assert_int_equal(found.abstracts, 0);
    close(file);
    admin_socket_remove(found.file);
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, not_ours[i]);
        unlink(path);
    }
}

static void a_name_that_is_set_is_the_only_one(void **state)
{
    (void)state;
    struct admin_socket_choice choice = named("/somewhere/agent.sock");
    struct names names = {0};
    admin_socket_each(&choice, note_name, &names);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.list[0], "/somewhere/agent.sock");
}

static void a_name_has_as_many_bytes_as_an_address_holds(void **state)
{
    (void)state;
    static const char begins[] = {'/', '@'};
    for (size_t i = 0; i < sizeof begins; i++) {
        char path[109] = "", name[ADMIN_SOCKET_NAME_SIZE];
        struct error err = {0};
        struct admin_socket_choice choice = named(path);
        snprintf(path, sizeof path, "%c%s/", begins[i], directory + 1);
        memset(path + strlen(path), 'x', sizeof path - strlen(path));
        path[108] = '\0';
        assert_int_equal(admin_socket_listen(&choice, name, &err), -1);
        assert_non_null(strstr(err.message, "File name too long"));
        assert_int_equal(admin_socket_connect(path, &err), -1);
        assert_non_null(strstr(err.message, "File name too long"));
        path[107] = '\0';
        int fd = admin_socket_listen(&choice, name, &err), client = admin_socket_connect(path, &err);
        assert_true(fd >= 0 && client >= 0);
        close(client);
        close(fd);
        admin_socket_remove(path);
    }
    struct error err = {0};
    assert_int_equal(admin_socket_connect("", &err), -1);
    assert_int_equal(err.kind, PA_ERR_NOT_FOUND);
}

static void addresses_to_listen_on(void **state)
{
    (void)state;
    static const char *const right[] = {"[::]:9464", ":9464",          "127.0.0.1:0",
                                        "[::1]:80",  "localhost:9464", "0.0.0.0:65535"};
    static const char *const wrong[] = {
        "",         "9464",       "host:9464",     "127.0.0.1", "127.0.0.1:", "[::1]",
        "::1:9464", "1.2.3.4:-1", "1.2.3.4:65536", "[::1:9464", "[]:9464",    "1.2.3.4:9464 "};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (!admin_address_is_valid(right[i]))
            fail_msg("%s", right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (admin_address_is_valid(wrong[i]))
            fail_msg("%s", wrong[i]);
}

static void a_port_that_is_taken_is_an_error_with_its_cause(void **state)
{
    (void)state;
    struct error err = {0};
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    char again[32];
    int fd = admin_listen("127.0.0.1:0", &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(again, sizeof again, "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(admin_listen(again, &err), -1);
    assert_non_null(strstr(err.message, "in use"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_at_a_path_is_its_owners_alone_and_is_found),
        cmocka_unit_test(what_a_killed_agent_left_is_replaced_and_what_is_alive_is_not),
        cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(an_abstract_name_needs_no_directory),
        cmocka_unit_test(two_agents_of_the_same_settings_have_two_names_which_the_settings_find),
        cmocka_unit_test(other_groups_and_letters_have_other_names),
        cmocka_unit_test(names_say_organisation_and_group_and_where_they_are),
        cmocka_unit_test(of_long_identifiers_24_letters_are_in_the_name),
        cmocka_unit_test(without_settings_every_agent_is_found),
        cmocka_unit_test(a_name_that_is_set_is_the_only_one),
        cmocka_unit_test(a_name_has_as_many_bytes_as_an_address_holds),
        cmocka_unit_test(addresses_to_listen_on),
        cmocka_unit_test(a_port_that_is_taken_is_an_error_with_its_cause),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
