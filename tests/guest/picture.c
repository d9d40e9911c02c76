// SPDX-License-Identifier: MIT
/*
 * picture FILE.png WIDTH HEIGHT pattern|smpte|text|raw: is that picture of a guest's screen so
 * large, and does it show, pixel by pixel, what tests/guest/prog/scanout.c draws, or the colour
 * bars of libdrm's modetest; or letters: some pixels, but few, that are not black; raw: its pixels
 * go to standard output, as a guest's frame buffer has them.
 */
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *picture_read(const char *path, png_image *image)
{
    uint32_t *pixels;

    memset(image, 0, sizeof(*image));
    image->version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_file(image, path))
        return NULL;
    image->format = PNG_FORMAT_BGRA;
    pixels = malloc(PNG_IMAGE_SIZE(*image));
    if (pixels && !png_image_finish_read(image, NULL, pixels, 0, NULL))
        return NULL;
    return pixels;
}

/* What scanout.c draws. */
static uint32_t pattern(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    (void)width;
    (void)height;
    return (x * 0x010305 + y * 0x030107) & 0xffffff;
}

/* SMPTE's colour bars: seven, six ninths high; their complements, one ninth; and below, in fifths,
 * sixths and sevenths of the width, -I, white, +Q, black, and black a little more and less. */
static uint32_t smpte(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    static const uint32_t bars[] = {0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000,
                                    0xc000c0, 0xc00000, 0x0000c0};
    static const uint32_t castellations[] = {0x0000c0, 0x131313, 0xc000c0, 0x131313,
                                             0x00c0c0, 0x131313, 0xc0c0c0};
    static const uint32_t below[] = {0x00214c, 0xffffff, 0x32006a, 0x131313,
                                     0x090909, 0x131313, 0x1d1d1d, 0x131313};
    const uint32_t left = width * 5 / 7, right = width * 6 / 7;

    if (y < height * 6 / 9)
        return bars[x * 7 / width];
    if (y < height * 7 / 9)
        return castellations[x * 7 / width];
    if (x < left)
        return below[x * 4 / left];
    return x < right ? below[(x - left) * 3 / (width / 7) + 4] : below[7];
}

static int pixels_write(const uint32_t *pixels, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) {
        const uint8_t bytes[] = {(uint8_t)pixels[i], (uint8_t)(pixels[i] >> 8),
                                 (uint8_t)(pixels[i] >> 16), 0};

        if (fwrite(bytes, sizeof(bytes), 1, stdout) != 1)
            return 1;
    }
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    uint32_t (*expect)(uint32_t x, uint32_t y, uint32_t width, uint32_t height);
    unsigned long wrong = 0, lit = 0, all;
    png_image image;
    uint32_t *pixels;

    if (argc != 5)
        return fprintf(stderr, "usage: picture FILE.png WIDTH HEIGHT pattern|smpte|text|raw\n"), 2;
    expect = strcmp(argv[4], "smpte") == 0 ? smpte : pattern;
    pixels = picture_read(argv[1], &image);
    if (!pixels)
        return fprintf(stderr, "%s: %s\n", argv[1], image.message), 2;
    all = (unsigned long)image.width * image.height;
    for (unsigned long i = 0; i < all; i++) {
        const uint32_t x = (uint32_t)(i % image.width), y = (uint32_t)(i / image.width);
        const uint32_t pixel = pixels[i] & 0xffffff;

        wrong += pixel != expect(x, y, image.width, image.height);
        lit += pixel != 0;
    }
    if (strcmp(argv[4], "raw") == 0)
        return pixels_write(pixels, all);
    printf("%ux%u, %lu pixels are not of the pattern, %lu are not black\n", image.width,
           image.height, wrong, lit);
    if (image.width != strtoul(argv[2], NULL, 10) || image.height != strtoul(argv[3], NULL, 10))
        return 1;
    return strcmp(argv[4], "text") == 0 ? lit < 500 || lit > all / 3 : wrong != 0;
}
