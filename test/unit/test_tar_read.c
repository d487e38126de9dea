// SPDX-License-Identifier: MIT
#include "archive/tar_read.h"

#include "test/unit/tar_steps.h"

// -- special cases -----------------------------------------------------------------------------

static void zeros_are_counted(void **state)
{
    static const struct row rows[] = {
        {"a MiB", {FILE_OF("f", ""), END, {.zeros = 2048}}, "-f=0 ."},
        {"and a byte", {FILE_OF("f", ""), END, {.zeros = 2049, .missing = 511}}, "-f=0 !end: E2BIG"},
    };
    (void)state;
    put_steps(rows[0].steps);
    assert_string_equal(read_memory(), rows[0].wanted);
    put_steps(rows[1].steps);
    assert_string_equal(read_memory(), "-f=0 !end: EBADMSG");
}

static void zeros_are_ignored_when_asked_for(void **state)
{
    static const struct step steps[STEPS] = {
        FILE_OF("f", "1"), {.zeros = 1}, FILE_OF("g", "2"), {.zeros = 5}, FILE_OF("h", ""), END,
    };
    static const struct step open[STEPS] = {FILE_OF("f", "1"), {.zeros = 1}, FILE_OF("g", "2")};
    (void)state;
    for (int i = 0; i < 2; i++) {
        put_steps(i == 0 ? steps : open);
        begin_reading();
        reader.ignore_zeros = true;
        input.data = archive;
        input.end = archive_size;
        input.ended = true;
        assert_string_equal(tell_all(), i == 0 ? "-f=1 -g=1 -h=0 ." : "-f=1 -g=1 ~");
    }
}

static void strict_wants_an_end(void **state)
{
    static const struct step open[STEPS] = {FILE_OF("f", "1")}, closed[STEPS] = {FILE_OF("f", "1"), END},
                             none[STEPS];
    static const struct step *const all[] = {open, closed, none};
    static const char *const wanted[] = {"-f=1 !end: EBADMSG", "-f=1 .", "~"};
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        put_steps(all[i]);
        begin_reading();
        reader.strict = true;
        input.data = archive;
        input.end = archive_size;
        input.ended = true;
        assert_string_equal(tell_all(), wanted[i]);
    }
}

// Of the longest names that Linux takes, and one byte more.
static void names_have_4095_bytes(void **state)
{
    static char path[PATH_MAX + 8];
    (void)state;
    for (size_t n = PATH_MAX - 2; n <= PATH_MAX + 1; n++) {
        memset(path, 'a', n);
        path[n] = '\0';
        for (int kind = 0; kind < 4; kind++) {
            static char record[PATH_MAX + 32];
            bool name = kind % 2 == 0, pax = kind >= 2;
            snprintf(record, sizeof(record), "%s%s", !pax ? "" : name ? "path=" : "linkpath=", path);
            const struct step steps[STEPS] = {
                {.type = pax    ? 'x'
                         : name ? 'L'
                                : 'K',
                 .name = "special",
                 .data = record},
                {.type = '2', .name = "l", .link = "t"},
                END,
            };
            put_steps(steps);
            read_memory();
            bool good_one = n < PATH_MAX;
            if (good_one != (told[0] == 'l'))
                fail_msg("%zu bytes, kind %d: %.80s", n, kind, told);
            if (!good_one && strstr(told, "ENAMETOOLONG") == NULL && strstr(told, "E2BIG") == NULL)
                fail_msg("%zu bytes, kind %d: %.80s", n, kind, told);
            if (good_one && name)
                assert_memory_equal(told + 1, path, n);
        }
    }
}

static const struct tar_entry *first_of(const struct step steps[STEPS])
{
    const struct tar_entry *e;
    put_steps(steps);
    begin_reading();
    input.data = archive;
    input.end = archive_size;
    input.ended = true;
    int got = tar_next(&reader, &e);
    if (got != 1)
        fail_msg("no entry: %s", err_brief());
    return e;
}

