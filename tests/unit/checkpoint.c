/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoint directories: files and shards, quantised weights packed here bit by bit and read back exactly,
 * what is wrong with a directory said by name, and the fixtures as a whole. */
#include "unit/unit.h"

#include <glob.h>
#include <math.h>

#include "base/json.h"
#include "unit/files.h"
#include "unit/model_files.h"
#include "weights/checkpoint.h"
#include "weights/float.h"

/* --- writing --- */

/* A safetensors file in the making. Headers are not padded: the data lie as they come. */
typedef struct writer {
    tn_buf header, data;
} writer;

static writer writer_new(void) {
    writer w;
    tn_buf_init(&w.header, FILE_MAX);
    tn_buf_init(&w.data, FILE_MAX);
    return w;
}

/* shape is JSON: "2,3". */
static void add(writer *w, const char *name, const char *dtype, const char *shape, const void *data,
                size_t n) {
    tn_buf_addf(&w->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                w->header.len ? "," : "", name, dtype, shape, w->data.len, w->data.len + n);
    tn_buf_add(&w->data, data, n);
}

static void finish(writer *w, const char *dir, const char *file) {
    char path[4400];
    tn_buf b;
    tn_buf_init(&b, FILE_MAX);
    put_u64(&b, w->header.len + 2);
    tn_buf_addc(&b, '{');
    tn_buf_add(&b, w->header.data ? w->header.data : "", w->header.len);
    tn_buf_addc(&b, '}');
    tn_buf_add(&b, w->data.data ? w->data.data : "", w->data.len);
    assert_int_equal(b.status, 0);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    unit_write(path, b.data, b.len);
    tn_buf_free(&b), tn_buf_free(&w->header), tn_buf_free(&w->data);
}

/* A file with one F32 tensor of one element. */
static void write_one(const char *dir, const char *file, const char *tensor, float value) {
    writer w = writer_new();
    add(&w, tensor, "F32", "1", &value, sizeof value);
    finish(&w, dir, file);
}

static tn_checkpoint *open_dir(const char *dir) {
    tn_checkpoint *c;
    tn_error err = {0};
    if (tn_checkpoint_open(dir, &c, &err)) fail_msg("%s", err.text);
    return c;
}

static void refuse(const char *path, int code, const char *says) {
    tn_checkpoint *c = NULL;
    tn_error err = {0};
    int rc = tn_checkpoint_open(path, &c, &err);
    if (rc != code || !strstr(err.text, says))
        fail_msg("got %d \"%s\", not %d \"%s\"", rc, err.text, code, says);
    assert_int_equal(err.code, code);
    assert_null(c);
}

static float only_value(const tn_checkpoint *c, const char *name) {
    float v;
    const tn_tensor *t = tn_checkpoint_tensor_find(c, name);
    assert_non_null(t);
    tn_tensor_dequantize(t, 0, 0, 1, &v);
    return v;
}

/* --- directories --- */

static void single_file_is_read(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    unit_write_in(dir, "config.json", "{\"model_type\":\"x\"}");
    unit_write_in(dir, "generation_config.json", "{\"top_k\":3}");
    write_one(dir, "model.safetensors", "a", 7);
    tn_checkpoint *c = open_dir(dir);
    assert_string_equal(tn_checkpoint_path(c), dir);
    assert_string_equal(json_string_value(json_object_get(tn_checkpoint_config(c), "model_type")), "x");
    assert_int_equal(json_integer_value(json_object_get(tn_checkpoint_generation_config(c), "top_k")), 3);
    assert_null(tn_checkpoint_gguf(c));
    assert_int_equal(tn_checkpoint_tensor_count(c), 1);
    assert_int_equal(tn_checkpoint_bytes(c), 4);
    assert_true(only_value(c, "a") == 7);
    assert_null(tn_checkpoint_tensor_find(c, "b"));
    assert_null(tn_checkpoint_tensor_at(c, 1));
    tn_checkpoint_close(c);
    unit_remove_dir(dir);
}

