// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "cmd/exec.h"
#include "sys/err.h"

static bool has_name(const char *word, const char *name, size_t n)
{
    return strncmp(word, name, n) == 0 && word[n] == '=';
}

static size_t remove_name(char **words, size_t count, const char *name)
{
    size_t left = 0, n = strcspn(name, "=");
    for (size_t i = 0; i < count; i++) {
        if (!has_name(words[i], name, n))
            words[left++] = words[i];
    }
    return left;
}

static char *find_name(char **words, const char *name)
{
    for (; *words != NULL; words++) {
        if (has_name(*words, name, strlen(name)))
            return *words;
    }
    return NULL;
}

int exec_environment(const struct plan *p, char **before, char ***result)
{
    size_t count = 0;
    *result = before;
    if (p->env_count == 0)
        return 0;
    while (before[count] != NULL)
        count++;
    char **words = calloc(count + p->env_count + 1, sizeof(*words));
    if (words == NULL)
        return err_at("calloc", "--env");
    memcpy(words, before, count * sizeof(*words));
    for (unsigned i = 0; i < p->env_count; i++) {
        const struct plan_env *change = &p->env[i];
        if (change->what == ENV_CLEAR) {
            count = 0;
            continue;
        }
        char *word = change->what == ENV_SET ? (char *)change->text : NULL;
        if (change->what == ENV_KEEP)
            word = find_name(before, change->text);
        count = remove_name(words, count, change->text);
        if (word != NULL)
            words[count++] = word;
    }
    words[count] = NULL;
    *result = words;
    return 0;
}
