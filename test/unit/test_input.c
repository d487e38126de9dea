// SPDX-License-Identifier: MIT
#include "archive/input.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <zstd.h>

#include "archive/decode.h"
#include "sys/err.h"
#include "sys/proc.h"
#include "test/unit/tar_steps.h"

#define TEXT(bytes) bytes, sizeof(bytes) - 1

// -- which format ------------------------------------------------------------------------------

static const struct {
    const char *bytes;
    size_t n;
    enum input_format format;
    const char *name; // what it is called, where it is a program's or refused
} formats[] = {
    {TEXT(""), FORMAT_PLAIN, NULL},
    {TEXT("x"), FORMAT_PLAIN, NULL},
    {TEXT("just some text"), FORMAT_PLAIN, NULL},
    {TEXT("\x1f\x8b"), FORMAT_GZIP, "gzip"},
    {TEXT("\x1f"), FORMAT_PLAIN, NULL},
    {TEXT("\x28\xb5\x2f\xfd\0"), FORMAT_ZSTD, "zstd"},
    {TEXT("\x28\xb5\x2f"), FORMAT_PLAIN, NULL},
    {TEXT("\x50\x2a\x4d\x18\0\0\0\0"), FORMAT_ZSTD, NULL},
    {TEXT("\x5f\x2a\x4d\x18\0\0\0\0"), FORMAT_ZSTD, NULL},
    {TEXT("\x60\x2a\x4d\x18\0\0\0\0"), FORMAT_PLAIN, NULL},
    {TEXT("\x4f\x2a\x4d\x18\0\0\0\0"), FORMAT_PLAIN, NULL},
    {TEXT("\xfd\x37\x7a\x58\x5a\0..."), FORMAT_PROGRAM, "xz"},
    {TEXT("\xfd\x37\x7a\x58\x5a."), FORMAT_PLAIN, NULL},
    {TEXT("BZh91AY"), FORMAT_PROGRAM, "bzip2"},
    {TEXT("\x04\x22\x4d\x18"), FORMAT_PROGRAM, "lz4"},
    {TEXT("\x1f\x9d\x90"), FORMAT_REFUSED, "compress"},
    {TEXT("\x5d\0\0\x80"), FORMAT_REFUSED, "lzma"},
    {TEXT("LZIP\1"), FORMAT_REFUSED, "lzip"},
    {TEXT("\x89LZO\0\r\n\x1a\n"), FORMAT_REFUSED, "lzop"},
    {TEXT("PK\3\4"), FORMAT_REFUSED, "zip"},
    {TEXT("7z\xbc\xaf\x27\x1c"), FORMAT_REFUSED, "7z"},
    {TEXT("070701000"), FORMAT_REFUSED, "cpio"},
    {TEXT("!<arch>\n"), FORMAT_REFUSED, "ar"},
};

// Opens what is in `archive`, as a file or through a pipe with writes of one byte.
static int open_archive(bool by_pipe)
{
    int fd, both[2];
    err_forget();
    input = (struct input){.max_ratio = 1000};
    if (by_pipe) {
        assert_int_equal(pipe2(both, O_CLOEXEC | O_DIRECT), 0);
        assert_true(fcntl(both[1], F_SETPIPE_SZ, 1 << 20) > 0);
        for (size_t i = 0; i < archive_size; i++)
            assert_int_equal(write(both[1], archive + i, 1), 1);
        close(both[1]);
        fd = both[0];
    } else {
        fd = hold_bytes((const char *)archive, archive_size);
    }
    int error = input_open(&input, fd, "test");
    if (error < 0)
        close(fd);
    return error;
}

static void formats_are_recognised(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        for (int by_pipe = 0; by_pipe < 2; by_pipe++) {
            archive_size = 0;
            put_bytes(formats[i].bytes, formats[i].n);
            int error = open_archive(by_pipe != 0);
            bool refused = formats[i].format == FORMAT_REFUSED;
            if (error != (refused ? -ENOTSUP : 0) || input.format != formats[i].format)
                fail_msg("row %zu: %d, format %d", i, error, input.format);
            if (formats[i].name != NULL)
                assert_string_equal(input.program, formats[i].name);
            if (refused)
                assert_true(err_is_hinted());
            if (error == 0)
                close(input.fd);
        }
        const char *what = input_what((const unsigned char *)formats[i].bytes, formats[i].n);
        if (formats[i].name != NULL)
            assert_string_equal(what, formats[i].name);
        else
            assert_true((what == NULL) == (formats[i].format == FORMAT_PLAIN));
    }
}

// The first file's name looks like a magic number: the header's checksum says what it is.
static void names_are_no_magic(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (formats[i].n == 0)
            continue;
        struct step header = {.type = '0', .name = ""};
        header.set[0].bytes = formats[i].bytes;
        header.set[0].n = formats[i].n;
        archive_size = 0;
        put_step(&header);
        assert_int_equal(open_archive(false), 0);
        assert_int_equal(input.format, FORMAT_PLAIN);
        close(input.fd);
        ((struct tar_header *)archive)->checksum[0] ^= 1; // and without it
        assert_int_equal(open_archive(false), formats[i].format == FORMAT_REFUSED ? -ENOTSUP : 0);
        assert_int_equal(input.format, formats[i].format);
        if (formats[i].format != FORMAT_REFUSED)
            close(input.fd);
    }
}

static void what_can_not_be_read(void **state)
{
    int both[2];
    (void)state;
    input = (struct input){.name = NULL};
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(input_open(&input, directory, "test"), -EISDIR);
    close(directory);
    assert_int_equal(pipe2(both, O_CLOEXEC), 0);
    assert_int_equal(input_open(&input, both[1], "test"), -EBADF);
    close(both[0]);
    close(both[1]);
    assert_int_equal(input_open(&input, -1, "test"), -EBADF);
}

