/* An ATmega328P: every instruction, its flags and its cycles, as the AVR Instruction Set Manual
 * (DS40002198, column AVRe) and the data sheet (DS40002061) give them.
 *
 * Compiled to WebAssembly by build.py and driven by grader/board/processor.py. Flash is decoded
 * once, when it is loaded: self-programming is refused, so it never changes.
 */
#include "board.h"
#include "instructions.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

enum { C = 1, Z = 2, N = 4, V = 8, S = 16, H = 32, T = 64 };
enum { X = 26, Y = 28, Z_REGISTER = 30 };

static uint8_t flash[2 * FLASH_WORDS];
static uint8_t is_data[FLASH_WORDS]; /* words of tables, which must not be executed */
static Instruction program[FLASH_WORDS + 1];
static uint8_t data[DATA_BYTES]; /* registers at 0, SRAM at 0x100; I/O is board.io */
static Board board;

static Processor cpu;
static State state;

uint8_t *EXPORT(flash_memory)(void) { return flash; }
uint8_t *EXPORT(data_marks)(void) { return is_data; }
uint8_t *EXPORT(data_memory)(void) { return data; }
uint8_t *EXPORT(input)(void) { return board.input; }
Event *EXPORT(events)(void) { return board.events; }
Processor *EXPORT(processor)(void) { return &cpu; }
State *EXPORT(state_memory)(void) { return &state; }

/* Decode the flash and start from address 0. SRAM keeps what the host wrote there. */
void EXPORT(reset)(uint32_t stack_limit)
{
    for (uint32_t pc = 0; pc < FLASH_WORDS; pc++) {
        uint32_t next = (pc + 1) % FLASH_WORDS;
        program[pc] = decode(flash[2 * pc] | flash[2 * pc + 1] << 8,
                             flash[2 * next] | flash[2 * next + 1] << 8);
    }
    for (int i = 0; i < 32; i++)
        data[i] = 0;
    reset_board(&board);
    cpu.cycle = cpu.pc = cpu.sreg = 0;
    cpu.sp = cpu.lowest_sp = DATA_BYTES - 1;
    cpu.stack_limit = stack_limit;
}

/* Data space: registers, I/O, SRAM. */

static uint8_t load(uint32_t address)
{
    if (address >= SRAM_BEGIN && address < DATA_BYTES)
        return data[address];
    if (address < IO_BEGIN)
        return data[address];
    if (address >= DATA_BYTES) {
        refuse(&board, WILD_ADDRESS, address);
        return 0;
    }
    switch (address) {
    case SREG: return cpu.sreg;
    case SPL: return cpu.sp;
    case SPH: return cpu.sp >> 8;
    }
    board.cycle = cpu.cycle;
    return board_read(&board, address);
}

static void check_stack(void)
{
    if (cpu.sp < cpu.lowest_sp)
        cpu.lowest_sp = cpu.sp;
    if (cpu.sp + 1 < cpu.stack_limit)
        refuse(&board, STACK_OVERFLOW, cpu.sp);
}

static void store(uint32_t address, uint8_t value)
{
    if (address >= SRAM_BEGIN && address < DATA_BYTES) {
        data[address] = value;
        return;
    }
    if (address < IO_BEGIN) {
        data[address] = value;
        return;
    }
    if (address >= DATA_BYTES) {
        refuse(&board, WILD_ADDRESS, address);
        return;
    }
    switch (address) {
    case SREG: cpu.sreg = value; return;
    /* Compilers write SPH first, so the pair is right once SPL is written. */
    case SPH: cpu.sp = (cpu.sp & 0xff) | value << 8; return;
    case SPL: cpu.sp = (cpu.sp & 0xff00) | value; check_stack(); return;
    }
    board.cycle = cpu.cycle;
    board_write(&board, address, value);
}

static void push(uint8_t value)
{
    store(cpu.sp, value);
    cpu.sp = (cpu.sp - 1) & 0xffff;
    check_stack();
}

static uint8_t pop(void)
{
    cpu.sp = (cpu.sp + 1) & 0xffff;
    return load(cpu.sp);
}

static void push_address(uint32_t words)
{
    push(words);
    push(words >> 8);
}

static uint32_t pop_address(void)
{
    uint32_t high = pop();
    return high << 8 | pop();
}

static uint32_t pair(uint32_t low) { return data[low] | data[low + 1] << 8; }