static void gguf_file_is_read(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    char path[4400];
    tn_buf b;
    tn_buf_init(&b, FILE_MAX);
    put_sample_gguf(&b);
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    unit_write(path, b.data, b.len);
    tn_checkpoint *c = open_dir(path);
    assert_null(tn_checkpoint_config(c));
    assert_non_null(tn_checkpoint_gguf(c));
    assert_int_equal(tn_checkpoint_tensor_count(c), SAMPLE_TENSORS);
    assert_string_equal(tn_checkpoint_tensor_at(c, 1)->name, "q8");
    assert_int_equal(tn_checkpoint_bytes(c), 24 + 68 + 144);
    tn_checkpoint_close(c);
    refuse(dir, TN_ENOENT, "no config.json");
    tn_buf_free(&b);
    unit_remove_dir(dir);
}

/* --- a file with the vision tower --- */

/* Tensors [1, 1] of F32: the i-th is called names[i] and holds base + i. */
static void write_gguf(const char *dir, const char *file, const char *arch, float base,
                       const char *const *names, uint32_t n) {
    char path[4400];
    tn_buf b;
    tn_buf_init(&b, FILE_MAX);
    put_header(&b, n, 2);
    put_key(&b, "general.architecture", TN_GGUF_STRING), put_string(&b, arch);
    put_kv_u32(&b, "clip.vision.block_count", (uint32_t)base);
    for (uint32_t i = 0; i < n; i++) put_tensor(&b, names[i], 1, 1, TN_TYPE_F32, 32 * i);
    put_padding(&b, 32);
    for (uint32_t i = 0; i < n; i++) put_f32(&b, base + (float)i), put_zeros(&b, 28);
    assert_int_equal(b.status, 0);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    unit_write(path, b.data, b.len);
    tn_buf_free(&b);
}

static void refuse_mmproj(tn_checkpoint *c, const char *dir, const char *file, int code, const char *says) {
    char path[4400];
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    int rc = tn_checkpoint_add_mmproj(c, path, &err);
    if (rc != code || !strstr(err.text, says))
        fail_msg("got %d \"%s\", not %d \"%s\"", rc, err.text, code, says);
}

/* What both files have, each is asked for its own. */
static void a_tower_stays_apart(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    static const char *const text[] = {"token_embd.weight", "v.patch_embd.weight", "mm.0.weight"};
    static const char *const tower[] = {"v.patch_embd.weight", "token_embd.weight", "mm.2.weight"};
    char path[4400];
    tn_error err = {0};
    write_gguf(dir, "model.gguf", "toy", 1, text, 3);
    write_gguf(dir, "mmproj.gguf", "clip", 10, tower, 3);
    write_gguf(dir, "sound.gguf", "clip", 20, tower + 1, 1);
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    tn_checkpoint *c = open_dir(path);
    assert_null(tn_checkpoint_mmproj(c));
    assert_null(tn_checkpoint_tensor_find(c, "v.patch_embd.weight"));
    refuse_mmproj(c, dir, "model.gguf", TN_EINVAL, "general.architecture is \"toy\"");
    refuse_mmproj(c, dir, "sound.gguf", TN_EINVAL, "holds no vision tower");
    refuse_mmproj(c, dir, "none.gguf", TN_ENOENT, "none.gguf");
    assert_null(tn_checkpoint_mmproj(c));
    snprintf(path, sizeof path, "%s/mmproj.gguf", dir);
    for (int i = 0; i < 2; i++) assert_int_equal(tn_checkpoint_add_mmproj(c, path, &err), 0); /* replaces */
    assert_non_null(tn_checkpoint_mmproj(c));
    assert_true(only_value(c, "token_embd.weight") == 1);
    assert_true(only_value(c, "v.patch_embd.weight") == 10);
    assert_true(only_value(c, "mm.2.weight") == 12);
    assert_null(tn_checkpoint_tensor_find(c, "mm.0.weight"));
    assert_int_equal(tn_checkpoint_tensor_count(c), 6);
    assert_int_equal(tn_checkpoint_bytes(c), 24);
    assert_string_equal(tn_checkpoint_tensor_at(c, 5)->name, "mm.2.weight");
    assert_null(tn_checkpoint_tensor_at(c, 6));
    assert_int_equal(tn_gguf_find(tn_checkpoint_gguf(c), "clip.vision.block_count")->u, 1);
    tn_checkpoint_drop_mmproj(c);
    assert_null(tn_checkpoint_tensor_find(c, "mm.2.weight"));
    assert_int_equal(tn_checkpoint_bytes(c), 12);
    tn_checkpoint_close(c);
    unit_remove_dir(dir);
}

