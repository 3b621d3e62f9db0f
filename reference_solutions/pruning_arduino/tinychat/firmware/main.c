/* The conversation over the serial port, and one inference after the other.
 *
 *   query\n            ->  the whole reply, \n
 *   query\tcontext\n   ->  the character that follows `context` in the reply, \n
 *                          (nothing but \n where the reply ends)
 *
 * Every inference writes to GPIOR0: 1 when it begins, 16 + i when layer i begins, 2 when it is
 * over. Reading a simulator's cycle counter at these writes costs one instruction.
 */
#include <avr/io.h>
#include <string.h>

#include "features.h"
#include "network.h"

#ifndef F_CPU
#define F_CPU 16000000UL
#endif
#define BAUD 115200UL

enum { MAX_QUERY = 40, MAX_REPLY = 24, INFERENCE_BEGINS = 1, INFERENCE_ENDS = 2 };

static const char charset[] PROGMEM = CHARSET;

static char line[MAX_QUERY + 1 + MAX_REPLY + 1];

static void uart_begin(void)
{
    UCSR0A = 1 << U2X0;
    UBRR0 = (F_CPU / 4 / BAUD - 1) / 2;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0;
}

static void send(char character)
{
    while (!(UCSR0A & 1 << UDRE0))
        ;
    UDR0 = character;
}

static char receive(void)
{
    while (!(UCSR0A & 1 << RXC0))
        ;
    return UDR0;
}

/* One line without its end; what does not fit is dropped. Returns where the context begins, or
 * NULL where the line holds a query alone. */
static char *receive_line(void)
{
    char *end = line, *context = NULL;
    for (char c; (c = receive()) != '\n';) {
        if (c == '\r' || end == line + sizeof line - 1)
            continue;
        if (c == '\t') {
            c = '\0';
            context = end + 1;
        }
        *end++ = c;
    }
    *end = '\0';
    return context;
}

/* The class of the next character: an index into the charset, or END_OF_REPLY. */
static uint8_t next_character(const char *query, const char *context)
{
    GPIOR0 = INFERENCE_BEGINS;
    features_of(query, context);
    uint8_t class = network_run();
    GPIOR0 = INFERENCE_ENDS;
    return class;
}

static void answer(char *context)
{
    uint8_t whole = context == NULL;
    if (whole) {
        context = line + strlen(line) + 1;
        *context = '\0';
        if (context > line + MAX_QUERY + 1)
            context = NULL; /* the query is too long to leave room for a reply */
    }
    for (uint8_t length = context ? strlen(context) : MAX_REPLY; length < MAX_REPLY;) {
        uint8_t class = next_character(line, context);
        if (class == END_OF_REPLY)
            break;
        char c = pgm_read_byte(&charset[class]);
        send(c);
        if (!whole)
            break;
        context[length++] = c;
        context[length] = '\0';
    }
    send('\n');
}

int main(void)
{
    uart_begin();
    for (;;)
        answer(receive_line());
}
