/* SPDX-License-Identifier: MIT */
/*
 * A guest that touches a device with an instruction that hardware does not describe to KVM (a pair
 * of registers): it sees an external abort, and goes on. ELF, linked at 1 MiB above the start of RAM.
 */
#include "vmm/arm64/layout.h"

#define EC_SHIFT        26
#define EC_ABORT        0x25 /* data abort, same exception level */
#define PSCI_SYSTEM_OFF 0x84000008

    .text
    .global start
start:
    mov x10, #ARM64_UART_BASE
    adr x0, vectors
    msr vbar_el1, x0
    isb
    adr x0, hello
    bl say
    mov x20, #0
    ldp x2, x3, [x10]
    stp x2, x3, [x10], #16
    mov x10, #ARM64_UART_BASE
    cmp x20, #2
    b.ne off
    adr x0, two
    bl say
off:
    ldr w0, =PSCI_SYSTEM_OFF
    hvc #0
    b .

/* x0: text that ends with a zero byte */
say:
    ldrb w1, [x0], #1
    cbz w1, 1f
    strb w1, [x10]
    b say
1:  ret

/* Count it if it is a data abort, and skip the instruction. */
abort:
    mrs x5, esr_el1
    lsr x5, x5, #EC_SHIFT
    and x5, x5, #0x3f
    cmp x5, #EC_ABORT
    b.ne off
    add x20, x20, #1
    mrs x5, elr_el1
    add x5, x5, #4
    msr elr_el1, x5
    eret

hello:
    .asciz "abort: begins\n"
two:
    .asciz "abort: two external aborts, and the guest goes on\n"

    .balign 2048
vectors:
    .rept 4
    .balign 128
    b off
    .endr
    .balign 128
    b abort /* synchronous, this level, its own stack */
    .rept 11
    .balign 128
    b off
    .endr
