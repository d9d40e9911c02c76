// SPDX-License-Identifier: MIT
/* close-window ID: what the close button of a window manager does. */
#include <X11/Xlib.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    Display *x = XOpenDisplay(NULL);
    XEvent e = {.xclient = {.type = ClientMessage, .format = 32}};

    if (argc != 2 || !x)
        return fprintf(stderr, "usage: close-window ID, with DISPLAY set\n"), 2;
    e.xclient.window = strtoul(argv[1], NULL, 0);
    e.xclient.message_type = XInternAtom(x, "WM_PROTOCOLS", False);
    e.xclient.data.l[0] = (long)XInternAtom(x, "WM_DELETE_WINDOW", False);
    XSendEvent(x, e.xclient.window, False, NoEventMask, &e);
    XCloseDisplay(x);
    return 0;
}
