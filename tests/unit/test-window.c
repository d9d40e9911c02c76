// SPDX-License-Identifier: MIT
/*
 * Windows on a desktop: an X server without a screen, a process in vmm's sandbox that shows a
 * display there, and this one, which looks at the window and uses it as people do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <X11/Xatom.h>
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/window-show.h"

enum { TRIES = 1000, TRY_US = 10000 };

/* ---- this side ---- */

static pid_t server, shower;
static int orders_fd;
static FILE *lines;
static Display *x;
static Window win;

static bool tool_there(const char *name)
{
    char cmd[64];

    snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null", name);
    return system(cmd) == 0;
}

static int setup_server(void **state)
{
    char number[16] = "", display[24];
    int fds[2];

    (void)state;
    if (!tool_there("Xvfb") || !tool_there("xdotool"))
        return 0;
    if (pipe(fds) < 0 || (server = fork()) < 0)
        return -1;
    if (server == 0) {
        char fd[16];

        snprintf(fd, sizeof(fd), "%d", fds[1]);
        close(fds[0]);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        execlp("Xvfb", "Xvfb", "-displayfd", fd, "-screen", "0", "1024x768x24", "-nolisten", "tcp",
               "-noreset", (char *)NULL);
        _exit(1);
    }
    close(fds[1]);
    for (size_t n = 0; n < sizeof(number) - 1 && !strchr(number, '\n'); n++)
        if (read(fds[0], number + n, 1) != 1)
            return -1;
    close(fds[0]);
    snprintf(display, sizeof(display), ":%d", atoi(number));
    setenv("DISPLAY", display, 1);
    setenv("SDL_VIDEODRIVER", "x11", 1);
    return 0;
}

static int teardown_server(void **state)
{
    (void)state;
    if (server > 0) {
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    return 0;
}

/* The last test's windows: the server takes its time. */
static void windows_gone(void)
{
    Window root, parent, *child;
    unsigned n = 1;

    for (unsigned i = 0; i < TRIES && n; i++) {
        usleep(TRY_US);
        child = NULL;
        if (!XQueryTree(x, DefaultRootWindow(x), &root, &parent, &child, &n))
            break;
        if (child)
            XFree(child);
    }
    assert_int_equal(n, 0);
}

/* Of a window that goes, or is not where it was: tried again. */
static int on_error(Display *on, XErrorEvent *e)
{
    (void)on;
    (void)e;
    return 0;
}

static void show_start(enum events_of pointer)
{
    int down[2], up[2];

#if defined(__SANITIZE_THREAD__)
    skip(); /* what libraries do between threads is not to be seen */
#endif

    if (server <= 0) {
        print_message("needs Xvfb and xdotool (tests/need display)\n");
        skip();
    }
    x = XOpenDisplay(NULL);
    if (!x)
        fail_msg("no X server at %s", getenv("DISPLAY"));
    XSetErrorHandler(on_error);
    windows_gone();
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    fflush(stdout);
    shower = fork();
    if (shower == 0) {
        close(ConnectionNumber(x));
        dup2(down[0], STDIN_FILENO);
        close(down[1]);
        close(up[0]);
        told = up[1];
        _exit(machine(pointer));
    }
    close(down[0]);
    close(up[1]);
    orders_fd = down[1];
    lines = fdopen(up[0], "r");
    setvbuf(lines, NULL, _IONBF, 0); /* poll() knows what there is */
}

/* What a failed test left. */
static int show_kill(void **state)
{
    (void)state;
    if (shower > 0) {
        kill(shower, SIGKILL);
        waitpid(shower, NULL, 0);
    }
    shower = 0;
    return 0;
}

/* It ends by itself, and as it should. */
static void show_end(void)
{
    int status;

    XCloseDisplay(x);
    close(orders_fd);
    assert_int_equal(waitpid(shower, &status, 0), shower);
    shower = 0;
    fclose(lines);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), GOOD);
}

static void order(char letter)
{
    assert_int_equal(write(orders_fd, &letter, 1), 1);
}

static void line_next(char line[80], const char *want)
{
    struct pollfd fd = {.fd = fileno(lines), .events = POLLIN};

    if (poll(&fd, 1, 20000) <= 0)
        fail_msg("nothing comes instead of %s", want);
    if (!fgets(line, 80, lines))
        fail_msg("it has ended before %s", want);
    line[strcspn(line, "\n")] = '\0';
}

