/* SPDX-License-Identifier: MIT */
/*
 * From the PVH entry (32-bit, paging off) to ring 3 of long mode with all ports open, where the
 * rest of the guest lives: on a KVM that emulates ring 0 only that is fast. Memory is identity
 * mapped up to MAPPED_GIB, for everyone. What stays in ring 0 are HLT and interrupts.
 */
.set MAPPED_GIB, 6
.set CODE, 0x08
.set DATA, 0x10
.set USER_DATA, 0x1b
.set USER_CODE, 0x23
.set TASK, 0x28

.section .note.pvh, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long start32

.text
.code32
.globl start32
start32:
    cli
    cld
    mov $kernel_stack_top, %esp
    mov %ebx, start_info
    mov $tables + 0x2000, %edi
    mov $0x87, %eax
    xor %edx, %edx
    mov $(MAPPED_GIB * 512), %ecx
1:  mov %eax, (%edi)
    mov %edx, 4(%edi)
    add $8, %edi
    add $0x200000, %eax
    adc $0, %edx
    dec %ecx
    jnz 1b
    movl $tables + 0x1007, tables
    mov $tables + 0x1000, %edi
    mov $tables + 0x2007, %eax
    mov $MAPPED_GIB, %ecx
2:  mov %eax, (%edi)
    add $8, %edi
    add $0x1000, %eax
    dec %ecx
    jnz 2b
    mov $tables, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    mov $tss, %eax
    mov %ax, gdt + TASK + 2
    shr $16, %eax
    mov %al, gdt + TASK + 4
    mov %ah, gdt + TASK + 7
    lgdt gdt_pointer
    ljmp $CODE, $start64

.code64
start64:
    mov $DATA, %eax
    mov %eax, %ss
    mov $USER_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov $kernel_stack_top, %rsp
    movq $kernel_stack_top, tss + 4
    mov $TASK, %eax
    ltr %ax
    lidt idt_pointer
    pushq $USER_DATA
    pushq $user_stack_top
    pushq $0x3002
    pushq $USER_CODE
    pushq $guest_main
    iretq

/* What ring 3 may ask for. */
.globl stub_halt
stub_halt:
    sti
    hlt
    iretq

/* Instructions from where no memory is. */
.globl stub_fetch
stub_fetch:
    mov $0xf0000000, %eax
    jmp *%rax

.globl stub_tick
stub_tick:
    push %rax
    incl ticks
    mov $0x20, %al
    out %al, $0x20
    pop %rax
    iretq

.globl stub_ignore
stub_ignore:
    iretq

/* Messages: one stub for each vector from 48 on, counted. */
.macro message n
.balign 16
    push %rax
    incl messages + 4 * \n
    mov $0xfee000b0, %eax
    movl $0, (%rax)
    pop %rax
    iretq
.endm
.globl stub_messages
.balign 16
stub_messages:
message 0
.balign 32
message 1
.balign 32
message 2
.balign 32
message 3

/* Exceptions end the guest: vector, error code if any, and where. */
.globl stub_faults
.balign 16
stub_faults:
.set vector, 0
.rept 32
.balign 16
    mov $vector, %edi
    jmp fault
    .set vector, vector + 1
.endr
fault:
    mov (%rsp), %rsi
    mov 8(%rsp), %rdx
    mov %cr2, %rcx
    call guest_fault
3:  hlt
    jmp 3b

.data
.balign 16
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
    .quad 0x0000890000000067, 0
gdt_pointer:
    .word 55
    .quad gdt
idt_pointer:
    .word 4095
    .quad idt

.bss
.balign 4096
tables:
    .skip 0x2000 + MAPPED_GIB * 0x1000
.globl idt
idt:
    .skip 4096
tss:
    .skip 128
    .skip 16384
kernel_stack_top:
    .skip 65536
user_stack_top:
.globl start_info
start_info:
    .quad 0
.section .note.GNU-stack, "", @progbits
