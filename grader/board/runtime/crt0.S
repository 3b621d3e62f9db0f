/* Start-up code of an ATmega328P program: the vector table, the stack, main().
 * libgcc adds the copying of .data and the clearing of .bss (.init4) and C++ constructors (.init6)
 * where a program needs them. */

__zero_reg__ = 1
RAMEND = 0x8ff
SPL = 0x3d
SPH = 0x3e
SREG = 0x3f

        .section .vectors, "ax", @progbits
        .global __vectors
        .type   __vectors, @function
__vectors:
        jmp     __init
        /* The other 25 vectors of the part; no interrupt is ever enabled. */
        .rept   25
        jmp     __bad_interrupt
        .endr
        .size   __vectors, . - __vectors

        .section .init2, "ax", @progbits
        .global __init
__init:
        clr     __zero_reg__
        out     SREG, __zero_reg__
        ldi     r28, lo8(RAMEND)
        ldi     r29, hi8(RAMEND)
        out     SPH, r29
        out     SPL, r28

        .section .init9, "ax", @progbits
        call    main
        jmp     main_has_returned

        .section .text.main_has_returned, "ax", @progbits
        .global main_has_returned, exit, _exit, abort
        .type   main_has_returned, @function
main_has_returned:
exit:
_exit:
abort:
        cli
1:      rjmp    1b
        .size   main_has_returned, . - main_has_returned

        .section .text.__bad_interrupt, "ax", @progbits
        .global __bad_interrupt
        .type   __bad_interrupt, @function
__bad_interrupt:
        jmp     __vectors
        .size   __bad_interrupt, . - __bad_interrupt
