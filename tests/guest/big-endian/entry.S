/* SPDX-License-Identifier: MIT */
/*
 * Where the guest begins: the header of an arm64 Image, and what is done before data in memory may
 * be looked at. Instructions are little-endian whatever SCTLR_EL1.EE says; loads and stores follow
 * it, so there are none before it is set.
 */
#define SCTLR_M  (1 << 0)
#define SCTLR_C  (1 << 2)
#define SCTLR_EE (1 << 25)

#define R_AARCH64_RELATIVE 1027
#define PSCI_SYSTEM_OFF    0x84000008

#ifdef __AARCH64EB__
#define FLAGS 0x0b /* big-endian, 4 KiB pages, may be anywhere */
#else
#define FLAGS 0x0a
#endif

    .section .head, "ax"
    .global head
head:
    b enter
    .inst 0
    /* numbers of the header are little-endian in either build: byte by byte */
    .byte 0, 0, 0, 0, 0, 0, 0, 0
    .byte 0, 0, 0x80, 0, 0, 0, 0, 0 /* 8 MiB, of which memory.c gives away the rest */
    .byte FLAGS, 0, 0, 0, 0, 0, 0, 0
    .zero 24
    .ascii "ARM\x64"
    .zero 4

enter:
    mov x19, x0
    mrs x1, sctlr_el1
    bic x1, x1, #SCTLR_M
    bic x1, x1, #SCTLR_C
#ifdef __AARCH64EB__
    orr x1, x1, #SCTLR_EE
#else
    bic x1, x1, #SCTLR_EE
#endif
    msr sctlr_el1, x1
    isb

    adrp x1, bss_start
    add x1, x1, :lo12:bss_start
    adrp x2, bss_end
    add x2, x2, :lo12:bss_end
1:  cmp x1, x2
    b.hs 2f
    str xzr, [x1], #8
    b 1b

    /* linked at 0: pointers in data want the address of head added */
2:  adrp x3, head
    adrp x1, rela_start
    add x1, x1, :lo12:rela_start
    adrp x2, rela_end
    add x2, x2, :lo12:rela_end
3:  cmp x1, x2
    b.hs 4f
    ldp x4, x5, [x1], #16
    ldr x6, [x1], #8
    cmp w5, #R_AARCH64_RELATIVE
    b.ne 3b
    add x6, x6, x3
    str x6, [x3, x4]
    b 3b

4:  adrp x1, stack_end
    add x1, x1, :lo12:stack_end
    mov sp, x1
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    isb
    mov x0, x19
    bl guest_main

    .global guest_off
guest_off:
    movz w0, #(PSCI_SYSTEM_OFF & 0xffff)
    movk w0, #(PSCI_SYSTEM_OFF >> 16), lsl #16
    hvc #0
5:  wfi
    b 5b

/*
 * begin_other_way(status): write 0 and ACKNOWLEDGE to a status register with data accesses in the
 * order that is not this build's. The MMU is off meanwhile: it reads its tables in that order too.
 */
    .global begin_other_way
begin_other_way:
    mrs x1, sctlr_el1
    bic x2, x1, #SCTLR_M
    bic x2, x2, #SCTLR_C
    eor x2, x2, #SCTLR_EE
    mov w3, #1
    dsb sy
    msr sctlr_el1, x2
    isb
    strb wzr, [x0]
    strb w3, [x0]
    dsb sy
    msr sctlr_el1, x1
    isb
    ret

    .balign 2048
vectors:
    .rept 16
    b guest_exception
    .balign 128
    .endr

    .section .bss
    .balign 16
    .zero 32768
stack_end:
    .section .note.GNU-stack, "", %progbits
