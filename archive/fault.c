// SPDX-License-Identifier: MIT
#include "archive/fault.h"

#include "sys/err.h"
#include "sys/text.h"

static bool archives;
static char text[192];

int fault(const char *op, const char *name, int number, const char *reason)
{
    archives = true;
    return err_because(op, name, number, reason);
}

int fault_at(const char *op, const char *name, uint64_t offset, int number, const char *reason)
{
    struct text t = {text, sizeof(text), 0};
    text_add(&t, reason);
    text_add(&t, ", at byte ");
    text_number(&t, offset);
    text_end(&t);
    return fault(op, name, number, text);
}

bool fault_is_archives(void)
{
    return archives;
}
