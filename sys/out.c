// SPDX-License-Identifier: MIT
#include "sys/out.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static const char digits[] = "0123456789abcdef";

void out_init(struct out *o, int fd, bool record)
{
    o->fd = fd;
    o->record = record;
    o->cut = o->more = false;
    o->error = 0;
    o->length = 0;
    o->reserve = 64;
}

int out_flush(struct out *o)
{
    for (size_t done = 0; done < o->length && o->error == 0;) {
        ssize_t n = write(o->fd, o->data + done, o->length - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = o->fd, .events = POLLOUT}, 1, -1); // a lost record would say "it runs"
        else if (errno != EINTR)
            o->error = errno;
    }
    o->length = 0;
    return -o->error;
}

static bool has_room(const struct out *o)
{
    return !o->record || o->length + o->reserve <= OUT_MAX;
}

void out_bytes(struct out *o, const char *bytes, size_t n)
{
    while (n > 0) {
        if (o->length == OUT_MAX) {
            if (o->record) {
                o->cut = true;
                return;
            }
            out_flush(o);
        }
        size_t room = OUT_MAX - o->length;
        size_t part = n < room ? n : room;
        memcpy(o->data + o->length, bytes, part);
        o->length += part;
        bytes += part;
        n -= part;
    }
}

void out_text(struct out *o, const char *text)
{
    out_bytes(o, text, strlen(text));
}

void out_number(struct out *o, uint64_t n)
{
    char text[20];
    size_t at = sizeof(text);
    do {
        text[--at] = digits[n % 10];
        n /= 10;
    } while (n > 0);
    out_bytes(o, text + at, sizeof(text) - at);
}

void out_octal(struct out *o, unsigned n)
{
    char text[11];
    size_t at = sizeof(text);
    do {
        text[--at] = digits[n % 8];
        n /= 8;
    } while (n > 0);
    out_bytes(o, text + at, sizeof(text) - at);
}

void out_escaped(struct out *o, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
            out_bytes(o, text, 1);
        else
            out_bytes(o, (char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4);
    }
}

// Bytes of the UTF-8 character at `s`, 0 if it is none (RFC 3629: no surrogates, no overlong forms).
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char first, last, second_min, second_max, length;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},          {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last)
            continue;
        if (forms[i].length > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

static bool is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s != 0) {
        size_t n = utf8_length(s);
        if (n == 0)
            return false;
        s += n;
    }
    return true;
}

static void write_key(struct out *o, const char *key, const char *suffix)
{
    if (o->more)
        out_bytes(o, ",", 1);
    o->more = true;
    if (key == NULL)
        return;
    out_bytes(o, "\"", 1);
    out_text(o, key);
    out_text(o, suffix);
    out_bytes(o, "\":", 2);
}

void out_open(struct out *o, const char *key, char bracket)
{
    write_key(o, key, "");
    out_bytes(o, &bracket, 1);
    o->more = false;
}

void out_close(struct out *o, char bracket)
{
    out_bytes(o, &bracket, 1);
    o->more = true;
}

static void write_json_utf8(struct out *o, const char *value)
{
    for (const unsigned char *s = (const unsigned char *)value; *s != 0;) {
        size_t n = utf8_length(s);
        if (!has_room(o)) {
            out_text(o, "...");
            return;
        }
        if (n == 1 && (*s < ' ' || *s == '"' || *s == '\\' || *s == 0x7f))
            out_bytes(o, (char[]){'\\', 'u', '0', '0', digits[*s >> 4], digits[*s & 15]}, 6);
        else
            out_bytes(o, (const char *)s, n);
        s += n;
    }
}

void out_string(struct out *o, const char *key, const char *value)
{
    bool utf8 = is_utf8(value);
    write_key(o, key, utf8 ? "" : "_hex");
    out_bytes(o, "\"", 1);
    if (utf8) {
        write_json_utf8(o, value);
    } else {
        for (const unsigned char *s = (const unsigned char *)value; *s != 0 && has_room(o); s++)
            out_bytes(o, (char[]){digits[*s >> 4], digits[*s & 15]}, 2);
    }
    out_bytes(o, "\"", 1);
}

void out_integer(struct out *o, const char *key, uint64_t value)
{
    write_key(o, key, "");
    out_number(o, value);
}

void out_signed(struct out *o, const char *key, int64_t value)
{
    write_key(o, key, "");
    if (value < 0)
        out_bytes(o, "-", 1);
    out_number(o, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void out_bool(struct out *o, const char *key, bool value)
{
    write_key(o, key, "");
    out_text(o, value ? "true" : "false");
}

void out_null(struct out *o, const char *key)
{
    write_key(o, key, "");
    out_text(o, "null");
}
