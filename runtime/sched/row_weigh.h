/* SPDX-License-Identifier: Apache-2.0 */
/* A function of row.c, which includes this once for each kind of processor: WEIGH is its name, WEIGH_LANES
 * the floats in a register, WEIGH_TARGET an attribute. Partial sums are of every GROUP-th weight, however
 * many registers they take, so the bits are the same in all. */

/* The weights of the block x into w; below e^-87 they are 0. Returns their sum, and in *ret_moment that of
 * weight * z, z = (logit - max) / temperature.
 *
 * exp(z) for -87 <= z <= 0, within 2e-7 relative: z = n log 2 + r, log 2 in two parts so that r is exact
 * (Cody and Waite 1980), and the Taylor series of degree 7 for |r| <= log(2) / 2. */
WEIGH_TARGET static double WEIGH(const tn_row *row, const float *x, float *w, double *ret_moment) {
    enum { PARTS = GROUP / WEIGH_LANES };
    const float max = row->max, floor = row->floor, scale = inverse(row->temperature);
    const float magic = 0x1.8p23f; /* adding and taking it away rounds to whole numbers */
    WEIGH_F sum[PARTS] = {{0}}, moment[PARTS] = {{0}}, logit;
    for (uint32_t i = 0; i < TN_ROW_BLOCK; i += GROUP)
        for (uint32_t k = 0; k < PARTS; k++) {
            memcpy(&logit, x + i + k * WEIGH_LANES, sizeof logit);
            WEIGH_F z = (logit - max) * scale;
            WEIGH_I counts = (z > -87.0f) & (logit >= floor);
            z = (WEIGH_F)(counts & (WEIGH_I)z);
            WEIGH_F n = (z * 0x1.715476p0f + magic) - magic;
            WEIGH_F r = (z - n * 0x1.63p-1f) - n * -0x1.bd0106p-13f;
            WEIGH_F y = 1.0f / 5040 * r + 1.0f / 720;
            y = y * r + 1.0f / 120;
            y = y * r + 1.0f / 24;
            y = y * r + 1.0f / 6;
            y = y * r + 0.5f;
            y = y * r + 1.0f;
            y = y * r + 1.0f;
            y *= (WEIGH_F)((__builtin_convertvector(n, WEIGH_I) + 127) << 23);
            y = (WEIGH_F)(counts & (WEIGH_I)y);
            memcpy(w + i + k * WEIGH_LANES, &y, sizeof y);
            sum[k] += y;
            moment[k] += y * z;
        }
    float partial[GROUP];
    memcpy(partial, moment, sizeof partial);
    *ret_moment = (double)sum_group(partial);
    memcpy(partial, sum, sizeof partial);
    return (double)sum_group(partial);
}

#undef WEIGH
#undef WEIGH_F
#undef WEIGH_I
#undef WEIGH_LANES
#undef WEIGH_TARGET
