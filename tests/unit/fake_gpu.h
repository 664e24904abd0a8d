/* SPDX-License-Identifier: Apache-2.0 */
/* A tn_gpu_api whose kernels do nothing and whose memory is the host's: for what stands above it, and for
 * what happens when a GPU refuses. One is open at a time. */
#ifndef TN_TESTS_UNIT_FAKE_GPU_H
#define TN_TESTS_UNIT_FAKE_GPU_H

#include "device/device.h"
#include "device/gpu/gpu.h"

struct tn_gpu_buffer {
    const uint8_t *memory; /* [bytes] */
    uint8_t *own;          /* NULL: wrapped */
    uint64_t bytes;
};

typedef enum fake_call {
    FAKE_BUFFER_NEW,
    FAKE_BUFFER_WRAP,
    FAKE_WRITE,
    FAKE_READ,
    FAKE_KERNEL,
    FAKE_BEGIN,
    FAKE_SUBMIT,
    FAKE_WAIT,
    FAKE_N_CALL,
} fake_call;

/* What tests set and look at; fake_reset clears it. */
typedef struct fake_state {
    tn_gpu_info info;
    fake_call failing;            /* which call fails, */
    uint32_t fail_at;             /* from the how-manieth on; 0: none */
    uint32_t n_call[FAKE_N_CALL]; /* calls so far, those that failed included */
    uint32_t n_buffer;            /* that are alive */
    uint32_t n_dispatch;
} fake_state;
extern fake_state fake;

void fake_reset(void);
/* From its n-th call on, counted from now, it fails: with TN_ENOMEM for new buffers, TN_ENOTSUP for wrapped
 * ones, else TN_EDEVICE; the text names it. */
void fake_fail(fake_call call, uint32_t n);

extern const tn_device_class fake_device; /* "fake-gpu" */

#endif
