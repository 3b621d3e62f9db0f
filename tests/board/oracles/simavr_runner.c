/* The board of grader/board/core/board.h around simavr's processor, driven over pipes by simavr.py.
 *
 * All I/O registers are answered by board.h; simavr executes the instructions, counts the cycles
 * and owns flags, stack and SRAM. Built by simavr.py: cc simavr_runner.c -lsimavr.
 *
 * Commands, little-endian, on stdin; each is answered on stdout:
 *   L  u32 stack_limit, flash, data marks, SRAM -> (nothing)     start from address 0
 *   R  u64 limit, u32 stop_at_line_end, u32 n, n bytes of input -> State, events   run
 *   M  -> the data space; registers, then I/O as 0, then SRAM
 */
#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "instructions.h"

enum { IO_COUNT = SRAM_BEGIN - IO_BEGIN };

static avr_t *avr;
static Board board;
static Processor cpu;
static uint8_t is_data[FLASH_WORDS];
static Instruction program[FLASH_WORDS];

static void read_exactly(void *place, size_t bytes)
{
    if (fread(place, 1, bytes, stdin) != bytes)
        exit(0);
}

static uint32_t read_u32(void)
{
    uint32_t value;
    read_exactly(&value, sizeof value);
    return value;
}

static uint8_t on_read(struct avr_t *processor, avr_io_addr_t address, void *param)
{
    (void)param;
    board.cycle = processor->cycle;
    return board_read(&board, address);
}

static void on_write(struct avr_t *processor, avr_io_addr_t address, uint8_t value, void *param)
{
    (void)param;
    board.cycle = processor->cycle;
    board_write(&board, address, value);
}

static void silent(avr_t *processor, const int level, const char *format, va_list arguments)
{
    (void)processor, (void)level, (void)format, (void)arguments;
}

/* simavr reads behind its flash where Z is 0x8000 or more (the part ignores that bit), and reads and
 * writes behind its data where it has just found that an address is beyond the SRAM. Both memories
 * get room for every address of 16 bits. */
static void make_room(void)
{
    avr->flash = realloc(avr->flash, 0x10000 + 4);
    avr->data = realloc(avr->data, 0x10000 + 4);
    if (!avr->flash || !avr->data)
        exit(2);
}

/* A fresh processor whose I/O registers, but for SP and SREG, are the board's. */
static void make_processor(void)
{
    if (avr) {
        avr_terminate(avr);
        free(avr);
    }
    avr = avr_make_mcu_by_name("atmega328p");
    if (!avr || avr_init(avr))
        exit(2);
    make_room();
    memset(avr->io, 0, sizeof avr->io);
    for (int io = 0; io < IO_COUNT; io++) {
        uint32_t address = IO_BEGIN + io;
        if (address == SPL || address == SPH || address == SREG)
            continue;
        avr->io[io].r.c = on_read;
        avr->io[io].w.c = on_write;
    }
}

static uint32_t stack_pointer(void) { return avr->data[SPL] | avr->data[SPH] << 8; }

static void command_load(void)
{
    make_processor();
    reset_board(&board);
    cpu = (Processor){.stack_limit = read_u32()};
    read_exactly(avr->flash, 2 * FLASH_WORDS);
    memcpy(avr->flash + 2 * FLASH_WORDS, avr->flash, 2 * FLASH_WORDS);
    read_exactly(is_data, sizeof is_data);
    memset(avr->data, 0, DATA_BYTES);
    read_exactly(avr->data + SRAM_BEGIN, DATA_BYTES - SRAM_BEGIN);
    for (uint32_t pc = 0; pc < FLASH_WORDS; pc++) {
        const uint8_t *f = avr->flash + 2 * pc, *next = avr->flash + 2 * ((pc + 1) % FLASH_WORDS);
        program[pc] = decode(f[0] | f[1] << 8, next[0] | next[1] << 8);
    }
    avr->codeend = avr->flashend;
    avr->pc = 0;
    avr->cycle = 0;
    avr->state = cpu_Running;
    cpu.lowest_sp = DATA_BYTES - 1;
    avr->data[SPL] = cpu.lowest_sp & 0xff;
    avr->data[SPH] = cpu.lowest_sp >> 8;
}

