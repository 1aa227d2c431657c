/* Files with certificates: what is read of them, what is no such file, and copies that have a path. */
#include "http/pem_file.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LARGEST = 16 << 20 };

static char folder[] = "/tmp/pem_file_test.XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(size_t len)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PEM", 3), 3);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    close(fd);
}

static void assert_refused(const char *file, const char *why)
{
    struct buffer out = {0};
    struct error err = {0};
    assert_int_equal(pem_file_read(file, &out, &err), PA_ERR_INVALID);
    char said[256];
    snprintf(said, sizeof said, "'%s' %s", file, why);
    assert_string_equal(err.message, said);
    buffer_clear(&out);
}

static void a_file_of_sixteen_mebibytes_is_read_and_no_larger_one(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct error err = {0};
    write_file(LARGEST);
    assert_int_equal(pem_file_read(path, &out, &err), 0);
    assert_int_equal(out.len, LARGEST);
    assert_memory_equal(out.ptr, "PEM", 3);
    buffer_clear(&out);
    write_file(LARGEST + 1);
    assert_refused(path, "is larger than 16 MiB");
}

static void what_is_no_file_is_said(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody waits for its other end */
    assert_refused(path, "is not a file");
    assert_refused(folder, "is not a file");
    assert_refused("/nowhere/file", "cannot be read: No such file or directory");
}

static void a_copy_in_memory_has_a_path_and_the_same_bytes(void **state)
{
    (void)state;
    char kept[PEM_FILE_PATH_SIZE], bytes[16] = "";
    int fd = pem_file_keep("name", SLICE_LITERAL("content"), kept);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    int read_from = open(kept, O_RDONLY | O_CLOEXEC);
    assert_true(read_from >= 0);
    assert_int_equal(read(read_from, bytes, sizeof bytes - 1), 7);
    assert_string_equal(bytes, "content");
    close(read_from);
    close(fd);
}

static void files_that_differ_have_other_digests(void **state)
{
    (void)state;
    unsigned char one[PEM_DIGEST_SIZE], same[PEM_DIGEST_SIZE], other[PEM_DIGEST_SIZE];
    pem_file_digest(SLICE_LITERAL("one"), one);
    pem_file_digest(SLICE_LITERAL("one"), same);
    pem_file_digest(SLICE_LITERAL("two"), other);
    assert_memory_equal(one, same, sizeof one);
    assert_memory_not_equal(one, other, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_file_of_sixteen_mebibytes_is_read_and_no_larger_one, remove_file),
        cmocka_unit_test_teardown(what_is_no_file_is_said, remove_file),
        cmocka_unit_test(a_copy_in_memory_has_a_path_and_the_same_bytes),
        cmocka_unit_test(files_that_differ_have_other_digests),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