/* The next thing that it tells. Where the pointer is when a window comes is nobody's business. */
static void line_is(const char *want)
{
    char line[80];

    do
        line_next(line, want);
    while (strncmp(line, "pointer 3", 9) == 0 && strncmp(want, "pointer 3", 9) != 0);
    assert_string_equal(line, want);
}

static Window window_titled(const char *title)
{
    Window root, parent, *child = NULL, found = 0;
    unsigned n = 0;

    if (!XQueryTree(x, DefaultRootWindow(x), &root, &parent, &child, &n))
        return 0;
    for (unsigned i = 0; i < n && !found; i++) {
        char *name = NULL;

        if (XFetchName(x, child[i], &name) && strcmp(name, title) == 0)
            found = child[i];
        if (name)
            XFree(name);
    }
    XFree(child);
    return found;
}

static void title_is(const char *title)
{
    for (unsigned i = 0; i < TRIES; i++) {
        win = window_titled(title);
        if (win)
            return;
        usleep(TRY_US);
    }
    fail_msg("no window is called %s", title);
}

static unsigned pixels_wrong(uint32_t width, uint32_t height, void (*want)(uint32_t, uint32_t *))
{
    XImage *image = XGetImage(x, win, 0, 0, width, height, AllPlanes, ZPixmap);
    uint32_t row[1024];
    unsigned wrong = 0;

    if (!image)
        return width * height;
    for (uint32_t y = 0; y < height; y++) {
        want(y, row);
        for (uint32_t at = 0; at < width; at++)
            wrong += (XGetPixel(image, (int)at, (int)y) & 0xffffff) != row[at];
    }
    XDestroyImage(image);
    return wrong;
}

static void pixels_are(uint32_t width, uint32_t height, void (*want)(uint32_t, uint32_t *))
{
    unsigned wrong = 1;

    for (unsigned i = 0; i < TRIES && wrong; i++) {
        XWindowAttributes a;

        usleep(TRY_US);
        if (XGetWindowAttributes(x, win, &a) && a.map_state == IsViewable &&
            a.width == (int)width && a.height == (int)height)
            wrong = pixels_wrong(width, height, want);
    }
    if (wrong)
        fail_msg("%u pixels are not as they were drawn", wrong);
}

static void plain(uint32_t y, uint32_t *row)
{
    salt = 0;
    fill(NULL, 0, y, 1024, row);
}

static void with_rect(uint32_t y, uint32_t *row)
{
    plain(y, row);
    salt = 0x5a5a5a;
    if (y >= 9 && y < 9 + 23)
        fill(NULL, 17, y, 31, row + 17);
}

static void tool(const char *words)
{
    char cmd[200];

    snprintf(cmd, sizeof(cmd), "xdotool %s", words);
    assert_int_equal(system(cmd), 0);
}

static void focus(void)
{
    XSetInputFocus(x, win, RevertToParent, CurrentTime);
    XSync(x, False);
    usleep(300000);
}

static void close_button(void)
{
    XEvent e = {.xclient = {.type = ClientMessage,
                            .window = win,
                            .message_type = XInternAtom(x, "WM_PROTOCOLS", False),
                            .format = 32,
                            .data.l = {(long)XInternAtom(x, "WM_DELETE_WINDOW", False)}}};

    XSendEvent(x, win, False, NoEventMask, &e);
    XSync(x, False);
}

/* ---- tests ---- */

/* All of it, then a rectangle of it. */
static void test_picture(void **state)
{
    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    pixels_are(WIDTH, HEIGHT, plain);
    order('r');
    pixels_are(WIDTH, HEIGHT, with_rect);
    show_end();
}

static void black(uint32_t y, uint32_t *row)
{
    (void)y;
    memset(row, 0, WIDTH * sizeof(*row));
}

/* A window for each screen; one that is off is black. */
static void test_screens(void **state)
{
    (void)state;
    screens = 2;
    show_start(EVENTS_OF_TABLET);
    screens = 1;
    title_is("web screen 0 - running");
    XMoveWindow(x, win, 500, 500); /* what is under another window has no pixels */
    pixels_are(WIDTH, HEIGHT, black);
    title_is("web screen 1 - running");
    XMoveWindow(x, win, 0, 0);
    pixels_are(WIDTH, HEIGHT, plain);
    show_end();
}