#define INDEX "model.safetensors.index.json"
#define ONE   "model-00001-of-00002.safetensors"
#define TWO   "model-00002-of-00002.safetensors"

static void write_shards(const char *dir) {
    unit_write_in(dir, "config.json", "{}");
    unit_write_in(dir, INDEX, "{\"weight_map\":{\"a\":\"" ONE "\",\"b\":\"" TWO "\"}}");
    write_one(dir, ONE, "a", 1);
    write_one(dir, TWO, "b", 2);
}

static void shards_are_one_model(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    write_shards(dir);
    for (int index = 1; index >= 0; index--) { /* with and without the index */
        tn_checkpoint *c = open_dir(dir);
        assert_int_equal(tn_checkpoint_tensor_count(c), 2);
        assert_true(only_value(c, "a") == 1 && only_value(c, "b") == 2);
        assert_null(tn_checkpoint_generation_config(c));
        tn_checkpoint_close(c);
        if (index) unit_remove(dir, INDEX);
    }
    unit_remove_dir(dir);
}

static void broken_shards_are_named(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    write_shards(dir);
    write_one(dir, TWO, "c", 2);
    refuse(dir, TN_EFORMAT, TWO ": has no tensor b");
    write_one(dir, TWO, "a", 2);
    unit_write_in(dir, INDEX, "{\"weight_map\":{\"a\":\"" TWO "\"}}");
    tn_checkpoint_close(open_dir(dir));
    unit_remove(dir, INDEX);
    refuse(dir, TN_EFORMAT, "tensor a is in two files");
    unit_remove(dir, TWO);
    refuse(dir, TN_ENOENT, ONE ": one of 2 files by its name, 1 are there");
    unit_write_in(dir, INDEX, "{\"weight_map\":{\"a\":\"" ONE "\",\"b\":\"" TWO "\"}}");
    refuse(dir, TN_ENOENT, TWO ": missing");
    unit_write_in(dir, TWO, "short");
    refuse(dir, TN_EFORMAT, TWO ": 5 bytes");
    unit_remove_dir(dir);
}

static void bad_indexes_are_refused(void **state) {
    (void)state;
    static const char *const values[] = {
        "{\"weight_map\":{\"a\":\"../" ONE "\"}}",
        "{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
        "{\"weight_map\":{\"a\":\".safetensors\"}}",
        "{\"weight_map\":{\"a\":\"model.bin\"}}",
        "{\"weight_map\":{\"a\":7}}",
    };
    const char *dir = unit_temp_dir();
    write_shards(dir);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        unit_write_in(dir, INDEX, values[i]);
        refuse(dir, TN_EFORMAT, "what it says of tensor a");
    }
    unit_write_in(dir, INDEX, "{}");
    refuse(dir, TN_EFORMAT, "weight_map");
    unit_write_in(dir, INDEX, "{\"weight_map\":[]}");
    refuse(dir, TN_EFORMAT, "weight_map");
    unit_write_in(dir, INDEX, "{");
    refuse(dir, TN_EFORMAT, "not valid JSON");
    unit_remove_dir(dir);
}

static void incomplete_directories_are_refused(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    unit_write_in(dir, "tokenizer.json", "{}");
    refuse(dir, TN_ENOENT, "no config.json");
    unit_write_in(dir, "config.json", "{}");
    refuse(dir, TN_ENOENT, "no weights");
    unit_write_in(dir, "config.json", "[]");
    refuse(dir, TN_EFORMAT, "config.json: not a JSON object");
    unit_write_in(dir, "config.json", "{");
    refuse(dir, TN_EFORMAT, "config.json: not valid JSON");
    unit_write_in(dir, "config.json", "{}");
    unit_write_in(dir, "generation_config.json", "nonsense");
    refuse(dir, TN_EFORMAT, "generation_config.json: not valid JSON");
    unit_remove_dir(dir);
    refuse("/nonexistent/model", TN_ENOENT, "/nonexistent/model");
    refuse("/nonexistent/model.safetensors", TN_EINVAL, "name the directory");
    refuse("/dev/null", TN_EIO, "/dev/null");
}

