/* SPDX-License-Identifier: MIT */
/* The smallest payload: succeeds. */
int main(void)
{
    return 0;
}
