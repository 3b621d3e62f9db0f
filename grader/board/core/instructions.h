/* The instruction set of the ATmega328P, as the AVR Instruction Set Manual (DS40002198) lists it.
 *
 * One row an instruction: its name, the bits of the first word that are fixed (mask), their
 * value, and where its operands are (form). The patterns are disjoint, and what matches none of
 * them is illegal on this part: ELPM, EIJMP, EICALL, DES, LAC, LAS, LAT and XCH among them.
 * Aliases (LSL is ADD Rd,Rd; TST is AND Rd,Rd; LD Rd,Z is LDD Rd,Z+0) have no row of their own.
 */
#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H

#include <stdint.h>

#define INSTRUCTIONS(ROW)                                             \
    /* two registers */                                               \
    ROW(CPC, 0xfc00, 0x0400, RD5_RR5)   ROW(SBC, 0xfc00, 0x0800, RD5_RR5)   \
    ROW(ADD, 0xfc00, 0x0c00, RD5_RR5)   ROW(CPSE, 0xfc00, 0x1000, RD5_RR5)  \
    ROW(CP, 0xfc00, 0x1400, RD5_RR5)    ROW(SUB, 0xfc00, 0x1800, RD5_RR5)   \
    ROW(ADC, 0xfc00, 0x1c00, RD5_RR5)   ROW(AND, 0xfc00, 0x2000, RD5_RR5)   \
    ROW(EOR, 0xfc00, 0x2400, RD5_RR5)   ROW(OR, 0xfc00, 0x2800, RD5_RR5)    \
    ROW(MOV, 0xfc00, 0x2c00, RD5_RR5)   ROW(MUL, 0xfc00, 0x9c00, RD5_RR5)   \
    ROW(MOVW, 0xff00, 0x0100, RD4_RR4_PAIRS)                                \
    ROW(MULS, 0xff00, 0x0200, RD4_RR4_HIGH)                                 \
    ROW(MULSU, 0xff88, 0x0300, RD3_RR3) ROW(FMUL, 0xff88, 0x0308, RD3_RR3)  \
    ROW(FMULS, 0xff88, 0x0380, RD3_RR3) ROW(FMULSU, 0xff88, 0x0388, RD3_RR3) \
    /* a high register and a constant */                              \
    ROW(CPI, 0xf000, 0x3000, RD4_K8)    ROW(SBCI, 0xf000, 0x4000, RD4_K8)   \
    ROW(SUBI, 0xf000, 0x5000, RD4_K8)   ROW(ORI, 0xf000, 0x6000, RD4_K8)    \
    ROW(ANDI, 0xf000, 0x7000, RD4_K8)   ROW(LDI, 0xf000, 0xe000, RD4_K8)    \
    ROW(ADIW, 0xff00, 0x9600, PAIR_K6)  ROW(SBIW, 0xff00, 0x9700, PAIR_K6)  \
    /* one register */                                                \
    ROW(COM, 0xfe0f, 0x9400, RD5)       ROW(NEG, 0xfe0f, 0x9401, RD5)       \
    ROW(SWAP, 0xfe0f, 0x9402, RD5)      ROW(INC, 0xfe0f, 0x9403, RD5)       \
    ROW(ASR, 0xfe0f, 0x9405, RD5)       ROW(LSR, 0xfe0f, 0x9406, RD5)       \
    ROW(ROR, 0xfe0f, 0x9407, RD5)       ROW(DEC, 0xfe0f, 0x940a, RD5)       \
    /* loads, stores, stack */                                        \
    ROW(LDD_Y, 0xd208, 0x8008, RD5_Q6)  ROW(LDD_Z, 0xd208, 0x8000, RD5_Q6)  \
    ROW(STD_Y, 0xd208, 0x8208, RD5_Q6)  ROW(STD_Z, 0xd208, 0x8200, RD5_Q6)  \
    ROW(LDS, 0xfe0f, 0x9000, RD5_K16)   ROW(STS, 0xfe0f, 0x9200, RD5_K16)   \
    ROW(LD_Z_INC, 0xfe0f, 0x9001, RD5)  ROW(LD_DEC_Z, 0xfe0f, 0x9002, RD5)  \
    ROW(LD_Y_INC, 0xfe0f, 0x9009, RD5)  ROW(LD_DEC_Y, 0xfe0f, 0x900a, RD5)  \
    ROW(LD_X, 0xfe0f, 0x900c, RD5)      ROW(LD_X_INC, 0xfe0f, 0x900d, RD5)  \
    ROW(LD_DEC_X, 0xfe0f, 0x900e, RD5)                                      \
    ROW(ST_Z_INC, 0xfe0f, 0x9201, RD5)  ROW(ST_DEC_Z, 0xfe0f, 0x9202, RD5)  \
    ROW(ST_Y_INC, 0xfe0f, 0x9209, RD5)  ROW(ST_DEC_Y, 0xfe0f, 0x920a, RD5)  \
    ROW(ST_X, 0xfe0f, 0x920c, RD5)      ROW(ST_X_INC, 0xfe0f, 0x920d, RD5)  \
    ROW(ST_DEC_X, 0xfe0f, 0x920e, RD5)                                      \
    ROW(LPM_R0, 0xffff, 0x95c8, NONE)   ROW(LPM_Z, 0xfe0f, 0x9004, RD5)     \
    ROW(LPM_Z_INC, 0xfe0f, 0x9005, RD5) ROW(SPM, 0xffff, 0x95e8, NONE)      \
    ROW(POP, 0xfe0f, 0x900f, RD5)       ROW(PUSH, 0xfe0f, 0x920f, RD5)      \
    ROW(IN, 0xf800, 0xb000, RD5_A6)     ROW(OUT, 0xf800, 0xb800, RD5_A6)    \
    /* bits */                                                        \
    ROW(CBI, 0xff00, 0x9800, A5_BIT)    ROW(SBI, 0xff00, 0x9a00, A5_BIT)    \
    ROW(SBIC, 0xff00, 0x9900, A5_BIT)   ROW(SBIS, 0xff00, 0x9b00, A5_BIT)   \
    ROW(BLD, 0xfe08, 0xf800, RD5_BIT)   ROW(BST, 0xfe08, 0xfa00, RD5_BIT)   \
    ROW(SBRC, 0xfe08, 0xfc00, RD5_BIT)  ROW(SBRS, 0xfe08, 0xfe00, RD5_BIT)  \
    ROW(BSET, 0xff8f, 0x9408, FLAG)     ROW(BCLR, 0xff8f, 0x9488, FLAG)     \
    /* jumps and calls */                                             \
    ROW(RJMP, 0xf000, 0xc000, K12)      ROW(RCALL, 0xf000, 0xd000, K12)     \
    ROW(BRBS, 0xfc00, 0xf000, K7_FLAG)  ROW(BRBC, 0xfc00, 0xf400, K7_FLAG)  \
    ROW(JMP, 0xfe0e, 0x940c, K22)       ROW(CALL, 0xfe0e, 0x940e, K22)      \
    ROW(IJMP, 0xffff, 0x9409, NONE)     ROW(ICALL, 0xffff, 0x9509, NONE)    \
    ROW(RET, 0xffff, 0x9508, NONE)      ROW(RETI, 0xffff, 0x9518, NONE)     \
    /* control */                                                     \
    ROW(NOP, 0xffff, 0x0000, NONE)      ROW(SLEEP, 0xffff, 0x9588, NONE)    \
    ROW(BREAK, 0xffff, 0x9598, NONE)    ROW(WDR, 0xffff, 0x95a8, NONE)

