/* SPDX-License-Identifier: Apache-2.0 */
/* On a device whose prompt rows and generated rows go through different kernels, answers still depend on
 * their request alone: in company, after hits on prompts and on whole conversations, after preemption. */
#include "golden/company.h"
#include "modules/loader.h"
#include "tested.h"

int main(void) {
    static const struct {
        const char *path, *kv_type;
    } what[] = {{"models/llama3", "f16"}, {"models/gemma3", "q8_0"}, {"models/qwen3_5", "f32"}};
    enum { N = sizeof what / sizeof *what };
    static company cases[N];
    struct CMUnitTest tests[N];
    tn_loader_set_preopened();
    tn_device_class_offer(tested_device());
    company_seed();
    for (size_t i = 0; i < N; i++) {
        cases[i] = (company){.f = {.path = what[i].path},
                             .s = {.device = tested_device()->name, .kv_type = what[i].kv_type},
                             .n_seq = 8,
                             .most_prompt = 70,
                             .most_new = 60,
                             .n_schedule = 4};
        snprintf(cases[i].name, sizeof cases[i].name, "%s, keys and values in %s", what[i].path,
                 what[i].kv_type);
        tests[i] = (struct CMUnitTest){cases[i].name, company_any_history, NULL, NULL, &cases[i]};
    }
    return unit_main(tests);
}