// -- bytes -------------------------------------------------------------------------------------

static void bytes_are_skipped_and_counted(void **state)
{
    uint64_t missing;
    (void)state;
    for (int by_pipe = 0; by_pipe < 2; by_pipe++) {
        archive_size = 0;
        for (unsigned i = 0; i < 250; i++)
            *(unsigned char *)put_bytes(NULL, 1) = (unsigned char)i;
        assert_int_equal(open_archive(by_pipe != 0), 0);
        assert_int_equal(input_start(&input), 0);
        assert_int_equal(input_fill(&input, 100), 0);
        assert_true(input_ready(&input) >= 100);
        input_consume(&input, 7);
        assert_int_equal(input_skip(&input, 90, &missing), 0);
        assert_int_equal(missing, 0);
        assert_int_equal(input.offset, 97);
        assert_int_equal(*input_data(&input), 97);
        assert_int_equal(input_skip(&input, 0, &missing), 0);
        assert_int_equal(input_skip(&input, 1000, &missing), 0);
        assert_int_equal(missing, 1000 - (250 - 97));
        assert_int_equal(input.offset, 250);
        assert_int_equal(input_taken(&input), 250);
        assert_int_equal(input_fill(&input, 1), 0);
        assert_int_equal(input_ready(&input), 0);
        assert_int_equal(input_finish(&input), 0);
    }
}

// -- decoders ----------------------------------------------------------------------------------

static void put_gzip(const void *data, size_t n)
{
    struct isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.end_of_stream = 1;
    stream.gzip_flag = IGZIP_GZIP;
    stream.next_in = (uint8_t *)data;
    stream.avail_in = (uint32_t)n;
    stream.next_out = archive + archive_size;
    stream.avail_out = (uint32_t)(ARCHIVE_ROOM - archive_size);
    assert_int_equal(isal_deflate_stateless(&stream), COMP_OK);
    archive_size += stream.total_out;
}

static void put_zstd(const void *data, size_t n)
{
    size_t made = ZSTD_compress(archive + archive_size, ARCHIVE_ROOM - archive_size, data, n, 3);
    assert_false(ZSTD_isError(made));
    archive_size += made;
}

// Reads all through a decoder's process: its error, or "" and `plain` is what came out.
static const char *decode(const unsigned char *plain, size_t n)
{
    size_t at = 0;
    int error = open_archive(false);
    if (error == 0)
        error = input_start(&input);
    while (error == 0 && (error = input_fill(&input, 1)) == 0 && input_ready(&input) > 0) {
        size_t ready = input_ready(&input);
        assert_true(ready <= n - at);
        assert_memory_equal(input_data(&input), plain + at, ready);
        at += ready;
        input_consume(&input, ready);
    }
    if (error == 0)
        assert_int_equal(at, n);
    if (error == 0)
        assert_int_equal(input_taken(&input), archive_size);
    int end = input_finish(&input);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return error < 0 || end < 0 ? err_brief() : "";
}

static void packed_archives_are_decoded(void **state)
{
    static unsigned char plain[2 << 20];
    static const size_t sizes[] = {0,
                                   1,
                                   511,
                                   512,
                                   INPUT_BUFFER - 1,
                                   INPUT_BUFFER,
                                   INPUT_BUFFER + 1,
                                   3 * INPUT_BUFFER,
                                   INPUT_SLOTS * INPUT_BUFFER,
                                   sizeof(plain)};
    (void)state;
    srandom(1);
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (unsigned char)(i % 65536 < 1000 ? random() : (long)(i >> 3));
    for (int format = 0; format < 2; format++) {
        void (*put)(const void *data, size_t n) = format == 0 ? put_gzip : put_zstd;
        const char *bad = format == 0 ? "gzip: EBADMSG" : "zstd: EBADMSG";
        for (size_t i = 0; i < COUNT(sizes); i++) {
            archive_size = 0;
            put(plain, sizes[i]);
            assert_string_equal(decode(plain, sizes[i]), "");
            put_bytes(NULL, i * 100); // zeros fill it up
            assert_string_equal(decode(plain, sizes[i]), "");
            archive_size = 0;
            for (size_t at = 0, part; at < sizes[i]; at += part) { // some members or frames
                part = sizes[i] - at < 300000 ? sizes[i] - at : 300000;
                put(plain + at, part);
            }
            if (archive_size > 0)
                assert_string_equal(decode(plain, sizes[i]), "");
            archive_size = 0;
            put(plain, sizes[i]);
            archive_size--;
            assert_string_equal(decode(plain, sizes[i]), bad);
        }
        archive_size = 0;
        put(plain, 1000);
        put_bytes(NULL, DECODE_PADDING + 1);
        assert_string_equal(decode(plain, 1000), bad);
        archive_size = 0;
        put(plain, 1000);
        put_bytes("x", 1);
        assert_string_equal(decode(plain, 1000), bad);
        archive_size = 0;
        put(plain, 1000);
        put_bytes(NULL, 10);
        put(plain, 1000);
        assert_string_equal(decode(plain, 2000), bad);
    }
}

static int open_proc(void **state)
{
    (void)state;
    proc_open();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_recognised),      cmocka_unit_test(names_are_no_magic),
        cmocka_unit_test(what_can_not_be_read),        cmocka_unit_test(bytes_are_skipped_and_counted),
        cmocka_unit_test(packed_archives_are_decoded),
    };
    return cmocka_run_group_tests(tests, open_proc, NULL);
}