static void set_pair(uint32_t low, uint32_t value)
{
    data[low] = value;
    data[low + 1] = value >> 8;
}

/* Accesses by a pointer. Where a register of the pointer is also the operand, the manual leaves
 * the result undefined. */

static uint8_t load_then_increment(uint32_t pointer)
{
    uint32_t address = pair(pointer);
    uint8_t value = load(address);
    set_pair(pointer, address + 1);
    return value;
}

static void store_then_increment(uint32_t pointer, uint8_t value)
{
    uint32_t address = pair(pointer);
    store(address, value);
    set_pair(pointer, address + 1);
}

static uint32_t decremented(uint32_t pointer)
{
    set_pair(pointer, pair(pointer) - 1);
    return pair(pointer);
}

/* The flash has 32 KB, so the upper bit of Z has no meaning. */
static uint8_t flash_byte(uint32_t address) { return flash[address % sizeof flash]; }

static uint8_t flash_byte_then_increment(uint32_t pointer)
{
    uint32_t address = pair(pointer);
    set_pair(pointer, address + 1);
    return flash_byte(address);
}

/* Flags, by the formulas of the manual. S is always N xor V. */

static void set_flags(uint32_t changed, uint32_t flags)
{
    if (changed & S)
        flags |= (!(flags & N) != !(flags & V)) ? S : 0;
    cpu.sreg = (cpu.sreg & ~changed) | flags;
}

static uint32_t zero_negative(uint8_t result)
{
    return (result ? 0 : Z) | (result & 0x80 ? N : 0);
}

static uint8_t add(uint8_t d, uint8_t r, uint32_t carry)
{
    uint8_t result = d + r + carry;
    uint8_t carries = (d & r) | (r & ~result) | (~result & d);
    uint8_t overflow = (d & r & ~result) | (~d & ~r & result);
    set_flags(H | S | V | N | Z | C, zero_negative(result) | (carries & 0x80 ? C : 0) |
                                         (carries & 8 ? H : 0) | (overflow & 0x80 ? V : 0));
    return result;
}

/* With `keep_zero` (CPC, SBC, SBCI) Z can only be cleared: it covers all bytes so far. */
static uint8_t subtract(uint8_t d, uint8_t r, uint32_t carry, int keep_zero)
{
    uint8_t result = d - r - carry;
    uint8_t borrows = (~d & r) | (r & result) | (result & ~d);
    uint8_t overflow = (d & ~r & ~result) | (~d & r & result);
    uint32_t flags = zero_negative(result) | (borrows & 0x80 ? C : 0) | (borrows & 8 ? H : 0) |
                     (overflow & 0x80 ? V : 0);
    if (keep_zero && !(cpu.sreg & Z))
        flags &= ~Z;
    set_flags(H | S | V | N | Z | C, flags);
    return result;
}

static uint8_t logic(uint8_t result)
{
    set_flags(S | V | N | Z, zero_negative(result));
    return result;
}

/* LSR, ROR, ASR: the bit shifted out is the carry, V is N xor C. */
static uint8_t shifted(uint8_t result, uint32_t out)
{
    uint32_t flags = zero_negative(result) | (out ? C : 0);
    flags |= (!(flags & N) != !out) ? V : 0;
    set_flags(S | V | N | Z | C, flags);
    return result;
}

static void multiplied(uint32_t product, int fractional)
{
    uint32_t carry = product >> 15 & 1;
    if (fractional)
        product <<= 1;
    set_pair(0, product);
    set_flags(Z | C, (product & 0xffff ? 0 : Z) | (carry ? C : 0));
}

static void add_to_pair(uint32_t low, uint32_t k)
{
    uint16_t before = pair(low), after = before + k;
    set_pair(low, after);
    set_flags(S | V | N | Z | C, (after ? 0 : Z) | (after & 0x8000 ? N : 0) |
              (after & ~before & 0x8000 ? V : 0) | (~after & before & 0x8000 ? C : 0));
}

static void subtract_from_pair(uint32_t low, uint32_t k)
{
    uint16_t before = pair(low), after = before - k;
    set_pair(low, after);
    set_flags(S | V | N | Z | C, (after ? 0 : Z) | (after & 0x8000 ? N : 0) |
              (~after & before & 0x8000 ? V : 0) | (after & ~before & 0x8000 ? C : 0));
}

