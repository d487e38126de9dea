// SPDX-License-Identifier: MIT
#include "archive/sparse.h"

#include <errno.h>

#include "test/unit/tar_steps.h"

#define MAP(i, from, length) SET(gnu.map[i].offset, from), SET(gnu.map[i].bytes, length)
#define REAL(size)           SET(gnu.real_size, size)
#define FULL                                                                                                 \
    MAP(0, "00000000000", "00000000001"), MAP(1, "00000000001", "00000000001"),                              \
        MAP(2, "00000000002", "00000000001"), MAP(3, "00000000003", "00000000001")
#define EXTENDED SET(gnu.is_extended, "\1")

#define V10 "GNU.sparse.major=1|GNU.sparse.minor=0|"

// Old GNU sparse files: the regions are in the header.
#define OLD(text, ...)                                                                                       \
    {                                                                                                        \
        .type = 'S', .name = "s", .data = (text), .set = { GNU, __VA_ARGS__ }                                \
    }

static const struct row old[] = {
    {"one region",
     {OLD("abcde", MAP(0, "00000001000", "00000000005"), REAL("00000001005")), END},
     "-s=[512]5/517 ."},
    {"and a hole after it",
     {OLD("abcde", MAP(0, "00000001000", "00000000005"), MAP(1, "00000010000", "00000000000"),
          REAL("00000010000")),
      FILE_OF("f", "1"), END},
     "-s=[512]5/4096 -f=1 ."},
    {"four",
     {OLD("abcd", MAP(0, "00000000000", "00000000001"), MAP(1, "00000001000", "00000000001"),
          MAP(2, "00000002000", "00000000001"), MAP(3, "00000003000", "00000000001"), REAL("00000004000")),
      END},
     "-s=[0 512 1024 1536]4/2048 ."},
    {"that touch",
     {OLD("abcd", MAP(0, "00000000000", "00000000002"), MAP(1, "00000000002", "00000000002"),
          REAL("00000000004")),
      END},
     "-s=[0]4/4 ."},
    {"none at all", {OLD("", REAL("00000010000")), END}, "-s=[]0/4096 ."},
    {"nothing", {OLD("", REAL("00000000000")), END}, "-s=[]0/0 ."},
    {"in base 256",
     {OLD("ab", MAP(0, "\x80\0\0\0\0\0\0\2\0\0\0\0", "\x80\0\0\0\0\0\0\0\0\0\0\2"),
          REAL("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")),
      END},
     "-s=[8589934592]2/9223372036854775807 ."},
    {"regions of no bytes between others",
     {OLD("ab", MAP(0, "00000000000", "00000000001"), MAP(1, "00000000001", "00000000000"),
          MAP(2, "00000000001", "00000000001"), REAL("00000000002")),
      END},
     "-s=[0]2/2 ."},

    {"no size",
     {OLD("a", MAP(0, "00000000000", "00000000001"), REAL("xxxxxxxxxxx")), END},
     "!sparse: EBADMSG"},
    {"a negative size",
     {OLD("", REAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), END},
     "!sparse: EBADMSG"},
    {"no offset",
     {OLD("a", MAP(0, "xxxxxxxxxxx", "00000000001"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"no length",
     {OLD("a", MAP(0, "00000000000", "xxxxxxxxxxx"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"a negative offset",
     {OLD("a", MAP(0, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "00000000001"),
          REAL("00000000010")),
      END},
     "!sparse: EBADMSG"},
    {"a negative length",
     {OLD("a", MAP(0, "00000000000", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
          REAL("00000000010")),
      END},
     "!sparse: EBADMSG"},
    {"an offset without a length",
     {OLD("", SET(gnu.map[0].offset, "00000000001"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"a region after the last",
     {OLD("a", MAP(1, "00000000000", "00000000001"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"past the end",
     {OLD("ab", MAP(0, "00000000007", "00000000002"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"far past it",
     {OLD("ab", MAP(0, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "00000000002"),
          REAL("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")),
      END},
     "!sparse: EBADMSG"},
    {"over one another",
     {OLD("abcd", MAP(0, "00000000000", "00000000002"), MAP(1, "00000000001", "00000000002"),
          REAL("00000000010")),
      END},
     "!sparse: EBADMSG"},
    {"out of order",
     {OLD("ab", MAP(0, "00000000004", "00000000001"), MAP(1, "00000000000", "00000000001"),
          REAL("00000000010")),
      END},
     "!sparse: EBADMSG"},
    {"more stored than mapped",
     {OLD("abc", MAP(0, "00000000000", "00000000002"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"less stored than mapped",
     {OLD("a", MAP(0, "00000000000", "00000000002"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"stored, and no map", {OLD("a", REAL("00000000010")), END}, "!sparse: EBADMSG"},
    {"with pax",
     {PAX("mtime=1"), OLD("a", MAP(0, "00000000000", "00000000001"), REAL("00000000001")), END},
     "!sparse: EBADMSG"},
    {"with a pax map",
     {PAX("GNU.sparse.size=1|GNU.sparse.map=0,1"),
      OLD("a", MAP(0, "00000000000", "00000000001"), REAL("00000000001")), END},
     "!sparse: EBADMSG"},
    {"a name with a slash",
     {{.type = 'S', .name = "s/", .set = {GNU, REAL("00000000001")}}, END},
     "!type: EBADMSG"},
    {"a length without an offset",
     {OLD("a", SET(gnu.map[0].bytes, "00000000001"), REAL("00000000010")), END},
     "!sparse: EBADMSG"},
    {"a continuation of a map that has ended",
     {OLD("a", MAP(0, "00000000000", "00000000001"), EXTENDED, REAL("00000000010")),
      {.zeros = 1},
      {.data = "a"},
      END},
     "!sparse: EBADMSG"},
    {"no continuation", {OLD("", FULL, EXTENDED, REAL("00000000010"))}, "!sparse: EBADMSG"},
    {"half a continuation",
     {OLD("", FULL, EXTENDED, REAL("00000000010")), {.data = "x", .is_bare = true}},
     "!block: EBADMSG"},
    {"one of text",
     {OLD("", FULL, EXTENDED, REAL("00000000010")), {.data = "some text for a map"}, END},
     "!sparse: EBADMSG"},
};

static const struct row pax[] = {
    // 0.0: pairs
    {"pairs",
     {PAX("GNU.sparse.size=20|GNU.sparse.numblocks=2|GNU.sparse.offset=1|GNU.sparse.numbytes=2|"
          "GNU.sparse.offset=10|GNU.sparse.numbytes=1"),
      FILE_OF("s", "abc"), END},
     "-s=[1 10]3/20 ."},
    {"their number may be missing",
     {PAX("GNU.sparse.size=20|GNU.sparse.offset=1|GNU.sparse.numbytes=3"), FILE_OF("s", "abc"), END},
     "-s=[1]3/20 ."},
    {"with a version",
     {PAX("GNU.sparse.major=0|GNU.sparse.minor=0|GNU.sparse.size=5|GNU.sparse.offset=2|"
          "GNU.sparse.numbytes=3"),
      FILE_OF("s", "abc"), END},
     "-s=[2]3/5 ."},
    {"their number is wrong",
     {PAX("GNU.sparse.size=20|GNU.sparse.numblocks=1|GNU.sparse.offset=1|"
          "GNU.sparse.numbytes=2|GNU.sparse.offset=10|GNU.sparse.numbytes=1"),
      FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    {"half a pair",
     {PAX("GNU.sparse.size=20|GNU.sparse.offset=1"), FILE_OF("s", ""), END},
     "!sparse: EBADMSG"},
    {"a pair and a half",
     {PAX("GNU.sparse.size=20|GNU.sparse.offset=1|GNU.sparse.numbytes=3|GNU.sparse.offset=9"),
      FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    {"the other half",
     {PAX("GNU.sparse.size=20|GNU.sparse.numbytes=1"), FILE_OF("s", "a"), END},
     "!pax: EBADMSG"},
    {"two offsets",
     {PAX("GNU.sparse.size=20|GNU.sparse.offset=1|GNU.sparse.offset=1"), FILE_OF("s", "a"), END},
     "!pax: EBADMSG"},
    {"pairs and a map",
     {PAX("GNU.sparse.size=20|GNU.sparse.offset=1|GNU.sparse.numbytes=3|GNU.sparse.map=1,3"),
      FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    // 0.1: a list
    {"a list",
     {PAX("GNU.sparse.size=20|GNU.sparse.numblocks=2|GNU.sparse.name=name|GNU.sparse.map=1,2,10,1"),
      FILE_OF("s", "abc"), END},
     "-name=[1 10]3/20 ."},
    {"with a version",
     {PAX("GNU.sparse.major=0|GNU.sparse.minor=1|GNU.sparse.size=20|GNU.sparse.map=1,3"), FILE_OF("s", "abc"),
      END},
     "-s=[1]3/20 ."},
    {"its name before path",
     {PAX("path=p|GNU.sparse.name=name|GNU.sparse.size=3|GNU.sparse.map=0,3"), FILE_OF("s", "abc"), END},
     "-name=[0]3/3 ."},
    {"an odd list",
     {PAX("GNU.sparse.size=20|GNU.sparse.map=1,2,10"), FILE_OF("s", "ab"), END},
     "!sparse: EBADMSG"},
    {"one number", {PAX("GNU.sparse.size=20|GNU.sparse.map=1"), FILE_OF("s", ""), END}, "!sparse: EBADMSG"},
    {"a comma at its end",
     {PAX("GNU.sparse.size=20|GNU.sparse.map=1,2,"), FILE_OF("s", "ab"), END},
     "!sparse: EBADMSG"},
    {"at its beginning",
     {PAX("GNU.sparse.size=20|GNU.sparse.map=,1,2"), FILE_OF("s", "ab"), END},
     "!sparse: EBADMSG"},
    {"two", {PAX("GNU.sparse.size=20|GNU.sparse.map=1,,2"), FILE_OF("s", "ab"), END}, "!sparse: EBADMSG"},
    {"blanks", {PAX("GNU.sparse.size=20|GNU.sparse.map=1, 2"), FILE_OF("s", "ab"), END}, "!sparse: EBADMSG"},
    {"a sign", {PAX("GNU.sparse.size=20|GNU.sparse.map=-1,2"), FILE_OF("s", "ab"), END}, "!sparse: EBADMSG"},
    {"too large",
     {PAX("GNU.sparse.size=20|GNU.sparse.map=9223372036854775808,2"), FILE_OF("s", "ab"), END},
     "!sparse: EBADMSG"},
    {"a wrong number of regions",
     {PAX("GNU.sparse.size=20|GNU.sparse.numblocks=2|GNU.sparse.map=1,3"), FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    {"a sum that overflows",
     {PAX("GNU.sparse.size=9223372036854775807|GNU.sparse.map=0,9223372036854775807,"
          "9223372036854775807,9223372036854775807"),
      FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    // what there must be
    {"no size", {PAX("GNU.sparse.map=1,3"), FILE_OF("s", "abc"), END}, "!sparse: EBADMSG"},
    {"no map", {PAX("GNU.sparse.size=20"), FILE_OF("s", "abc"), END}, "!sparse: EBADMSG"},
    {"a name and no map", {PAX("GNU.sparse.name=name"), FILE_OF("s", "abc"), END}, "!sparse: EBADMSG"},
    {"a name and a size",
     {PAX("GNU.sparse.name=name|GNU.sparse.realsize=3"), FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    {"a number of regions", {PAX("GNU.sparse.numblocks=0"), FILE_OF("s", "abc"), END}, "!sparse: EBADMSG"},
    {"version 2",
     {PAX("GNU.sparse.major=2|GNU.sparse.minor=0|GNU.sparse.size=3|GNU.sparse.map=0,3"), FILE_OF("s", "abc"),
      END},
     "!sparse: EBADMSG"},
    {"version 1.1",
     {PAX("GNU.sparse.major=1|GNU.sparse.minor=1|GNU.sparse.size=3|GNU.sparse.map=0,3"), FILE_OF("s", "abc"),
      END},
     "!sparse: EBADMSG"},
    {"version 0.2",
     {PAX("GNU.sparse.major=0|GNU.sparse.minor=2|GNU.sparse.size=3|GNU.sparse.map=0,3"), FILE_OF("s", "abc"),
      END},
     "!sparse: EBADMSG"},
    {"half a version",
     {PAX("GNU.sparse.major=1|GNU.sparse.size=3|GNU.sparse.map=0,3"), FILE_OF("s", "abc"), END},
     "!sparse: EBADMSG"},
    {"on a directory",
     {PAX("GNU.sparse.size=0|GNU.sparse.map=0,0"), {.type = '5', .name = "s"}, END},
     "!sparse: EBADMSG"},
    {"on a link",
     {PAX("GNU.sparse.size=0|GNU.sparse.map=0,0"), {.type = '2', .name = "s", .link = "t"}, END},
     "!sparse: EBADMSG"},
    {"a name of a link",
     {PAX("GNU.sparse.name=n"), {.type = '1', .name = "s", .link = "t"}, END},
     "!sparse: EBADMSG"},
};

// 1.0: the map is the first block or blocks of the data.
#define MAPPED(stored)                                                                                       \
    PAX(V10 "GNU.sparse.realsize=20"),                                                                       \
    {                                                                                                        \
        .type = '0', .name = "s", .size = (stored)                                                           \
    }

static const struct row before[] = {
    {"a map",
     {PAX(V10 "GNU.sparse.name=name|GNU.sparse.realsize=20"),
      {.type = '0', .name = "s", .size = 515},
      {.data = "2\n1\n2\n10\n1\n"},
      {.data = "abc"},
      FILE_OF("f", "1"),
      END},
     "-name=[1 10]3/20 -f=1 ."},
    {"of nothing", {MAPPED(512), {.data = "0\n"}, END}, "-s=[]0/20 ."},
    {"by its other size",
     {PAX(V10 "GNU.sparse.size=3"),
      {.type = '0', .name = "s", .size = 515},
      {.data = "1\n0\n3\n"},
      {.data = "abc"},
      END},
     "-s=[0]3/3 ."},
    {"no room", {MAPPED(511), {.data = "0\n"}, END}, "!sparse: EBADMSG"},
    {"no map", {MAPPED(512)}, "!sparse: EBADMSG"},
    {"half a block of it", {MAPPED(512), {.data = "0\n", .is_bare = true}}, "!block: EBADMSG"},
    {"no end of a number", {MAPPED(512), {.data = "0"}, END}, "!sparse: EBADMSG"},
    {"an empty number", {MAPPED(512), {.data = "\n0\n"}, END}, "!sparse: EBADMSG"},
    {"a sign", {MAPPED(515), {.data = "1\n-1\n3\n"}, {.data = "abc"}, END}, "!sparse: EBADMSG"},
    {"a number of 21 digits",
     {MAPPED(515), {.data = "000000000000000000001\n0\n3\n"}, {.data = "abc"}, END},
     "!sparse: EBADMSG"},
    {"fewer regions than said",
     {MAPPED(515), {.data = "2\n0\n3\n"}, {.data = "abc"}, END},
     "!sparse: EBADMSG"},
    {"more data", {MAPPED(516), {.data = "1\n0\n3\n"}, {.data = "abcd"}, END}, "!sparse: EBADMSG"},
    {"65537 regions", {MAPPED(515), {.data = "65537\n0\n3\n"}, {.data = "abc"}, END}, "!sparse: E2BIG"},
    {"a list besides",
     {PAX(V10 "GNU.sparse.realsize=20|GNU.sparse.map=0,3"),
      {.type = '0', .name = "s", .size = 515},
      {.data = "1\n0\n3\n"},
      {.data = "abc"},
      END},
     "!sparse: EBADMSG"},
    {"pairs besides",
     {PAX(V10 "GNU.sparse.realsize=20|GNU.sparse.offset=0|GNU.sparse.numbytes=3"),
      {.type = '0', .name = "s", .size = 515},
      {.data = "1\n0\n3\n"},
      {.data = "abc"},
      END},
     "!sparse: EBADMSG"},
    {"data that end early",
     {MAPPED(515), {.data = "1\n0\n3\n"}, {.data = "ab", .is_bare = true}},
     "-s=[0 !data: EBADMSG"},
};
static void old_gnu(void **state)
{
    (void)state;
    assert_int_equal(try_rows(old, COUNT(old)), 0);
}

static void pax_lists(void **state)
{
    (void)state;
    assert_int_equal(try_rows(pax, COUNT(pax)), 0);
}

static void pax_maps_before_the_data(void **state)
{
    (void)state;
    assert_int_equal(try_rows(before, COUNT(before)), 0);
}

// -- many regions ------------------------------------------------------------------------------

static struct tar_header *put_sparse_header(char type, size_t stored, size_t real)
{
    const struct step step = {.type = type, .name = "s", .set = {GNU}};
    size_t at = archive_size;
    put_step(&step);
    struct tar_header *h = (struct tar_header *)(archive + at);
    put_octal(h->size, sizeof(h->size), stored);
    put_octal(h->gnu.real_size, sizeof(h->gnu.real_size), real);
    return h;
}

// One byte at each even offset: regions 0 to 3 are in the header, 21 in each continuation.
static void put_old(unsigned count)
{
    archive_size = 0;
    struct tar_header *h = put_sparse_header('S', count, 2 * (size_t)count);
    struct tar_extension *x = NULL;
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = i < 4 ? i : (i - 4) % 21;
        if (i >= 4 && slot == 0) {
            *(x == NULL ? &h->gnu.is_extended : &x->is_extended) = '1';
            x = put_bytes(NULL, sizeof(*x));
        }
        put_octal(i < 4 ? h->gnu.map[slot].offset : x->map[slot].offset, 12, 2 * i);
        put_octal(i < 4 ? h->gnu.map[slot].bytes : x->map[slot].bytes, 12, 1);
    }
    seal(h);
    memset(put_bytes(NULL, count), 'x', count);
    put_padding();
    put_bytes(NULL, 1024);
}

static void put_new(unsigned count)
{
    static char text[1 << 20];
    size_t n = (size_t)sprintf(text, "%u\n", count);
    archive_size = 0;
    for (unsigned i = 0; i < count; i++)
        n += (size_t)sprintf(text + n, "%u\n1\n", 2 * i);
    snprintf(told, sizeof(told), V10 "GNU.sparse.realsize=%u", 2 * count);
    const struct step header = PAX(told);
    put_step(&header);
    struct tar_header *h = put_sparse_header('0', n + -n % TAR_BLOCK_SIZE + count, 0);
    memset(&h->gnu, 0, sizeof(h->gnu)); // a ustar header has no size there
    memcpy(h->magic,
           "ustar\0"
           "00",
           8);
    seal(h);
    put_bytes(text, n);
    put_padding();
    memset(put_bytes(NULL, count), 'x', count);
    put_padding();
    put_bytes(NULL, 1024);
}

// Reads it without telling where the regions are: -errno, or how many.
static int count_regions(unsigned count)
{
    const struct tar_entry *e;
    struct tar_span span;
    unsigned spans = 0;
    begin_reading();
    input.data = archive;
    input.end = archive_size;
    input.ended = true;
    int got = tar_next(&reader, &e);
    if (got < 0)
        return got;
    assert_true(e->sparse && e->size == 2 * (uint64_t)count);
    for (; (got = tar_data(&reader, &span)) > 0; spans++)
        assert_true(span.offset == 2 * (uint64_t)spans && span.length == 1 && span.data[0] == 'x');
    assert_int_equal(got, 0);
    assert_int_equal(tar_next(&reader, &e), 0);
    assert_true(reader.has_end);
    return (int)spans;
}

static void up_to_65536_regions(void **state)
{
    static const unsigned counts[] = {1, 3, 4, 5, 24, 25, 26, 46, 47, 1000, 65535, 65536};
    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        put_old(counts[i]);
        assert_int_equal(count_regions(counts[i]), counts[i]);
        put_new(counts[i]);
        assert_int_equal(count_regions(counts[i]), counts[i]);
    }
    put_old(65537);
    assert_int_equal(count_regions(65537), -E2BIG);
    put_new(65537);
    assert_int_equal(count_regions(65537), -E2BIG);
}

// What is skipped leaves the reader where the next header is.
static void sparse_files_are_skipped(void **state)
{
    const struct tar_entry *e;
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        if (kind == 0)
            put_old(600);
        else
            put_new(600);
        archive_size -= 1024;
        const struct step next = FILE_OF("f", "1"), end = END;
        put_step(&next);
        put_step(&end);
        begin_reading();
        input.data = archive;
        input.end = archive_size;
        input.ended = true;
        assert_int_equal(tar_next(&reader, &e), 1);
        assert_int_equal(tar_next(&reader, &e), 1);
        assert_string_equal(e->name, "f");
        assert_false(e->sparse);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_gnu),
        cmocka_unit_test(pax_lists),
        cmocka_unit_test(pax_maps_before_the_data),
        cmocka_unit_test(up_to_65536_regions),
        cmocka_unit_test(sparse_files_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