/* Why this board refuses to execute what simavr would, or RUNNING. */
static Stop refusal(uint32_t pc)
{
    if (pc >= FLASH_WORDS)
        return OUTSIDE_FLASH;
    if (is_data[pc])
        return INTO_DATA;
    switch (program[pc].operation) {
    case ILLEGAL: return ILLEGAL_OPCODE;
    case SPM: return SELF_PROGRAMMING;
    case SLEEP: return SLEPT;
    case BREAK: return BROKE;
    default: return RUNNING;
    }
}

static void watch_stack(uint32_t before)
{
    const Instruction *i = &program[cpu.last_pc];
    uint32_t sp = stack_pointer();
    if (sp == before || ((i->operation == OUT || i->operation == STS) && i->k == SPH))
        return; /* compilers write SPH first, so the pair is right once SPL is written */
    if (sp < cpu.lowest_sp)
        cpu.lowest_sp = sp;
    if (sp + 1 < cpu.stack_limit)
        refuse(&board, STACK_OVERFLOW, sp);
}

/* simavr takes ADIW and SBIW with a constant that ends in 12 to 15 for instructions of two words
 * when they are skipped (it masks the opcode with 0xfc0f); the manual has them at one. */
static void correct_skip(uint32_t pc)
{
    switch (program[pc].operation) {
    case CPSE: case SBRC: case SBRS: case SBIC: case SBIS:
        if (avr->pc >> 1 == pc + 3 && program[(pc + 1) % FLASH_WORDS].words == 1) {
            avr->pc -= 2;
            avr->cycle -= 1;
        }
    }
}

static void step(void)
{
    uint32_t sp = stack_pointer(), pc = avr->pc >> 1;
    Stop why = refusal(pc);
    if (why != OUTSIDE_FLASH && why != INTO_DATA)
        cpu.last_pc = pc;
    if (why != RUNNING) {
        refuse(&board, why, 0);
        return;
    }
    avr->run_cycle_count = 1;
    avr->pc = avr_run_one(avr);
    correct_skip(pc);
    if (avr->state == cpu_Crashed)
        refuse(&board, WILD_ADDRESS, 0);
    watch_stack(sp);
}

static void command_run(void)
{
    uint64_t limit;
    read_exactly(&limit, sizeof limit);
    uint32_t stop_at_line_end = read_u32(), input_length = read_u32();
    if (input_length > MAX_INPUT)
        exit(2);
    read_exactly(board.input, input_length);
    begin_run(&board, input_length, stop_at_line_end);
    while (board.stop == RUNNING && avr->cycle < limit)
        step();
    if (board.stop == RUNNING)
        board.stop = AT_LIMIT;
    cpu.cycle = avr->cycle;
    cpu.pc = avr->pc >> 1;
    cpu.sp = stack_pointer();
    READ_SREG_INTO(avr, cpu.sreg);
    State state = state_of(&cpu, &board);
    fwrite(&state, sizeof state, 1, stdout);
    fwrite(board.events, sizeof *board.events, board.event_count, stdout);
    fflush(stdout);
}

static void command_memory(void)
{
    static uint8_t data[DATA_BYTES];
    memcpy(data, avr->data, IO_BEGIN);
    memcpy(data + SRAM_BEGIN, avr->data + SRAM_BEGIN, DATA_BYTES - SRAM_BEGIN);
    fwrite(data, 1, sizeof data, stdout);
    fflush(stdout);
}

int main(void)
{
    avr_global_logger_set(silent);
    for (int command; (command = getchar()) != EOF;) {
        switch (command) {
        case 'L': command_load(); break;
        case 'R': command_run(); break;
        case 'M': command_memory(); break;
        default: return 2;
        }
    }
    return 0;
}
