// SPDX-License-Identifier: MIT
#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sys/err.h"
#include "sys/num.h"
#include "sys/proc.h"

// A line holds two paths, each up to a page and up to fourfold by its escapes, and the options.
enum { LINE_MAX_BYTES = 64 * 1024 };

int mountinfo_open(void)
{
    return proc_open_file("self/mountinfo", O_RDONLY);
}

bool mountinfo_has_option(const char *options, const char *word)
{
    size_t n = strlen(word);
    for (const char *s = options; *s != '\0';) {
        size_t part = strcspn(s, ",");
        if (part == n && memcmp(s, word, n) == 0)
            return true;
        s += part;
        s += *s == ',';
    }
    return false;
}

// Cuts the next word off *rest; NULL when there is none.
static char *next_word(char **rest)
{
    char *word = *rest;
    if (word == NULL || *word == '\0')
        return NULL;
    char *end = strchr(word, ' ');
    *rest = end != NULL ? end + 1 : NULL;
    if (end != NULL)
        *end = '\0';
    return word;
}

// Undoes \ooo in place: the kernel writes blank, tab, newline and backslash so.
static char *unescape(char *text)
{
    char *to = text;
    for (const char *s = text; *s != '\0'; to++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
            s[3] <= '7') {
            *to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *to = *s++;
        }
    }
    *to = '\0';
    return text;
}

static bool parse_device(const char *text, struct mountinfo *m)
{
    const char *end;
    uint64_t major, minor;
    if (!num_prefix(text, UINT32_MAX, &major, &end) || *end != ':' ||
        !num_decimal(end + 1, UINT32_MAX, &minor))
        return false;
    m->major = (unsigned)major;
    m->minor = (unsigned)minor;
    return true;
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
static bool parse_line(char *line, struct mountinfo *m)
{
    char *id = next_word(&line), *parent = next_word(&line), *device = next_word(&line);
    char *root = next_word(&line), *point = next_word(&line), *options = next_word(&line);
    char *word = options;
    m->unbindable = m->shared = false;
    while (word != NULL && strcmp(word, "-") != 0) {
        m->unbindable |= strcmp(word, "unbindable") == 0;
        m->shared |= strncmp(word, "shared:", 7) == 0;
        word = next_word(&line);
    }
    char *type = next_word(&line);
    (void)next_word(&line); // the source, which can be anything
    char *features = next_word(&line);
    if (type == NULL || !num_decimal(id, UINT64_MAX, &m->id) ||
        !num_decimal(parent, UINT64_MAX, &m->parent) || !parse_device(device, m))
        return false;
    m->root = unescape(root);
    m->point = unescape(point);
    m->options = options;
    m->type = type;
    m->features = features != NULL ? features : "";
    return true;
}

// Blanks in the other fields are escaped: " - TYPE " stands nowhere else.
static bool may_be_of(const char *line, const char *type)
{
    size_t n = type != NULL ? strlen(type) : 0;
    if (type == NULL)
        return true;
    for (const char *s = line; (s = strstr(s, " - ")) != NULL; s++) {
        if (strncmp(s + 3, type, n) == 0 && s[3 + n] == ' ')
            return true;
    }
    return false;
}

int mountinfo_each(int fd, int (*visit)(const struct mountinfo *m, void *context), void *context)
{
    return mountinfo_each_of(fd, NULL, visit, context);
}

int mountinfo_each_of(int fd, const char *of, int (*visit)(const struct mountinfo *m, void *context), void *context)
{
    static char buffer[LINE_MAX_BYTES];
    size_t held = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + held, sizeof(buffer) - held);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_at("read", "/proc/self/mountinfo");
        held += (size_t)n;
        char *line = buffer, *end;
        while ((end = memchr(line, '\n', held - (size_t)(line - buffer))) != NULL) {
            struct mountinfo m;
            *end = '\0';
            if (!may_be_of(line, of)) {
                line = end + 1;
                continue;
            }
            if (!parse_line(line, &m))
                return err_because("read", "/proc/self/mountinfo", EBADMSG, "a line is malformed");
            int result = visit(&m, context);
            if (result != 0)
                return result;
            line = end + 1;
        }
        held -= (size_t)(line - buffer);
        memmove(buffer, line, held);
        if (n == 0)
            return held == 0 ? 0 : err_because("read", "/proc/self/mountinfo", EBADMSG, "it is cut off");
        if (held == sizeof(buffer))
            return err_because("read", "/proc/self/mountinfo", EBADMSG, "a line is too long");
    }
}
