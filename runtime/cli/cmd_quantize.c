/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/common.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "convert/convert.h"

typedef struct quantize_args {
    const char *type;
    bool force, requantize, json;
    uint64_t threads;
} quantize_args;

#define AT(field) .offset = offsetof(quantize_args, field)
static const tn_option_row options[] = {
    {TN_OPT_WORD, 't', .name = "type", .arg = "TYPE",
     .words = "Q8_0|Q6_K|Q5_K_M|Q5_K_S|Q4_K_M|Q4_K_S|Q4_0|BF16|F16|F32", .help = "what the weights become",
     AT(type)},
    {TN_OPT_FLAG, .name = "requantize", .help = "take weights that are quantised already: they lose twice",
     AT(requantize)},
    {TN_OPT_FLAG, 'f', .name = "force", .help = "replace OUT where it is there", AT(force)},
    {TN_OPT_UINT, .name = "threads", .arg = "N", .min = 1, .max = TN_THREADS_MAX,
     .help = "threads to use (default: as many as the process may keep busy)", AT(threads)},
    {TN_OPT_FLAG, .name = "json", .help = "one JSON object instead of a table", AT(json)},
    {.kind = TN_OPT_END},
};

static const char *type_name(tn_type type) {
    return tn_type_info_get(type)->name;
}

static double bits_of(uint64_t bytes, uint64_t elements) {
    return elements ? 8.0 * (double)bytes / (double)elements : 0;
}

static int print_json(const quantize_args *a, const char *out, const tn_convert_report *r, double seconds,
                      tn_error *err) {
    json_t *types = json_object(), *fallbacks = json_array();
    for (uint32_t i = 0; i < r->n_type; i++)
        json_object_set_new(types, type_name(r->types[i].type),
                            json_pack("{s:I,s:I}", "tensors", (json_int_t)r->types[i].n, "bytes",
                                      (json_int_t)r->types[i].bytes));
    for (uint32_t i = 0; i < r->n_fallback; i++)
        json_array_append_new(
            fallbacks, json_pack("{s:I,s:I,s:s,s:s}", "tensors", (json_int_t)r->fallbacks[i].n, "columns",
                                 (json_int_t)r->fallbacks[i].cols, "wanted",
                                 type_name(r->fallbacks[i].wanted), "type", type_name(r->fallbacks[i].type)));
    json_t *all = json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:I,s:I,s:f,s:f}", "out", out, "type", a->type, "types",
                            types, "fallbacks", fallbacks, "tensors_left_out", (json_int_t)r->n_unread,
                            "weights", (json_int_t)r->elements, "bytes", (json_int_t)r->bytes, "file_bytes",
                            (json_int_t)r->file_bytes, "bits_per_weight", bits_of(r->bytes, r->elements),
                            "seconds", seconds);
    char *text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(all);
    return text ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

static void print_table(const char *out, const tn_convert_report *r, double seconds) {
    printf("%-6s %8s %10s %8s\n", "type", "tensors", "MB", "bits");
    for (uint32_t i = 0; i < r->n_type; i++)
        printf("%-6s %8llu %10.1f %8.2f\n", type_name(r->types[i].type), (unsigned long long)r->types[i].n,
               (double)r->types[i].bytes / 1e6, bits_of(r->types[i].bytes, r->types[i].elements));
    printf("%-6s %8llu %10.1f %8.2f\n", "all", (unsigned long long)r->n_tensor, (double)r->bytes / 1e6,
           bits_of(r->bytes, r->elements));
    for (uint32_t i = 0; i < r->n_fallback; i++)
        printf("rows of %llu are no multiple of the %u that %s takes: %s instead (tensors: %llu)\n",
               (unsigned long long)r->fallbacks[i].cols,
               tn_type_info_get(r->fallbacks[i].wanted)->block_elems, type_name(r->fallbacks[i].wanted),
               type_name(r->fallbacks[i].type), (unsigned long long)r->fallbacks[i].n);
    if (r->n_unread)
        printf("left out, since the language model does not use it: %s (tensors: %llu)\n", r->unread,
               (unsigned long long)r->n_unread);
    printf("%s: %.1f MB in %.1f s\n", out, (double)r->file_bytes / 1e6, seconds);
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const quantize_args *a = args;
    tn_convert_report report;
    tn_progress progress;
    char *path = NULL;
    (void)n;
    if (!a->type) return tn_usage(err, "--type is needed");
    int rc = tn_model_find(operands[0], &path, err);
    if (rc) return rc;
    tn_interrupt_catch();
    tn_progress_init(&progress, "quantising");
    tn_convert_options o = {.in = path,
                            .out = operands[1],
                            .mix = tn_mix_find(a->type),
                            .requantize = a->requantize,
                            .replace = a->force,
                            .n_thread = (uint32_t)a->threads,
                            .progress = tn_progress_step,
                            .progress_ctx = &progress};
    double start = tn_clock_s();
    rc = tn_convert(&o, &report, err);
    tn_progress_fini(&progress);
    free(path);
    if (rc) return rc;
    if (report.n_twice)
        tn_log(TN_LOG_WARN, "quantize", "%llu tensors were quantised already and have now lost twice",
               (unsigned long long)report.n_twice);
    if (a->json) return print_json(a, operands[1], &report, tn_clock_s() - start, err);
    print_table(operands[1], &report, tn_clock_s() - start);
    return 0;
}

const tn_command tn_cmd_quantize = {
    .name = "quantize",
    .operands = "MODEL OUT",
    .help = "write a model's weights to a GGUF file in other types",
    .about = "Reads MODEL, a directory of safetensors or a GGUF file, and writes OUT, a GGUF file.\n"
             "In the mixes _M and _S some matrices get more bits than the rest. Vectors stay F32.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 2,
    .max_operands = 2,
    .args_size = sizeof(quantize_args),
    .run = run,
};