static void metadata_are_read(void **state)
{
    static const struct step plain[STEPS] = {
        {.type = '3',
         .name = "c",
         .set = {SET(mode, "0104755"), SET(uid, "0001750"), SET(gid, "\x80\0\0\0\xff\xff\xff\xfe"),
                 SET(mtime, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), SET(major, "0007777"),
                 SET(minor, "3777777")}}};
    static const struct step pax[STEPS] = {GLOBAL("uid=5|gid=6|mtime=7.5|atime=8.25"),
                                           PAX("gid=4294967294|mtime=-1.25"), FILE_OF("f", "")};
    static const struct step global[STEPS] = {GLOBAL("uid=1|mtime=1"), GLOBAL("gid=2|mtime=2.000000001"),
                                              PAX("atime=99999999999.123456789999"), FILE_OF("f", "")};
    (void)state;
    const struct tar_entry *e = first_of(plain);
    assert_int_equal(e->type, TAR_CHAR);
    assert_int_equal(e->mode, 04755);
    assert_int_equal(e->uid, 1000);
    assert_int_equal(e->gid, UINT32_MAX - 1);
    assert_int_equal(e->mtime.seconds, -1);
    assert_false(e->has_atime);
    assert_int_equal(e->major, 4095);
    assert_int_equal(e->minor, (1 << 20) - 1);
    assert_int_equal(e->offset, 0);

    e = first_of(pax);
    assert_int_equal(e->uid, 5);
    assert_int_equal(e->gid, UINT32_MAX - 1);
    assert_int_equal(e->mtime.seconds, -2);
    assert_int_equal(e->mtime.nanoseconds, 750000000);
    assert_true(e->has_atime);
    assert_int_equal(e->atime.seconds, 8);
    assert_int_equal(e->atime.nanoseconds, 250000000);

    e = first_of(global);
    assert_int_equal(e->uid, 1);
    assert_int_equal(e->gid, 2);
    assert_int_equal(e->mtime.seconds, 2);
    assert_int_equal(e->mtime.nanoseconds, 1);
    assert_int_equal(e->atime.seconds, 99999999999);
    assert_int_equal(e->atime.nanoseconds, 123456789);
    assert_int_equal(e->offset, 2048); // of the first of its own records
}

// -- damage ------------------------------------------------------------------------------------

#define BYTES_100                                                                                            \
    "0123456789abcdef0123456789abcdef0123456789abcdef-/0123456789abcdef0123456789abcdef0123456789abcdef--"

static const struct step samples[STEPS] = {
    {.type = '5', .name = "d/"},
    PAX("path=d/long|mtime=1.5"),
    {.type = '0', .name = "d/lon", BYTES(BYTES_100 BYTES_100 BYTES_100 BYTES_100 BYTES_100 BYTES_100)},
    {.type = 'L', .name = "L", BYTES("d/link\0")},
    {.type = '2', .name = "d/lin", .link = "long"},
    {.type = '0', .name = "f", .data = "1234"},
    END,
};

static char *keep_told(void)
{
    char *copy = strdup(told);
    assert_non_null(copy);
    return copy;
}

// Cut at every byte: an error, or every entry whose header and data are there, and no end.
static void an_archive_is_cut_anywhere(void **state)
{
    (void)state;
    put_steps(samples);
    size_t all = archive_size;
    read_memory();
    char *whole = keep_told();
    assert_string_equal(whole, "dd/ -d/long=600 ld/link>long -f=4 .");
    for (size_t n = 0; n < all; n++) {
        archive_size = n;
        read_memory();
        char *blank = strrchr(told, ' '), *error = strchr(told, '!');
        char *last = error != NULL ? error : blank != NULL ? blank + 1 : told;
        if (*last != '!' && strcmp(last, "~") != 0)
            fail_msg("cut at %zu: %s", n, told);
        last[last > told ? -1 : 0] = '\0';
        if (strncmp(whole, told, strlen(told)) != 0)
            fail_msg("cut at %zu: %s", n, told);
    }
    free(whole);
}

// Each bit of each header: the checksum finds it.
static void a_header_is_damaged_anywhere(void **state)
{
    static const size_t headers[] = {0, 512, 1536, 3072, 4096, 4608};
    (void)state;
    put_steps(samples);
    read_memory();
    char *whole = keep_told();
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct tar_header *h = (struct tar_header *)(archive + headers[i]);
        assert_true(tar_header_is_valid(h));
        for (size_t bit = 0; bit < 8 * sizeof(*h); bit++) {
            unsigned char *byte = (unsigned char *)h + bit / 8, before = *byte;
            *byte ^= (unsigned char)(1U << bit % 8);
            read_memory();
            *byte = before;
            // In the checksum's own field some say the same: a blank in place of a zero, or of what ends it.
            bool own = bit / 8 >= offsetof(struct tar_header, checksum) &&
                       bit / 8 < offsetof(struct tar_header, type);
            if (strstr(told, "!header: EBADMSG") == NULL && (!own || strcmp(told, whole) != 0))
                fail_msg("header %zu, bit %zu: %s", i, bit, told);
        }
    }
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_counted),
        cmocka_unit_test(zeros_are_ignored_when_asked_for),
        cmocka_unit_test(strict_wants_an_end),
        cmocka_unit_test(names_have_4095_bytes),
        cmocka_unit_test(metadata_are_read),
        cmocka_unit_test(an_archive_is_cut_anywhere),
        cmocka_unit_test(a_header_is_damaged_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
