/* SPDX-License-Identifier: Apache-2.0 */
/* WebP by libwebp: lossy, lossless, transparent; of an animation the first picture on its canvas. */
#include "vision.h"

#include <stdlib.h>
#include <webp/decode.h>
#include <webp/demux.h>

static unsigned orientation_of(const WebPDemuxer *demux) {
    WebPChunkIterator chunk;
    unsigned orientation = 1;
    if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk))
        orientation = vision_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

static int explain(const vision_job *j, VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return tn_fail(j->err, TN_ENOMEM, "WebP: out of memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return tn_fail(j->err, TN_ENOTSUP, "WebP: uses a feature that is not read");
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return tn_fail(j->err, TN_EFORMAT, "WebP: cut off: its data end too early");
    default: return tn_fail(j->err, TN_EFORMAT, "WebP: damaged (libwebp's status %d)", (int)status);
    }
}

static int decode_into(vision_job *j, const WebPIterator *it, uint8_t *rgba) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return tn_fail(j->err, TN_EBUG, "WebP: another version of libwebp");
    config.output.colorspace = MODE_RGBA;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = rgba;
    config.output.u.RGBA.stride = it->width * 4;
    config.output.u.RGBA.size = (size_t)it->width * (size_t)it->height * 4;
    VP8StatusCode status = WebPDecode(it->fragment.bytes, it->fragment.size, &config);
    return status == VP8_STATUS_OK ? 0 : explain(j, status);
}

/* The picture's claims fit the canvas and its own data. */
static int check_picture(const vision_job *j, const WebPIterator *it) {
    WebPBitstreamFeatures features;
    VP8StatusCode status = WebPGetFeatures(it->fragment.bytes, it->fragment.size, &features);
    if (status != VP8_STATUS_OK) return explain(j, status);
    if (!it->complete) return explain(j, VP8_STATUS_NOT_ENOUGH_DATA);
    bool inside = it->width > 0 && it->height > 0 && it->x_offset >= 0 && it->y_offset >= 0 &&
                  (uint64_t)it->x_offset + (uint64_t)it->width <= j->width &&
                  (uint64_t)it->y_offset + (uint64_t)it->height <= j->height;
    if (!inside || features.width != it->width || features.height != it->height)
        return tn_fail(j->err, TN_EFORMAT, "WebP: damaged: its picture does not fit its canvas");
    return 0;
}

static int read_picture(vision_job *j, const WebPIterator *it) {
    int rc = check_picture(j, it);
    if (rc) return rc;
    uint32_t width = (uint32_t)it->width, height = (uint32_t)it->height;
    uint8_t *rgba = malloc((size_t)width * height * 4);
    if (!rgba) return tn_fail(j->err, TN_ENOMEM, "WebP: out of memory");
    rc = decode_into(j, it, rgba);
    for (uint32_t y = 0; !rc && y < height; y++)
        vision_put_rgba(j, (uint32_t)it->x_offset, (uint32_t)it->y_offset + y, rgba + (size_t)y * width * 4,
                        width);
    free(rgba);
    return rc;
}

static int read_file(vision_job *j, const WebPDemuxer *demux) {
    WebPIterator it;
    uint32_t n_picture = WebPDemuxGetI(demux, WEBP_FF_FRAME_COUNT);
    int rc = vision_begin(j, "webp", WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH),
                          WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT), orientation_of(demux), n_picture);
    if (rc) return rc;
    if (!WebPDemuxGetFrame(demux, 1, &it)) return tn_fail(j->err, TN_EFORMAT, "WebP: it has no picture");
    rc = read_picture(j, &it);
    WebPDemuxReleaseIterator(&it);
    return rc;
}

int vision_webp(vision_job *j) {
    WebPDemuxState state;
    WebPData data = {j->bytes, j->n};
    WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
    /* What stands at the end may say which way up it is. */
    int rc = state == WEBP_DEMUX_PARSE_ERROR
                 ? tn_fail(j->err, TN_EFORMAT, "WebP: damaged: its parts do not fit together")
             : !demux || state != WEBP_DEMUX_DONE ? explain(j, VP8_STATUS_NOT_ENOUGH_DATA)
                                                  : read_file(j, demux);
    WebPDemuxDelete(demux);
    return rc;
}