/* The window is resized, the guest is told, and draws what fits. Smaller, then larger. */
static void test_resize(void **state)
{
    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    pixels_are(WIDTH, HEIGHT, plain);
    XResizeWindow(x, win, 200, 100);
    XSync(x, False);
    line_is("mode 200x100");
    pixels_are(200, 100, plain);
    XMoveResizeWindow(x, win, 0, 0, 801, 603); /* what is beyond the screen has no pixels */
    XSync(x, False);
    line_is("mode 801x603");
    pixels_are(801, 603, plain);
    show_end();
}

static void test_keys(void **state)
{
    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    pixels_are(WIDTH, HEIGHT, plain);
    focus();
    tool("key a");
    line_is("key 1.30=1");
    line_is("key 1.30=0");
    tool("keydown shift key F5 keyup shift");
    line_is("key 1.42=1");
    line_is("key 1.63=1");
    line_is("key 1.63=0");
    line_is("key 1.42=0");
    tool("keydown ctrl keydown alt key g");
    line_is("key 1.29=1");
    line_is("key 1.56=1");
    title_is("web - running - Ctrl-Alt-G lets go");
    tool("key g keyup alt keyup ctrl");
    line_is("key 1.56=0");
    line_is("key 1.29=0");
    title_is("web - running");
    show_end();
}

/* The pointer to the left and bottom, and what is told of it until then taken. */
static void pointer_home(void)
{
    char line[80], words[80];

    snprintf(words, sizeof(words), "mousemove --window %lu 160 120 mousemove --window %lu 0 239",
             win, win);
    tool(words);
    do
        line_next(line, "the pointer's coming home");
    while (strcmp(line, "pointer 3.1=32767") != 0);
}

static void test_tablet(void **state)
{
    char words[80];

    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    pixels_are(WIDTH, HEIGHT, plain);
    focus();
    pointer_home();
    snprintf(words, sizeof(words), "mousemove --window %lu 319 0", win);
    tool(words);
    line_is("pointer 3.0=32767");
    line_is("pointer 3.1=0");
    tool("click 1");
    line_is("pointer 1.272=1");
    line_is("pointer 1.272=0");
    tool("click 4");
    line_is("pointer 2.8=1");
    snprintf(words, sizeof(words), "mousemove --window %lu 0 239", win);
    tool(words);
    line_is("pointer 3.0=0");
    line_is("pointer 3.1=32767");
    show_end();
}

/* A click takes the pointer, which then says how far it went. */
static void test_mouse(void **state)
{
    char words[80];

    (void)state;
    show_start(EVENTS_OF_MOUSE);
    title_is("web - running");
    pixels_are(WIDTH, HEIGHT, plain);
    focus();
    snprintf(words, sizeof(words), "mousemove --window %lu 50 50 click 1", win);
    tool(words);
    title_is("web - running - Ctrl-Alt-G lets go");
    tool("click 3");
    line_is("pointer 1.273=1");
    line_is("pointer 1.273=0");
    show_end();
}

static void test_close(void **state)
{
    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    close_button();
    line_is("close");
    close_button();
    line_is("close");
    order('t');
    title_is("web - paused - Caps");
    order('c');
    line_is("cursor");
    pixels_are(WIDTH, HEIGHT, plain);
    show_end();
}

/* A guest that draws as fast as it can: the window hears of the user all the same. */
static void test_flood(void **state)
{
    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    order('f');
    usleep(500000);
    close_button();
    line_is("close");
    order('r');
    line_is("drawn");
    show_end();
}

static void test_full(void **state)
{
    (void)state;
    show_start(EVENTS_OF_TABLET);
    title_is("web - running");
    pixels_are(WIDTH, HEIGHT, plain);
    focus();
    tool("keydown ctrl keydown alt key f keyup alt keyup ctrl");
    line_is("key 1.29=1");
    line_is("key 1.56=1");
    line_is("key 1.56=0");
    line_is("key 1.29=0");
    close_button();
    line_is("close");
    show_end();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_picture, show_kill),
        cmocka_unit_test_teardown(test_screens, show_kill),
        cmocka_unit_test_teardown(test_resize, show_kill),
        cmocka_unit_test_teardown(test_keys, show_kill),
        cmocka_unit_test_teardown(test_tablet, show_kill),
        cmocka_unit_test_teardown(test_mouse, show_kill),
        cmocka_unit_test_teardown(test_close, show_kill),
        cmocka_unit_test_teardown(test_flood, show_kill),
        cmocka_unit_test_teardown(test_full, show_kill),
    };

    if (argc > 1) /* one of them, by its name */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, setup_server, teardown_server);
}
