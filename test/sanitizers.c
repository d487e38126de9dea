// SPDX-License-Identifier: MIT
// Linked into the sanitizer build only. Defaults stand in the binary, not in ASAN_OPTIONS: the tests
// compare environments, and a payload would inherit it.

const char *__asan_default_options(void);

// No leak check: it stops the process with ptrace, which a dropped capability or a tracer forbids,
// and a helper that ends hands its memory back by ending.
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
