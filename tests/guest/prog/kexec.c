// SPDX-License-Identifier: MIT
/* kexec KERNEL INITRD COMMAND-LINE: start another kernel in place of the running one. */
#include <err.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int kernel, initrd;

    if (argc != 4)
        errx(1, "usage: kexec KERNEL INITRD COMMAND-LINE");
    kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
    initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (kernel < 0 || initrd < 0)
        err(1, "%s or %s", argv[1], argv[2]);
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0UL) != 0)
        err(1, "kexec_file_load of %s", argv[1]);
    sync();
    reboot(LINUX_REBOOT_CMD_KEXEC);
    err(1, "kexec");
}