/* --- quantised weights --- */

enum { LAYERS = 2, ROWS = 3, COLS = 128 };

static uint32_t random_state;
static uint32_t next_random(void) {
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

/* Appends the low n bits of v to a stream of bits, least significant first. */
static void put_bits(uint8_t *stream, size_t *at, uint32_t v, int n) {
    for (int i = 0; i < n; i++, ++*at) stream[*at / 8] |= (uint8_t)((v >> i & 1) << *at % 8);
}

/* Scale i of a tensor in its stored form, and its value. */
static float put_scale(uint8_t *to, tn_type type, size_t i, float v) {
    if (type == TN_TYPE_F32) {
        memcpy(to + 4 * i, &v, 4);
        return v;
    }
    uint16_t h = type == TN_TYPE_F16 ? tn_f32_to_f16(v) : tn_f32_to_bf16(v);
    memcpy(to + 2 * i, &h, 2);
    return type == TN_TYPE_F16 ? tn_f16_to_f32(h) : tn_bf16_to_f32(h);
}

/* Adds P.weight, P.scales and P.biases of random codes, shape [LAYERS, ROWS, COLS]; want gets the elements.
 */
static void add_affine(writer *w, const char *path, int bits, int group, tn_type scale_type, float *want) {
    enum { ELEMS = LAYERS * ROWS * COLS };
    static uint8_t codes[ELEMS], scales[4 * ELEMS], biases[4 * ELEMS];
    size_t at = 0, n_scales = ELEMS / (size_t)group, scale_bytes = scale_type == TN_TYPE_F32 ? 4 : 2;
    const char *dtype = tn_type_info_get(scale_type)->name;
    char name[100], shape[60];
    memset(codes, 0, sizeof codes);
    for (size_t g = 0; g < n_scales; g++) {
        float scale = put_scale(scales, scale_type, g, ((float)next_random() - 8e6f) * 1e-8f);
        float bias = put_scale(biases, scale_type, g, ((float)next_random() - 8e6f) * 1e-7f);
        for (int i = 0; i < group; i++) {
            uint32_t code = next_random() & ((1u << bits) - 1);
            put_bits(codes, &at, code, bits);
            float product = scale * (float)code;
            *want++ = product + bias;
        }
    }
    snprintf(name, sizeof name, "%s.weight", path);
    snprintf(shape, sizeof shape, "%d,%d,%d", LAYERS, ROWS, COLS * bits / 32);
    add(w, name, "U32", shape, codes, at / 8);
    snprintf(shape, sizeof shape, "%d,%d,%d", LAYERS, ROWS, COLS / group);
    snprintf(name, sizeof name, "%s.scales", path);
    add(w, name, dtype, shape, scales, n_scales * scale_bytes);
    snprintf(name, sizeof name, "%s.biases", path);
    add(w, name, dtype, shape, biases, n_scales * scale_bytes);
}

static void check_rows(const tn_tensor *t, const float *want) {
    float got[COLS];
    assert_true(t->n_dim == 3 && t->dim[0] == LAYERS && t->dim[1] == ROWS && t->dim[2] == COLS);
    for (uint64_t r = 0; r < LAYERS * ROWS; r++) {
        tn_tensor_dequantize(t, r, 0, COLS, got);
        assert_memory_equal(got, want + r * COLS, sizeof got);
        tn_tensor_dequantize(t, r, COLS - t->group, t->group, got);
        assert_memory_equal(got, want + r * COLS + COLS - t->group, t->group * sizeof *got);
    }
}

static void affine_codes_of_every_width_are_read(void **state) {
    (void)state;
    static const int widths[] = {2, 3, 4, 5, 6, 8};
    static const tn_type types[] = {TN_TYPE_BF16, TN_TYPE_F16, TN_TYPE_F32};
    static float want[LAYERS * ROWS * COLS];
    const char *dir = unit_temp_dir();
    random_state = 1;
    for (int i = 0; i < 6 * 3; i++) {
        int bits = widths[i / 3], group = 32 << i % 3;
        char config[100];
        writer w = writer_new();
        add_affine(&w, "p.q", bits, group, types[(i + i / 3) % 3], want);
        finish(&w, dir, "model.safetensors");
        snprintf(config, sizeof config, "{\"quantization\":{\"bits\":%d,\"group_size\":%d}}", bits, group);
        unit_write_in(dir, "config.json", config);
        tn_checkpoint *c = open_dir(dir);
        assert_int_equal(tn_checkpoint_tensor_count(c), 1);
        const tn_tensor *t = tn_checkpoint_tensor_find(c, "p.q.weight");
        assert_true(t->type == TN_TYPE_AFFINE && (int)t->bits == bits && (int)t->group == group);
        assert_int_equal(tn_tensor_row_bytes(t), COLS * bits / 8);
        check_rows(t, want);
        tn_checkpoint_close(c);
    }
    unit_remove_dir(dir);
}

static void overrides_are_obeyed(void **state) {
    (void)state;
    static float want[4][LAYERS * ROWS * COLS];
    const char *dir = unit_temp_dir();
    writer w = writer_new();
    random_state = 2;
    add_affine(&w, "plain", 4, 64, TN_TYPE_BF16, want[0]);
    add_affine(&w, "finer", 6, 32, TN_TYPE_BF16, want[1]);
    add_affine(&w, "defaults", 4, 64, TN_TYPE_BF16, want[2]);
    add_affine(&w, "yes", 4, 64, TN_TYPE_BF16, want[3]);
    add(&w, "no.weight", "F32", "1", &(float){5}, 4);
    finish(&w, dir, "model.safetensors");
    unit_write_in(
        dir, "config.json",
        "{\"quantization\":{\"bits\":4,\"group_size\":64,\"mode\":\"affine\",\"finer\":{\"bits\":6,\"group_size\":32},"
        "\"defaults\":{},\"yes\":true,\"no\":false,\"absent\":{\"bits\":7}}}");
    tn_checkpoint *c = open_dir(dir);
    assert_int_equal(tn_checkpoint_tensor_count(c), 5);
    assert_string_equal(tn_checkpoint_tensor_at(c, 1)->name, "finer.weight");
    check_rows(tn_checkpoint_tensor_find(c, "plain.weight"), want[0]);
    check_rows(tn_checkpoint_tensor_find(c, "finer.weight"), want[1]);
    check_rows(tn_checkpoint_tensor_find(c, "defaults.weight"), want[2]);
    check_rows(tn_checkpoint_tensor_find(c, "yes.weight"), want[3]);
    assert_true(only_value(c, "no.weight") == 5);
    assert_null(tn_checkpoint_tensor_find(c, "plain.scales"));
    tn_checkpoint_close(c);
    unit_remove_dir(dir);
}

/* One row of 32 codes 0, 1, 2, ...; the scale byte stands for 2. */
static void check_mode(const char *mode, const char *codes_shape, const char *scales_shape, int bits,
                       uint8_t scale, float (*value)(unsigned code)) {
    uint8_t codes[32] = {0}, scales[2] = {scale, scale};
    size_t at = 0;
    float got[32];
    char config[100];
    const char *dir = unit_temp_dir();
    writer w = writer_new();
    for (uint32_t i = 0; i < 32; i++) put_bits(codes, &at, i * 5, bits);
    add(&w, "odd", "U8", "1", codes, 1);
    add(&w, "w.weight", "U32", codes_shape, codes, at / 8);
    add(&w, "w.scales", "U8", scales_shape, scales, strcmp(scales_shape, "1,1") == 0 ? 1 : 2);
    finish(&w, dir, "model.safetensors");
    snprintf(config, sizeof config, "{\"quantization\":{\"bits\":%d,\"group_size\":%d,\"mode\":\"%s\"}}",
             bits, strcmp(scales_shape, "1,1") == 0 ? 32 : 16, mode);
    unit_write_in(dir, "config.json", config);
    tn_checkpoint *c = open_dir(dir);
    const tn_tensor *t = tn_checkpoint_tensor_find(c, "w.weight");
    tn_tensor_dequantize(t, 0, 0, 32, got);
    for (unsigned i = 0; i < 32; i++) assert_true(got[i] == 2 * value(i * 5));
    tn_checkpoint_close(c);
    unit_remove_dir(dir);
}

static float e2m1_value(unsigned code) {
    static const float values[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    return code & 8 ? -values[code & 7] : values[code & 7];
}
static float e4m3_value(unsigned code) {
    int exp = (int)(code >> 3 & 15), man = (int)(code & 7);
    float v = exp ? ldexpf(1 + (float)man / 8, exp - 7) : ldexpf((float)man, -9);
    return code & 128 ? -v : v;
}

static void mx_modes_are_read(void **state) {
    (void)state;
    check_mode("mxfp4", "1,4", "1,1", 4, 128, e2m1_value);
    check_mode("nvfp4", "1,4", "1,2", 4, 0x40, e2m1_value);
    check_mode("mxfp8", "1,8", "1,1", 8, 128, e4m3_value);
}

static void mxfp4_blocks_are_read(void **state) {
    (void)state;
    uint8_t codes[64] = {0}, scales[4] = {128, 127, 126, 125};
    size_t at = 0;
    float got[64];
    const char *dir = unit_temp_dir();
    writer w = writer_new();
    for (uint32_t i = 0; i < 128; i++) put_bits(codes, &at, i * 7 & 15, 4);
    add(&w, "e.down_proj_blocks", "U8", "1,2,2,16", codes, 64);
    add(&w, "e.down_proj_scales", "U8", "1,2,2", scales, 4);
    finish(&w, dir, "model.safetensors");
    unit_write_in(dir, "config.json", "{\"quantization_config\":{\"quant_method\":\"mxfp4\"}}");
    tn_checkpoint *c = open_dir(dir);
    const tn_tensor *t = tn_checkpoint_tensor_find(c, "e.down_proj_blocks");
    assert_true(t->n_dim == 3 && t->dim[0] == 1 && t->dim[1] == 2 && t->dim[2] == 64);
    assert_int_equal(tn_checkpoint_tensor_count(c), 1);
    for (unsigned r = 0; r < 2; r++) {
        tn_tensor_dequantize(t, r, 0, 64, got);
        for (unsigned i = 0; i < 64; i++)
            assert_true(got[i] == ldexpf(e2m1_value((r * 64 + i) * 7), (int)scales[r * 2 + i / 32] - 127));
    }
    tn_checkpoint_close(c);
    unit_remove_dir(dir);
}

/* A weight [1, 64] in 4 bits and groups of 32, of which one part is replaced or left out. */
typedef struct odd_case {
    const char *config;
    const char *scales_dtype, *scales_shape, *biases_dtype, *biases_shape;
    int code;
    const char *says;
} odd_case;

static void add_zeros(writer *w, const char *name, const char *dtype, const char *shape, size_t n) {
    static const uint8_t zeros[256];
    add(w, name, dtype, shape, zeros, n);
}

#define Q4 "{\"quantization\":{\"bits\":4,\"group_size\":32}}"

static void odd_quantization_is_refused(void **state) {
    (void)state;
    static const odd_case cases[] = {
        {"{}", "F16", "1,2", "F16", "1,2", TN_EFORMAT, "config.json has no quantization"},
        {Q4, "F16", "1,2", NULL, NULL, TN_EFORMAT, "p.biases is missing"},
        {Q4, "F16", "1,2", "F32", "1,1", TN_EFORMAT, "differ in shape or type"},
        {Q4, "F16", "1,2", "F16", "2,1", TN_EFORMAT, "differ in shape or type"},
        {Q4, "F16", "2,1", "F16", "2,1", TN_EFORMAT, "p.weight has rows of 8 words and p.scales rows of 1"},
        {Q4, "F16", "2", "F16", "2", TN_EFORMAT, "p.scales rows of 2"},
        {Q4, "I16", "1,2", "I16", "1,2", TN_ENOTSUP, "p.scales has type I16"},
        {"{\"quantization\":{\"bits\":8,\"group_size\":32}}", "F16", "1,2", "F16", "1,2", TN_EFORMAT,
         "8 bits"},
        {"{\"quantization\":{\"bits\":4,\"group_size\":64}}", "F16", "1,2", "F16", "1,2", TN_EFORMAT,
         "groups of 64"},
        {"{\"quantization\":{\"bits\":7,\"group_size\":32}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP,
         "7 bits"},
        {"{\"quantization\":{\"bits\":4,\"group_size\":48}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP,
         "groups of 48"},
        {"{\"quantization\":{\"bits\":-4,\"group_size\":32}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP,
         "0 bits"},
        {"{\"quantization\":{\"bits\":\"4\",\"group_size\":32}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP,
         "0 bits"},
        {"{\"quantization\":{\"mode\":\"int9\"}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP, "mode int9 of p"},
        {"{\"quantization\":{\"mode\":3}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP, "mode (not a name) of p"},
        {"{\"quantization\":{\"p\":false}}", "F16", "1,2", "F16", "1,2", TN_EFORMAT, "p is not quantised"},
        {"{\"quantization\":{\"p\":[]}}", "F16", "1,2", "F16", "1,2", TN_EFORMAT,
         "neither an object nor a bool"},
        {"{\"quantization\":{\"mode\":\"mxfp4\",\"bits\":8}}", "U8", "2", NULL, NULL, TN_ENOTSUP, "8 bits"},
        {"{\"quantization\":{\"mode\":\"mxfp4\"}}", "F16", "1,2", NULL, NULL, TN_ENOTSUP,
         "p.scales has type F16"},
        {"{\"quantization\":{\"mode\":\"mxfp4\"}}", "U8", "1,2", "U8", "1,2", TN_EFORMAT,
         "p.biases is there"},
        {"{\"quantization_config\":{\"quant_method\":\"gptq\"}}", "F16", "1,2", "F16", "1,2", TN_ENOTSUP,
         "gptq"},
        {"{\"text_config\":{\"quantization_config\":{\"quant_method\":\"fp8\"}}}", "F16", "1,2", "F16", "1,2",
         TN_ENOTSUP, "fp8"},
    };
    const char *dir = unit_temp_dir();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const odd_case *o = &cases[i];
        size_t size = strcmp(o->scales_dtype, "U8") == 0 ? 2 : 4;
        writer w = writer_new();
        add_zeros(&w, "p.weight", "U32", "1,8", 32);
        add_zeros(&w, "p.scales", o->scales_dtype, o->scales_shape, size);
        if (o->biases_dtype) add_zeros(&w, "p.biases", o->biases_dtype, o->biases_shape, size);
        finish(&w, dir, "model.safetensors");
        unit_write_in(dir, "config.json", o->config);
        refuse(dir, o->code, o->says);
    }
    unit_remove_dir(dir);
}

static void other_scales_stay_plain(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    writer w = writer_new();
    add_zeros(&w, "p.qweight", "I32", "8", 32);
    add_zeros(&w, "p.scales", "F16", "2", 4);
    add_zeros(&w, "q.weight", "F16", "2", 4);
    add_zeros(&w, "q.scales", "F16", "2", 4);
    add_zeros(&w, "r_scales", "F16", "2", 4);
    finish(&w, dir, "model.safetensors");
    unit_write_in(dir, "config.json", "{}");
    tn_checkpoint *c = open_dir(dir);
    assert_int_equal(tn_checkpoint_tensor_count(c), 5);
    tn_checkpoint_close(c);
    unit_remove_dir(dir);
}

/* --- fixtures --- */

static void check_directory(const char *path) {
    tn_checkpoint *c = open_dir(path);
    assert_true(tn_checkpoint_tensor_count(c) > 5);
    assert_true(tn_checkpoint_bytes(c) > 1000);
    for (uint64_t i = 0; i < tn_checkpoint_tensor_count(c); i++) {
        const tn_tensor *t = tn_checkpoint_tensor_at(c, i);
        assert_ptr_equal(t, tn_checkpoint_tensor_find(c, t->name));
        assert_null(strstr(t->name, "scales"));
        if (!isfinite(walk_tensor(t))) fail_msg("%s: %s is not finite", path, t->name);
    }
    tn_checkpoint_close(c);
}

static void check_all(const char *pattern) {
    char full[4200];
    glob_t found;
    snprintf(full, sizeof full, "%s/%s", unit_vectors(), pattern);
    if (glob(full, GLOB_ONLYDIR, NULL, &found)) unit_skip("no %s", full);
    for (size_t i = 0; i < found.gl_pathc; i++) check_directory(found.gl_pathv[i]);
    globfree(&found);
}

static void models_are_read(void **state) {
    (void)state;
    check_all("models/*");
}

static void mlx_directories_are_read(void **state) {
    (void)state;
    check_all("mlx/*");
}

/* |a - b| / |b| over all elements of two tensors of one shape. */
static double distance(const tn_tensor *a, const tn_tensor *b) {
    double diff = 0, norm = 0;
    uint64_t cols = tn_tensor_cols(b), rows = tn_tensor_rows(b);
    float *x = malloc(cols * sizeof *x), *y = malloc(cols * sizeof *y);
    assert_true(tn_tensor_cols(a) == cols && tn_tensor_rows(a) == rows);
    for (uint64_t r = 0; r < rows; r++) {
        tn_tensor_dequantize(a, r, 0, cols, x);
        tn_tensor_dequantize(b, r, 0, cols, y);
        for (uint64_t i = 0; i < cols; i++) {
            diff += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
            norm += (double)y[i] * (double)y[i];
        }
    }
    free(x), free(y);
    return sqrt(diff / norm);
}

/* A quantised directory holds nearly the weights of the model that it was made from. */
static void check_near(const char *quantised, const char *original, double limit) {
    char path[2][4200];
    snprintf(path[0], sizeof path[0], "%s/%s", unit_vectors(), quantised);
    snprintf(path[1], sizeof path[1], "%s/%s", unit_vectors(), original);
    if (access(path[0], R_OK) || access(path[1], R_OK)) unit_skip("no %s or no %s", path[0], path[1]);
    tn_checkpoint *q = open_dir(path[0]), *c = open_dir(path[1]);
    assert_int_equal(tn_checkpoint_tensor_count(q), tn_checkpoint_tensor_count(c));
    for (uint64_t i = 0; i < tn_checkpoint_tensor_count(q); i++) {
        const tn_tensor *t = tn_checkpoint_tensor_at(q, i), *want = tn_checkpoint_tensor_find(c, t->name);
        if (!want) fail_msg("%s: %s is not in the original", quantised, t->name);
        double d = distance(t, want);
        if (!(d <= limit)) fail_msg("%s: %s is %g off", quantised, t->name, d);
    }
    tn_checkpoint_close(q);
    tn_checkpoint_close(c);
}

static void mlx_4_bit_is_near_the_original(void **state) {
    (void)state;
    check_near("mlx/qwen3_wide-4bit-g64", "models/qwen3_wide", 0.15);
    check_near("mlx/llama3_wide-4bit-g64", "models/llama3_wide", 0.15);
}

static void mlx_8_bit_is_near_the_original(void **state) {
    (void)state;
    check_near("mlx/qwen3_wide-8bit-g32", "models/qwen3_wide", 0.01);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_file_is_read),
        cmocka_unit_test(gguf_file_is_read),
        cmocka_unit_test(a_tower_stays_apart),
        cmocka_unit_test(shards_are_one_model),
        cmocka_unit_test(broken_shards_are_named),
        cmocka_unit_test(bad_indexes_are_refused),
        cmocka_unit_test(incomplete_directories_are_refused),
        cmocka_unit_test(affine_codes_of_every_width_are_read),
        cmocka_unit_test(overrides_are_obeyed),
        cmocka_unit_test(mx_modes_are_read),
        cmocka_unit_test(mxfp4_blocks_are_read),
        cmocka_unit_test(odd_quantization_is_refused),
        cmocka_unit_test(other_scales_stay_plain),
        cmocka_unit_test(models_are_read),
        cmocka_unit_test(mlx_directories_are_read),
        cmocka_unit_test(mlx_4_bit_is_near_the_original),
        cmocka_unit_test(mlx_8_bit_is_near_the_original),
    };
    return unit_main(tests);
}
