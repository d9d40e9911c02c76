// SPDX-License-Identifier: MIT
/* grab-window ID FILE.png: what of a window is on the X server's screen now. */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_BGRA};
    Display *x = XOpenDisplay(NULL);
    XWindowAttributes a;
    XImage *image;
    Window window;

    if (argc != 3 || !x)
        return fprintf(stderr, "usage: grab-window ID FILE.png, with DISPLAY set\n"), 2;
    window = strtoul(argv[1], NULL, 0);
    if (!XGetWindowAttributes(x, window, &a))
        return fprintf(stderr, "grab-window: there is no window %s\n", argv[1]), 1;
    image = XGetImage(x, window, 0, 0, (unsigned)a.width, (unsigned)a.height, AllPlanes, ZPixmap);
    if (!image || image->bits_per_pixel != 32)
        return fprintf(stderr, "grab-window: no picture of 32 bits a pixel\n"), 1;
    png.width = (png_uint_32)a.width;
    png.height = (png_uint_32)a.height;
    for (int i = 3; i < image->bytes_per_line * image->height; i += 4)
        image->data[i] = (char)0xff; /* X leaves alpha open */
    if (!png_image_write_to_file(&png, argv[2], 0, image->data, image->bytes_per_line, NULL))
        return fprintf(stderr, "%s: %s\n", argv[2], png.message), 1;
    XDestroyImage(image);
    XCloseDisplay(x);
    return 0;
}
