/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata values: decoding what gguf_part.c has checked. */
#include "weights/bytes.h"
#include "weights/gguf_part.h"

uint32_t tn__gguf_scalar_bytes(uint32_t type) {
    static const uint8_t bytes[TN_GGUF_F64 + 1] = {
        [TN_GGUF_U8] = 1,  [TN_GGUF_I8] = 1,  [TN_GGUF_U16] = 2, [TN_GGUF_I16] = 2,
        [TN_GGUF_U32] = 4, [TN_GGUF_I32] = 4, [TN_GGUF_F32] = 4, [TN_GGUF_BOOL] = 1,
        [TN_GGUF_U64] = 8, [TN_GGUF_I64] = 8, [TN_GGUF_F64] = 8,
    };
    return type <= TN_GGUF_F64 ? bytes[type] : 0;
}

tn_gguf_value tn__gguf_scalar(tn_gguf_type type, const uint8_t *p) {
    tn_gguf_value v = {.type = type};
    switch (type) {
    case TN_GGUF_U8:
    case TN_GGUF_BOOL: v.u = *p; break;
    case TN_GGUF_I8: v.i = (int8_t)*p; break;
    case TN_GGUF_U16: v.u = tn_load_u16(p); break;
    case TN_GGUF_I16: v.i = (int16_t)tn_load_u16(p); break;
    case TN_GGUF_U32: v.u = tn_load_u32(p); break;
    case TN_GGUF_I32: v.i = (int32_t)tn_load_u32(p); break;
    case TN_GGUF_U64: v.u = tn_load_u64(p); break;
    case TN_GGUF_I64: v.i = (int64_t)tn_load_u64(p); break;
    case TN_GGUF_F32: v.f = (double)tn_load_f32(p); break;
    case TN_GGUF_F64: v.f = tn_load_f64(p); break;
    case TN_GGUF_STRING:
    case TN_GGUF_ARRAY: break;
    }
    return v;
}

tn_gguf_iter tn_gguf_iter_begin(const tn_gguf_value *array) {
    if (array->type != TN_GGUF_ARRAY) return (tn_gguf_iter){0};
    return (tn_gguf_iter){.at = array->data, .left = array->len, .elem = array->elem};
}

bool tn_gguf_iter_next(tn_gguf_iter *it, tn_gguf_value *ret) {
    if (!it->left) return false;
    it->left--;
    if (it->elem == TN_GGUF_STRING) {
        uint64_t len = tn_load_u64(it->at);
        *ret = (tn_gguf_value){.type = TN_GGUF_STRING, .data = it->at + 8, .len = len};
        it->at += 8 + len;
    } else {
        *ret = tn__gguf_scalar(it->elem, (const uint8_t *)it->at);
        it->at += tn__gguf_scalar_bytes(it->elem);
    }
    return true;
}