/* SBI and CBI read, change one bit and write. */
static void change_bit(uint32_t address, uint32_t bit, int set)
{
    uint8_t value = load(address);
    store(address, set ? value | 1 << bit : value & ~(1 << bit));
}

/* The program counter has 14 bits: a relative jump beyond an end of the flash wraps to the other.
 * Absolute targets beyond the flash are kept, and refused by the next step. */
static void jump_by(uint16_t words) { cpu.pc = (cpu.pc + words) % FLASH_WORDS; }

/* Skip the next instruction: one more cycle for each of its words. */
static uint32_t skip(void)
{
    uint32_t words = program[cpu.pc].words;
    cpu.pc += words;
    return words;
}

/* Execute the instruction at the program counter; the cycles it takes, 0 if it is refused. */
static uint32_t step(void)
{
    if (cpu.pc >= FLASH_WORDS)
        return refuse(&board, OUTSIDE_FLASH, 0), 0;
    if (is_data[cpu.pc])
        return refuse(&board, INTO_DATA, 0), 0;
    cpu.last_pc = cpu.pc;
    const Instruction i = program[cpu.pc];
    uint8_t *const d = &data[i.d], *const r = &data[i.r];
    const uint32_t carry = cpu.sreg & C;
    cpu.pc += i.words;

    switch ((Operation)i.operation) {
    /* Arithmetic and logic */
    case ADD: *d = add(*d, *r, 0); return 1;
    case ADC: *d = add(*d, *r, carry); return 1;
    case SUB: *d = subtract(*d, *r, 0, 0); return 1;
    case SBC: *d = subtract(*d, *r, carry, 1); return 1;
    case SUBI: *d = subtract(*d, i.k, 0, 0); return 1;
    case SBCI: *d = subtract(*d, i.k, carry, 1); return 1;
    case CP: subtract(*d, *r, 0, 0); return 1;
    case CPC: subtract(*d, *r, carry, 1); return 1;
    case CPI: subtract(*d, i.k, 0, 0); return 1;
    case AND: *d = logic(*d & *r); return 1;
    case ANDI: *d = logic(*d & i.k); return 1;
    case OR: *d = logic(*d | *r); return 1;
    case ORI: *d = logic(*d | i.k); return 1;
    case EOR: *d = logic(*d ^ *r); return 1;
    case ADIW: add_to_pair(i.d, i.k); return 2;
    case SBIW: subtract_from_pair(i.d, i.k); return 2;
    case COM: *d = logic(~*d); cpu.sreg |= C; return 1;
    case NEG: *d = subtract(0, *d, 0, 0); return 1;
    case INC:
        ++*d;
        set_flags(S | V | N | Z, zero_negative(*d) | (*d == 0x80 ? V : 0));
        return 1;
    case DEC:
        --*d;
        set_flags(S | V | N | Z, zero_negative(*d) | (*d == 0x7f ? V : 0));
        return 1;
    case LSR: *d = shifted(*d >> 1, *d & 1); return 1;
    case ROR: *d = shifted(*d >> 1 | carry << 7, *d & 1); return 1;
    case ASR: *d = shifted(*d >> 1 | (*d & 0x80), *d & 1); return 1;
    case SWAP: *d = *d << 4 | *d >> 4; return 1;
    case MUL: multiplied(*d * *r, 0); return 2;
    case MULS: multiplied((int8_t)*d * (int8_t)*r, 0); return 2;
    case MULSU: multiplied((int8_t)*d * *r, 0); return 2;
    case FMUL: multiplied(*d * *r, 1); return 2;
    case FMULS: multiplied((int8_t)*d * (int8_t)*r, 1); return 2;
    case FMULSU: multiplied((int8_t)*d * *r, 1); return 2;

    /* Moves, loads and stores */
    case MOV: *d = *r; return 1;
    case MOVW: set_pair(i.d, pair(i.r)); return 1;
    case LDI: *d = i.k; return 1;
    case LDS: *d = load(i.k); return 2;
    case STS: store(i.k, *d); return 2;
    case LDD_Y: *d = load(pair(Y) + i.k); return 2;
    case LDD_Z: *d = load(pair(Z_REGISTER) + i.k); return 2;
    case STD_Y: store(pair(Y) + i.k, *d); return 2;
    case STD_Z: store(pair(Z_REGISTER) + i.k, *d); return 2;
    case LD_X: *d = load(pair(X)); return 2;
    case ST_X: store(pair(X), *d); return 2;
    case LD_X_INC: *d = load_then_increment(X); return 2;
    case LD_Y_INC: *d = load_then_increment(Y); return 2;
    case LD_Z_INC: *d = load_then_increment(Z_REGISTER); return 2;
    case LD_DEC_X: *d = load(decremented(X)); return 2;
    case LD_DEC_Y: *d = load(decremented(Y)); return 2;
    case LD_DEC_Z: *d = load(decremented(Z_REGISTER)); return 2;
    case ST_X_INC: store_then_increment(X, *d); return 2;
    case ST_Y_INC: store_then_increment(Y, *d); return 2;
    case ST_Z_INC: store_then_increment(Z_REGISTER, *d); return 2;
    case ST_DEC_X: store(decremented(X), *d); return 2;
    case ST_DEC_Y: store(decremented(Y), *d); return 2;
    case ST_DEC_Z: store(decremented(Z_REGISTER), *d); return 2;
    case LPM_R0: data[0] = flash_byte(pair(Z_REGISTER)); return 3;
    case LPM_Z: *d = flash_byte(pair(Z_REGISTER)); return 3;
    case LPM_Z_INC: *d = flash_byte_then_increment(Z_REGISTER); return 3;
    case PUSH: push(*d); return 2;
    case POP: *d = pop(); return 2;
    case IN: *d = load(i.k); return 1;
    case OUT: store(i.k, *d); return 1;

    /* Bits */
    case SBI: change_bit(i.k, i.r, 1); return 2;
    case CBI: change_bit(i.k, i.r, 0); return 2;
    case BST: cpu.sreg = *d >> i.r & 1 ? cpu.sreg | T : cpu.sreg & ~T; return 1;
    case BLD: *d = cpu.sreg & T ? *d | 1 << i.r : *d & ~(1 << i.r); return 1;
    case BSET: cpu.sreg |= 1 << i.r; return 1;
    case BCLR: cpu.sreg &= ~(1 << i.r); return 1;

    /* Jumps, branches, skips and calls */
    case RJMP: jump_by(i.k); return 2;
    case JMP: cpu.pc = i.k; return 3;
    case IJMP: cpu.pc = pair(Z_REGISTER); return 2;
    case RCALL: push_address(cpu.pc); jump_by(i.k); return 3;
    case CALL: push_address(cpu.pc); cpu.pc = i.k; return 4;
    case ICALL: push_address(cpu.pc); cpu.pc = pair(Z_REGISTER); return 3;
    case RET: cpu.pc = pop_address(); return 4;
    case RETI: cpu.sreg |= 0x80; cpu.pc = pop_address(); return 4;
    case BRBS:
        if (!(cpu.sreg >> i.r & 1)) return 1;
        jump_by(i.k);
        return 2;
    case BRBC:
        if (cpu.sreg >> i.r & 1) return 1;
        jump_by(i.k);
        return 2;
    case CPSE: return *d == *r ? 1 + skip() : 1;
    case SBRC: return *d >> i.r & 1 ? 1 : 1 + skip();
    case SBRS: return *d >> i.r & 1 ? 1 + skip() : 1;
    case SBIC: return load(i.k) >> i.r & 1 ? 1 : 1 + skip();
    case SBIS: return load(i.k) >> i.r & 1 ? 1 + skip() : 1;

    /* Control */
    case NOP: case WDR: return 1;
    case SLEEP: refuse(&board, SLEPT, 0); break;
    case BREAK: refuse(&board, BROKE, 0); break;
    case SPM: refuse(&board, SELF_PROGRAMMING, 0); break;
    case ILLEGAL: refuse(&board, ILLEGAL_OPCODE, 0); break;
    }
    cpu.pc -= i.words;
    return 0;
}

/* Run until a reason to stop or until `limit` cycles have passed since the reset. The firmware can
 * read `input_length` bytes. Fills the state, returns a Stop. */
uint32_t EXPORT(run)(uint64_t limit, uint32_t input_length, uint32_t stop_at_line_end)
{
    begin_run(&board, input_length, stop_at_line_end);
    while (board.stop == RUNNING && cpu.cycle < limit)
        cpu.cycle += step();
    if (board.stop == RUNNING)
        board.stop = AT_LIMIT;
    state = state_of(&cpu, &board);
    return board.stop;
}
