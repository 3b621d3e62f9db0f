/* The parts around the processor: the registers that a firmware may use, the serial port, the
 * markers, and the record of events. The runner for simavr (tests/board/oracles) includes this file
 * too, so that the two simulators differ in the processor only.
 *
 * The serial port has the timing of the real transmitter (one byte in the shift register, one
 * waiting). The receiver differs from the real one: the host sends a byte when the firmware looks
 * for one and there is none. So no byte is ever lost, and no simulated time is spent on waiting for
 * input: all cycles between the first byte of a query and the end of its reply are work.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

enum { DATA_BYTES = 0x900, IO_BEGIN = 0x20, SRAM_BEGIN = 0x100, FLASH_WORDS = 16384 };
enum { SPL = 0x5d, SPH = 0x5e, SREG = 0x5f, GPIOR0 = 0x3e };
enum { UCSR0A = 0xc0, UCSR0B = 0xc1, UCSR0C = 0xc2, UBRR0L = 0xc4, UBRR0H = 0xc5, UDR0 = 0xc6 };
enum { RXC = 0x80, TXC = 0x40, UDRE = 0x20, U2X = 0x02 };           /* UCSR0A */
enum { INTERRUPTS = 0xe0, RXEN = 0x10, TXEN = 0x08, UCSZ02 = 0x04 }; /* UCSR0B */
enum { FORMAT = 0xfe, EIGHT_N_ONE = 0x06 };                         /* UCSR0C */

/* Why a run ended. The names and numbers are those of grader.board.processor.Stop. */
typedef enum {
    RUNNING, AT_LIMIT, AT_LINE_END, EVENTS_FULL, /* the run can be continued */
    STARVED, STACK_OVERFLOW, REFUSED_READ, REFUSED_WRITE, REFUSED_INTERRUPT, WILD_ADDRESS,
    ILLEGAL_OPCODE, SELF_PROGRAMMING, SLEPT, BROKE, OUTSIDE_FLASH, INTO_DATA, WRONG_RATE, WRONG_FORMAT
} Stop;

enum { RECEIVED = 1, SENT = 2, LOST = 3, MARK = 4 };
typedef struct {
    uint64_t cycle; /* at the start of the instruction */
    uint32_t kind;
    uint32_t value;
} Event;

enum { MAX_EVENTS = 4096, MAX_INPUT = 1024, MAX_IDLE_POLLS = 10000, FRAME_BITS = 10 };
/* Cycles of a bit that a receiver at 115,200 baud understands, within 4%: U2X0 with UBRR0 16 (136) or
 * 17, or UBRR0 8 without U2X0 (144). */
enum { FEWEST_BIT_CYCLES = 134, MOST_BIT_CYCLES = 144 };

typedef struct {
    uint64_t cycle;        /* of the instruction that is being executed */
    uint32_t stop;         /* why the run ended, or RUNNING */
    uint32_t address;      /* data address that caused the stop */
    uint32_t event_count;
    uint32_t input_length, input_position;
    uint32_t idle_polls;   /* looks for input without success since a byte was sent */
    uint64_t buffer_free;  /* the cycle from which UDR0 can be written again */
    uint64_t shift_free;   /* the cycle at which the last byte has left */
    uint8_t received, has_received, has_sent;
    uint8_t stop_at_line_end;
    uint8_t input[MAX_INPUT];
    uint8_t io[SRAM_BEGIN];
    Event events[MAX_EVENTS];
} Board;

/* The state of the processor; `cycle` counts from the reset, addresses of code are in words. */
typedef struct {
    uint64_t cycle;
    uint32_t pc;
    uint32_t last_pc; /* of the last instruction that was executed */
    uint32_t sp, lowest_sp;
    uint32_t stack_limit; /* the first address after the static data */
    uint32_t sreg;
} Processor;

/* What the host receives after a run: grader.board.processor.State. */
typedef struct {
    Processor processor;
    uint32_t stop, address, input_left, event_count;
} State;

static State state_of(const Processor *processor, const Board *board)
{
    return (State){*processor, board->stop, board->address,
                   board->input_length - board->input_position, board->event_count};
}

/* Before a run: `board->input` holds the bytes that the host has to send. */
static void begin_run(Board *board, uint32_t input_length, int stop_at_line_end)
{
    board->input_length = input_length;
    board->input_position = 0;
    board->stop_at_line_end = stop_at_line_end;
    board->event_count = 0;
    board->stop = RUNNING;
}

