#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/vectors/media: small pictures and films of every kind that is read, and bad ones.

    tools/vectors/make_media.py tests/vectors/media

Needs Pillow, ffmpeg, ImageMagick and a C compiler with libjpeg (for YCCK, which Pillow does not write). The files are
committed, so nobody needs this to build or test. Every good picture shows the same when it is decoded: 24 x 16 pixels, a
red, a green, a blue and a yellow quarter (the grey ones their luma). Frame i of a film of 10 is a grey of 20 + 22 i, of one
of 60 a grey of 10 + 4 i; its upper left quarter is black.
"""
import os
import struct
import subprocess
import sys
import tempfile
import zlib

from PIL import Image

W, H = 24, 16
COLOURS = [(220, 30, 30), (30, 200, 40), (40, 40, 210), (230, 220, 40)]
OUT = sys.argv[1]


def path(name):
    return os.path.join(OUT, name)


def put(name, data):
    with open(path(name), "wb") as f:
        f.write(data)


def picture():
    image = Image.new("RGB", (W, H))
    image.putdata([COLOURS[(y >= H // 2) * 2 + (x >= W // 2)] for y in range(H) for x in range(W)])
    return image


def exif(orientation, big=False):
    order, mark = (">", b"MM") if big else ("<", b"II")
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)


# What undoes each orientation.
STORE = {
    1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE,
    6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270,
}


def stored(orientation):
    how = STORE[orientation]
    return picture() if how is None else picture().transpose(how)


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, depth, colour, rows, extra=b"", interlace=0):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def jpegs():
    p = picture()
    for o in range(1, 9):
        stored(o).save(path("orient%d.jpg" % o), quality=95, subsampling=0, exif=b"Exif\0\0" + exif(o, o % 2 == 0))
    p.save(path("progressive.jpg"), quality=95, subsampling=0, progressive=True)
    p.save(path("subsampled.jpg"), quality=95, subsampling=2)
    p.convert("L").save(path("grey.jpg"), quality=95)
    cmyk().save(path("cmyk.jpg"), quality=95)
    ycck("ycck.jpg")


def cmyk():
    return Image.merge("CMYK", [Image.eval(c, lambda v: 255 - v) for c in picture().split()] + [Image.new("L", (W, H), 0)])


YCCK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
int main(void) {
    struct jpeg_compress_struct c; struct jpeg_error_mgr e; unsigned char row[24 * 4];
    c.err = jpeg_std_error(&e); jpeg_create_compress(&c); jpeg_stdio_dest(&c, stdout);
    c.image_width = 24; c.image_height = 16; c.input_components = 4; c.in_color_space = JCS_CMYK;
    jpeg_set_defaults(&c); jpeg_set_colorspace(&c, JCS_YCCK); jpeg_set_quality(&c, 95, TRUE);
    for (int i = 0; i < 4; i++) c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = 1;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < 16; y++) { JSAMPROW r[1] = {row}; if (fread(row, 1, sizeof row, stdin) != sizeof row) return 1;
        jpeg_write_scanlines(&c, r, 1); }
    jpeg_finish_compress(&c); return 0;
}
"""


def ycck(name):
    with tempfile.TemporaryDirectory() as tmp:
        source, program = os.path.join(tmp, "y.c"), os.path.join(tmp, "y")
        with open(source, "w") as f:
            f.write(YCCK)
        subprocess.run(["cc", source, "-o", program, "-ljpeg"], check=True)
        # Adobe's way: inverted.
        data = bytes(255 - v for v in cmyk().tobytes())
        put(name, subprocess.run([program], input=data, stdout=subprocess.PIPE, check=True).stdout)


def rows_of(bytes_of_pixel, per_row=W):
    out = b""
    for y in range(H):
        out += b"\0" + b"".join(bytes_of_pixel(x, y) for x in range(W))
    return out


