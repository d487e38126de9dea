// SPDX-License-Identifier: MIT
//
// The payload's five sets: by default, by options, by an OCI config, and by both.
#include "support.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>

#include "plan/plan.h"

static const uint64_t own = CAPS_BIT(CAP_CHOWN), end = CAPS_BIT(CAP_KILL), admin = CAPS_BIT(CAP_SYS_ADMIN);
static struct plan plan;

static void clear(void **unused)
{
    (void)unused;
    memset(&plan, 0, sizeof(plan));
}

static void say(uint64_t bounding, uint64_t effective, uint64_t inheritable, uint64_t permitted, uint64_t ambient)
{
    plan.has_cap_sets = true;
    plan.cap_sets[PLAN_BOUNDING] = bounding;
    plan.cap_sets[PLAN_EFFECTIVE] = effective;
    plan.cap_sets[PLAN_INHERITABLE] = inheritable;
    plan.cap_sets[PLAN_PERMITTED] = permitted;
    plan.cap_sets[PLAN_AMBIENT] = ambient;
}

static void expect(uint32_t uid, uint64_t held, const uint64_t wanted[PLAN_CAP_SETS])
{
    uint64_t sets[PLAN_CAP_SETS];
    plan_cap_sets_of(&plan, uid, held, sets);
    for (int i = 0; i < PLAN_CAP_SETS; i++)
        assert_int_equal(sets[i], wanted[i]);
}

static void without_a_config(void **state)
{
    clear(state);
    // In the order bounding, effective, inheritable, permitted, ambient.
    expect(0, own | admin, (uint64_t[]){own, own, 0, own, 0});
    expect(1000, own | admin, (uint64_t[]){own, 0, 0, 0, 0});
    plan.cap_add = end;
    expect(1000, own | end, (uint64_t[]){own | end, end, end, end, end});
    plan.cap_drop_all = true;
    expect(0, own | end, (uint64_t[]){end, end, 0, end, 0});
    clear(state);
    plan.cap_add_all = true;
    expect(0, own | admin, (uint64_t[]){own | admin, own | admin, 0, own | admin, 0});
}

static void of_a_config_as_they_are(void **state)
{
    clear(state);
    say(own | end, own, end, own | end, 0);
    const uint64_t wanted[] = {own | end, own, end, own | end, 0};
    expect(0, ~UINT64_C(0), wanted);
    expect(1000, ~UINT64_C(0), wanted);
    assert_int_equal(plan_capabilities(&plan, 1000, ~UINT64_C(0)), own | end);
    say(admin, 0, 0, 0, 0);
    // It may come to be held: what is decided by it must know.
    assert_int_equal(plan_capabilities(&plan, 1000, ~UINT64_C(0)), admin);
    assert_int_equal(plan_named_capabilities(&plan), admin);
    assert_string_equal(plan_forbids_chroot(&plan), "sys_admin");
    say(0, 0, 0, 0, 0);
    expect(0, ~UINT64_C(0), (uint64_t[]){0, 0, 0, 0, 0});
}

static void options_change_all_of_a_config(void **state)
{
    clear(state);
    say(own | end, own, 0, own, 0);
    plan.cap_add = admin;
    plan.cap_drop = end;
    expect(0, 0, (uint64_t[]){own | admin, own | admin, admin, own | admin, admin});
    plan.cap_drop_all = true;
    expect(0, 0, (uint64_t[]){admin, admin, admin, admin, admin});
    assert_int_equal(plan_named_capabilities(&plan), admin);
}

static void what_the_kernel_would_refuse(void **state)
{
    static const struct {
        uint64_t sets[PLAN_CAP_SETS];
        int result;
    } rows[] = {
        {{CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL)}, 0},
        {{0, 0, 0, CAPS_BIT(CAP_KILL), 0}, 0},                                         // permitted alone
        {{CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL), 0, 0, 0}, -EINVAL},                  // effective, not permitted
        {{0, 0, CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL), 0}, -EINVAL},                  // inheritable, not bounding
        {{CAPS_BIT(CAP_KILL), 0, 0, CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL)}, -EINVAL}, // ambient, not inheritable
        {{CAPS_BIT(CAP_KILL), 0, CAPS_BIT(CAP_KILL), 0, CAPS_BIT(CAP_KILL)}, -EINVAL}, // ambient, not permitted
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        clear(state);
        plan.has_cap_sets = true;
        plan.uid = 1000;
        memcpy(plan.cap_sets, rows[i].sets, sizeof(plan.cap_sets));
        assert_int_equal(plan_check_cap_sets(&plan), rows[i].result);
        plan.has_cap_sets = false;
        assert_int_equal(plan_check_cap_sets(&plan), 0);
    }
}

// As `runc spec` writes it.
static void an_ambient_set_that_root_has_anyway(void **state)
{
    clear(state);
    say(end, end, 0, end, end);
    assert_int_equal(plan_check_cap_sets(&plan), 0);
    expect(0, ~UINT64_C(0), (uint64_t[]){end, end, 0, end, 0});
}

static void what_the_caller_lacks(void **state)
{
    struct caps_privilege held = {.permitted = own | end};
    clear(state);
    say(own, 0, 0, 0, 0);
    assert_int_equal(plan_check_held(&plan, &held), 0);
    say(own | admin, 0, 0, 0, 0);
    assert_int_equal(plan_check_held(&plan, &held), -EINVAL);
    plan.cap_drop = admin;
    assert_int_equal(plan_check_held(&plan, &held), 0);
    clear(state);
    plan.cap_add = admin;
    assert_int_equal(plan_check_held(&plan, &held), -EINVAL);
}

static void schedulers_and_a_fork(void **state)
{
    clear(state);
    plan.process.has_scheduler = true;
    plan.process.scheduler.policy = SCHED_DEADLINE;
    plan.process.scheduler.flags = SCHED_FLAG_RESET_ON_FORK;
    assert_int_equal(plan_check_process(&plan), 0);
    plan.join_flags = CLONE_NEWPID;
    assert_int_equal(plan_check_process(&plan), -EINVAL);
    plan.process.scheduler.policy = SCHED_BATCH;
    assert_int_equal(plan_check_process(&plan), -EINVAL);
    plan.process.scheduler.flags = 0;
    assert_int_equal(plan_check_process(&plan), 0);
}

static void two_domain_names(void **state)
{
    clear(state);
    plan.domainname = "one";
    plan.sysctl_count = 1;
    plan.sysctl[0] = (struct plan_sysctl){"kernel.domainname=two", "sys/kernel/domainname", "two"};
    assert_int_equal(plan_check_process(&plan), -EINVAL);
    plan.sysctl[0].value = "one";
    assert_int_equal(plan_check_process(&plan), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_config),
        cmocka_unit_test(of_a_config_as_they_are),
        cmocka_unit_test(options_change_all_of_a_config),
        cmocka_unit_test(what_the_kernel_would_refuse),
        cmocka_unit_test(an_ambient_set_that_root_has_anyway),
        cmocka_unit_test(what_the_caller_lacks),
        cmocka_unit_test(schedulers_and_a_fork),
        cmocka_unit_test(two_domain_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