/* Power-on: the serial port begins with eight data bits, no parity and one stop bit. */
static void reset_board(Board *board)
{
    *board = (Board){0};
    board->io[UCSR0C] = EIGHT_N_ONE;
}

static void record(Board *board, uint32_t kind, uint8_t value)
{
    Event *event = &board->events[board->event_count++];
    event->cycle = board->cycle;
    event->kind = kind;
    event->value = value;
    if (board->event_count == MAX_EVENTS && board->stop == RUNNING)
        board->stop = EVENTS_FULL;
}

static void refuse(Board *board, Stop why, uint32_t address)
{
    if (board->stop <= EVENTS_FULL) {
        board->stop = why;
        board->address = address;
    }
}

/* Registers that are plain memory here: ports, general purpose, reset cause, power reduction. */
static int is_plain(uint32_t address)
{
    return (address >= 0x23 && address <= 0x2b) || address == GPIOR0 || address == 0x4a ||
           address == 0x4b || address == 0x54 || address == 0x64 || address == UCSR0C ||
           address == UBRR0L || address == UBRR0H || address == UCSR0B;
}

static uint32_t bit_cycles(const Board *board)
{
    uint32_t divider = 1 + board->io[UBRR0L] + 256 * (board->io[UBRR0H] & 15);
    return divider * (board->io[UCSR0A] & U2X ? 8 : 16);
}

/* Refuse a rate or a format that the host does not understand. The registers act at once, so this is
 * asked when a byte is sent or received, and when they change while one is being sent. */
static void check_line(Board *board)
{
    uint32_t cycles = bit_cycles(board);
    if (cycles < FEWEST_BIT_CYCLES || cycles > MOST_BIT_CYCLES)
        refuse(board, WRONG_RATE, cycles);
    if ((board->io[UCSR0C] & FORMAT) != EIGHT_N_ONE || board->io[UCSR0B] & UCSZ02)
        refuse(board, WRONG_FORMAT, UCSR0C);
}

static uint8_t uart_status(Board *board)
{
    uint8_t status = board->io[UCSR0A] & 3;
    if (board->cycle >= board->buffer_free)
        status |= UDRE;
    if (board->has_sent && board->cycle >= board->shift_free)
        status |= TXC;
    if (board->has_received)
        return status | RXC;
    if (board->io[UCSR0B] & RXEN && board->input_position < board->input_length) {
        check_line(board);
        board->received = board->input[board->input_position++];
        board->has_received = 1; /* visible from the next look on */
    } else if (status & UDRE && ++board->idle_polls >= MAX_IDLE_POLLS) {
        refuse(board, STARVED, UCSR0A);
    }
    return status;
}

static void uart_send(Board *board, uint8_t value)
{
    uint64_t frame = (uint64_t)FRAME_BITS * bit_cycles(board);
    if (!(board->io[UCSR0B] & TXEN) || board->cycle < board->buffer_free) {
        record(board, LOST, value);
        return;
    }
    check_line(board);
    if (board->cycle >= board->shift_free) {
        board->shift_free = board->cycle + frame;
    } else {
        board->buffer_free = board->shift_free;
        board->shift_free += frame;
    }
    board->has_sent = 1;
    board->idle_polls = 0;
    record(board, SENT, value);
    if (value == '\n' && board->stop_at_line_end && board->stop == RUNNING)
        board->stop = AT_LINE_END;
}

static void check_busy_line(Board *board)
{
    if (board->cycle < board->shift_free)
        check_line(board);
}

static uint8_t board_read(Board *board, uint32_t address)
{
    if (address == UCSR0A)
        return uart_status(board);
    if (address == UDR0) {
        if (board->has_received)
            record(board, RECEIVED, board->received);
        board->has_received = 0;
        return board->received;
    }
    if (!is_plain(address))
        refuse(board, REFUSED_READ, address);
    return board->io[address];
}

static void board_write(Board *board, uint32_t address, uint8_t value)
{
    if (address == UDR0) {
        uart_send(board, value);
    } else if (address == UCSR0A) {
        board->io[UCSR0A] = value & 3;
        if (value & TXC)
            board->has_sent = 0;
        check_busy_line(board);
    } else if (!is_plain(address)) {
        refuse(board, REFUSED_WRITE, address);
    } else {
        board->io[address] = value;
        if (address == UCSR0B && value & INTERRUPTS)
            refuse(board, REFUSED_INTERRUPT, address);
        if (address >= UCSR0B && address <= UBRR0H)
            check_busy_line(board);
        if (address == GPIOR0)
            record(board, MARK, value);
    }
}

#endif