#define NAME(name, mask, value, form) name,
typedef enum { ILLEGAL, INSTRUCTIONS(NAME) } Operation;
#undef NAME

typedef enum {
    NONE, RD5, RD5_RR5, RD4_RR4_PAIRS, RD4_RR4_HIGH, RD3_RR3, RD4_K8, PAIR_K6, RD5_Q6, RD5_K16,
    RD5_A6, A5_BIT, RD5_BIT, FLAG, K12, K7_FLAG, K22
} Form;

/* A decoded instruction. `words` is 1 or 2. */
typedef struct {
    uint8_t operation;
    uint8_t d;     /* first register, or the one that is stored */
    uint8_t r;     /* second register, or the number of a bit */
    uint8_t words;
    uint16_t k;    /* constant, address or displacement, as the operation needs it */
} Instruction;

static Instruction decode(uint16_t word, uint16_t next)
{
    static const struct { uint16_t mask, value; uint8_t operation, form; } rows[] = {
#define CELLS(name, mask, value, form) {mask, value, name, form},
        INSTRUCTIONS(CELLS)
#undef CELLS
    };
    const uint8_t d5 = (word >> 4) & 31, d4 = (word >> 4) & 15;
    Instruction i = {ILLEGAL, 0, 0, 1, 0};
    unsigned row = 0;
    while (row < sizeof rows / sizeof *rows && (word & rows[row].mask) != rows[row].value)
        row++;
    if (row == sizeof rows / sizeof *rows)
        return i;
    i.operation = rows[row].operation;
    switch (rows[row].form) {
    case NONE: break;
    case RD5: i.d = d5; break;
    case RD5_RR5: i.d = d5; i.r = (word & 15) | (word >> 5 & 16); break;
    case RD4_RR4_PAIRS: i.d = 2 * d4; i.r = 2 * (word & 15); break;
    case RD4_RR4_HIGH: i.d = 16 + d4; i.r = 16 + (word & 15); break;
    case RD3_RR3: i.d = 16 + (d4 & 7); i.r = 16 + (word & 7); break;
    case RD4_K8: i.d = 16 + d4; i.k = (word >> 4 & 0xf0) | (word & 15); break;
    case PAIR_K6: i.d = 24 + 2 * (d4 & 3); i.k = (word >> 2 & 0x30) | (word & 15); break;
    case RD5_Q6: i.d = d5; i.k = (word >> 8 & 0x20) | (word >> 7 & 0x18) | (word & 7); break;
    case RD5_K16: i.d = d5; i.k = next; i.words = 2; break;
    /* I/O registers lie at 0x20 in the data space; operations work with that address. */
    case RD5_A6: i.d = d5; i.k = 0x20 + ((word >> 5 & 0x30) | (word & 15)); break;
    case A5_BIT: i.k = 0x20 + (word >> 3 & 31); i.r = word & 7; break;
    case RD5_BIT: i.d = d5; i.r = word & 7; break;
    case FLAG: i.r = d4 & 7; break;
    case K12: i.k = (word & 0x800) ? word | 0xf000 : word & 0x7ff; break;
    case K7_FLAG: i.r = word & 7; i.k = (word >> 3 & 127) | (word & 0x200 ? 0xff80 : 0); break;
    case K22: i.k = next; i.words = 2; /* the upper 6 bits are 0 with 16,384 words of flash */
              if (word & 0x01f1) i.operation = ILLEGAL;
              break;
    }
    return i;
}

#endif