def quarter(x, y):
    return (y >= H // 2) * 2 + (x >= W // 2)


def luma(c):
    return (c[0] * 19595 + c[1] * 38470 + c[2] * 7471 + 0x8000) >> 16


def pngs():
    p = picture()
    p.save(path("rgb.png"))
    stored(6).save(path("orient6.png"), exif=exif(6, True))
    p.convert("L").save(path("grey.png"))
    put("grey1.png", png(W, H, 1, 0, b"".join(b"\0" + (b"\xff\xf0\x00" if y < 8 else b"\x00\x0f\xff") for y in range(H))))
    put("grey16.png", png(W, H, 16, 0, rows_of(lambda x, y: struct.pack(">H", luma(COLOURS[quarter(x, y)]) * 257))))
    put("rgb16.png", png(W, H, 16, 2, rows_of(lambda x, y: struct.pack(">3H", *[v * 257 for v in COLOURS[quarter(x, y)]]))))
    put("rgba16.png", png(W, H, 16, 6, rows_of(lambda x, y: struct.pack(">4H", *[v * 257 for v in COLOURS[quarter(x, y)]] + [65535 if x < 12 else 0]))))
    palette = b"".join(bytes(c) for c in COLOURS)
    packed = b"".join(b"\0" + bytes([0 if y < 8 else 0xaa] * 3 + [0x55 if y < 8 else 0xff] * 3) for y in range(H))
    put("palette2.png", png(W, H, 2, 3, packed, chunk(b"PLTE", palette)))
    put("palette_clear.png", png(W, H, 2, 3, packed, chunk(b"PLTE", palette) + chunk(b"tRNS", b"\xff\x00\xff\x00")))
    clear = p.convert("RGBA")
    clear.putalpha(Image.eval(Image.frombytes("L", (W, H), bytes(255 if x < 12 else 0 for y in range(H) for x in range(W))), lambda v: v))
    clear.save(path("rgba.png"))
    clear.convert("LA").save(path("greyalpha.png"))
    half = p.convert("RGBA")
    half.putalpha(128)
    half.save(path("half.png"))
    subprocess.run(["convert", path("rgb.png"), "-interlace", "PNG", "+set", "date:create", "+set", "date:modify",
                    "-define", "png:exclude-chunks=all", path("interlaced.png")], check=True)
    other = Image.new("RGB", (W, H), (1, 2, 3))
    p.save(path("animated.png"), save_all=True, append_images=[other, other.point(lambda v: v + 9)], duration=100)


def webps():
    p = picture()
    p.save(path("lossless.webp"), lossless=True)
    p.save(path("lossy.webp"), quality=95, method=6)
    stored(8).save(path("orient8.webp"), lossless=True, exif=b"Exif\0\0" + exif(8))
    Image.open(path("rgba.png")).save(path("clear.webp"), lossless=True, exact=True)
    other = Image.new("RGB", (W, H), (1, 2, 3))
    p.save(path("animated.webp"), save_all=True, append_images=[other], duration=100, lossless=True)


def gifs():
    p = picture().convert("P", palette=Image.ADAPTIVE, colors=4)
    p.save(path("still.gif"), interlace=0)
    p.save(path("interlaced.gif"), interlace=1)
    other = Image.new("P", (W, H), 0)
    other.putpalette([1, 2, 3])
    p.save(path("animated.gif"), save_all=True, append_images=[other, p], duration=100)
    clear = p.copy()
    clear.save(path("clear.gif"), transparency=p.getpixel((W - 1, 0)))


def bmp(name, header, data, palette=b"", extra=b""):
    offset = 14 + len(header) + len(extra) + len(palette)
    put(name, b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + extra + palette + data)


def info(bits, compression=0, height=H, size=40, tail=b"", colours=0):
    return struct.pack("<IiiHHIIiiII", size, W, height, 1, bits, compression, 0, 2835, 2835, colours, 0) + tail


def bmps():
    p = picture()
    p.save(path("rgb.bmp"))
    p.convert("P", palette=Image.ADAPTIVE, colors=4).save(path("palette8.bmp"))
    palette = b"".join(bytes([c[2], c[1], c[0], 0]) for c in COLOURS)
    top = b"".join(bytes(COLOURS[quarter(x, y)][i] for i in (2, 1, 0)) for y in range(H) for x in range(W))
    bmp("topdown.bmp", info(24, height=-H), top)
    masks = struct.pack("<4I", 0xff, 0xff00, 0xff0000, 0xff000000)
    pixels = b"".join(bytes(COLOURS[quarter(x, y)] + (255 if x < 12 else 0,)) for y in reversed(range(H)) for x in range(W))
    bmp("fields32.bmp", info(32, 3, size=56, tail=masks), pixels)
    packed = b"".join(struct.pack("<H", sum((COLOURS[quarter(x, y)][i] >> (3, 2, 3)[i]) << (11, 5, 0)[i] for i in range(3)))
                      for y in reversed(range(H)) for x in range(W))
    bmp("fields16.bmp", info(16, 3), packed, extra=struct.pack("<3I", 0xf800, 0x7e0, 0x1f))
    line = lambda a, b: bytes([12, a, 0, 12] + [b] * 12 + [0, 0])
    bmp("rle8.bmp", info(8, 1, colours=4), line(2, 3) * 8 + line(0, 1) * 8 + b"\0\1", palette)
    line = lambda a, b: bytes([12, a * 17, 0, 12] + [b * 17] * 6 + [0, 0])
    bmp("rle4.bmp", info(4, 2, colours=4), line(2, 3) * 8 + line(0, 1) * 8 + b"\0\1", palette)
    core = struct.pack("<IHHHH", 12, W, H, 1, 4)
    nibbles = b"".join(bytes([(2 if y < 8 else 0) * 17] * 6 + [(3 if y < 8 else 1) * 17] * 6) for y in range(H))
    bmp("core4.bmp", core, nibbles, b"".join(bytes([c[2], c[1], c[0]]) for c in COLOURS + [(0, 0, 0)] * 12))


def bad_pictures():
    put("bad_zero.png", png(0, 10, 8, 2, b""))
    put("bad_huge.png", png(60000, 60000, 8, 2, b"\0" * 1000))
    bomb = zlib.compressobj(9)
    data = bomb.compress(b"\0" * (4000 * 4001)) + bomb.flush()
    put("bad_bomb.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)) +
        chunk(b"IDAT", data) + chunk(b"IEND", b""))
    put("bad_zero.bmp", b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 0, 0, 1, 24, 0, 0, 0, 0, 0, 0))
    put("bad_zero.gif", b"GIF89a" + struct.pack("<HHBBB", 0, 0, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + b"\x2c" +
        struct.pack("<HHHHB", 0, 0, 0, 0, 0) + b"\2\0\x3b")
    put("bad_none.gif", b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"\x3b")
    picture().save(path("other.tiff"))
    put("other.svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n')


def film(n=10):
    frames = b""
    for i in range(n):
        grey = 20 + 22 * i if n <= 10 else 10 + 4 * i
        frames += b"".join(bytes([0 if x < 32 and y < 24 else grey] * 3) for y in range(48) for x in range(64))
    return frames


def ffmpeg(*args, data=None):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-fflags", "+bitexact"] + list(args), input=data, check=True)


RAW = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "10", "-i", "-"]
BITEXACT = ["-flags:v", "+bitexact", "-fflags", "+bitexact", "-map_metadata", "-1", "-pix_fmt", "yuv420p"]
X264 = ["-c:v", "libx264", "-crf", "18", "-bf", "2", "-threads", "1"]


def encode(name, *args, n=10):
    ffmpeg(*RAW, *args, *BITEXACT, path(name), data=film(n))


def films():
    encode("h264.mp4", *X264, "-g", "5")
    encode("fast.mp4", *X264, "-movflags", "+faststart")
    encode("fragmented.mp4", *X264, "-g", "5", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
    encode("h264.mov", *X264)
    encode("h264.mkv", *X264, "-g", "5")
    encode("h264.ts", *X264, "-g", "5")
    encode("h264.avi", *X264)
    encode("h264.flv", *X264)
    encode("hevc.mp4", "-c:v", "libx265", "-x265-params", "log-level=none:pools=1:frame-threads=1:info=0")
    encode("vp8.webm", "-c:v", "libvpx", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "8")
    encode("vp9.webm", "-c:v", "libvpx-vp9", "-crf", "20", "-b:v", "0")
    encode("av1.mp4", "-c:v", "libaom-av1", "-crf", "20", "-cpu-used", "8")
    encode("mpeg4.avi", "-c:v", "mpeg4", "-q:v", "2", "-bf", "2")
    encode("mjpeg.avi", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")
    encode("theora.ogv", "-c:v", "libtheora", "-q:v", "9")
    encode("mpeg2.mpg", "-c:v", "mpeg2video", "-q:v", "2", "-r", "25")
    encode("one.mp4", *X264, n=1)
    many = ["-c:v", "libx264", "-crf", "4", "-bf", "2", "-threads", "1", "-g", "12", "-x264-params", "open-gop=1:scenecut=0"]
    for name in ("many.mp4", "many.mkv", "many.ts"):
        encode(name, *many, n=60)
    encode("many.webm", "-c:v", "libvpx-vp9", "-lossless", "1", "-g", "12", n=60)
    # Shown at other times than the number says; hours long with ten frames.
    encode("uneven.mkv", *X264, "-vf", "settb=1/1000,setpts='floor(N*N*40)'", "-vsync", "passthrough", "-enc_time_base", "1:1000")
    encode("long.mkv", *X264, "-vf", "settb=1/1000,setpts='N*500*1000'", "-vsync", "passthrough", "-enc_time_base", "1:1000")
    for degrees in (90, 180, 270):
        ffmpeg("-i", path("h264.mp4"), "-c", "copy", "-metadata:s:v", "rotate=%d" % degrees, "-fflags", "+bitexact",
               path("rotated%d.mp4" % degrees))
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=0.3:sample_rate=16000"]
    ffmpeg(*tone, "-c:a", "aac", "-b:a", "16k", "-flags:a", "+bitexact", "-map_metadata", "-1", path("sound.m4a"))
    ffmpeg(*tone, "-c:a", "pcm_s16le", "-flags:a", "+bitexact", "-map_metadata", "-1", "-t", "0.05", path("sound.wav"))
    ffmpeg("-i", path("h264.mp4"), *tone, "-c:v", "copy", "-c:a", "aac", "-b:a", "16k", "-flags:a", "+bitexact",
           "-map_metadata", "-1", path("with_sound.mp4"))
    ffmpeg("-i", path("h264.mkv"), *tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "libvorbis", "-b:a", "48k",
           "-flags:a", "+bitexact", "-map_metadata", "-1", path("with_sound.mkv"))


def box(data, kind):
    """Where the box of that kind begins and its content; the first one anywhere."""
    at = data.index(kind)
    return at - 4, struct.unpack(">I", data[at - 4:at])[0]


def bad_films():
    with open(path("fast.mp4"), "rb") as f:
        fast = bytearray(f.read())
    start, _ = box(fast, b"mdat")
    put("bad_headers_only.mp4", fast[:start])
    # No duration of any frame: all are shown at once.
    still = bytearray(fast)
    at = still.index(b"stts")
    n = struct.unpack(">I", still[at + 8:at + 12])[0]
    for i in range(n):
        still[at + 16 + 8 * i:at + 20 + 8 * i] = b"\0\0\0\0"
    at = still.find(b"ctts")
    if at >= 0:
        n = struct.unpack(">I", still[at + 8:at + 12])[0]
        for i in range(n):
            still[at + 16 + 8 * i:at + 20 + 8 * i] = b"\0\0\0\0"
    put("still_times.mp4", still)
    # A jump of 26 hours between two frames.
    jump = bytearray(fast)
    at = jump.index(b"stts")
    count, step = struct.unpack(">II", jump[at + 12:at + 20])
    entry = struct.pack(">IIIIIIII", 0, 3, count // 2, step, 1, 0x7fffffff, count - count // 2 - 1, step)
    grow_box(jump, at - 4, entry)
    at = jump.index(b"edts")
    jump[at:at + 4] = b"free"
    put("jump_times.mp4", jump)
    huge = bytearray(fast)
    for kind in (b"avc1", b"tkhd"):
        at = huge.index(kind)
        where = at + 28 if kind == b"avc1" else at + 80
        huge[where:where + (4 if kind == b"avc1" else 8)] = b"\xff\xff\xff\xff" * (1 if kind == b"avc1" else 2)
    put("bad_size.mp4", huge)
    with open(path("h264.mkv"), "rb") as f:
        mkv = bytearray(f.read())
    at = mkv.index(b"\x1f\x43\xb6\x75")  # the first cluster
    put("bad_cut.mkv", mkv[:at + 40])
    noise = bytearray(fast)
    start, size = box(noise, b"mdat")
    for i in range(start + 8 + size // 3, start + size):
        noise[i] = (i * 73 + 41) & 255
    put("bad_noise.mp4", noise)


def grow_box(data, at, content):
    """Replaces the content of the box at `at` (with moov before mdat), and mends all that count its length."""
    old = struct.unpack(">I", data[at:at + 4])[0]
    more = 8 + len(content) - old
    data[at + 8:at + old] = content
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        start, size = box(data, kind)
        data[start:start + 4] = struct.pack(">I", size + more)
    at = data.index(b"stco")
    n = struct.unpack(">I", data[at + 8:at + 12])[0]
    for i in range(n):
        where = at + 12 + 4 * i
        data[where:where + 4] = struct.pack(">I", struct.unpack(">I", data[where:where + 4])[0] + more)


def main():
    os.makedirs(OUT, exist_ok=True)
    for make in (jpegs, pngs, webps, gifs, bmps, bad_pictures, films, bad_films):
        make()


main()
