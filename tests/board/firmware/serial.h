/* The serial port, polled: 115,200 baud as on an UNO. */
#pragma once
#include <avr/io.h>
#include <stdint.h>

static inline void serial_begin(void)
{
    UBRR0 = 16;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0;
}

static inline void serial_put(char c)
{
    while (!(UCSR0A & 1 << UDRE0)) {}
    UDR0 = c;
}

static inline char serial_get(void)
{
    while (!(UCSR0A & 1 << RXC0)) {}
    return UDR0;
}

static inline uint8_t serial_line(char *line, uint8_t size)
{
    uint8_t count = 0;
    for (char c; (c = serial_get()) != '\n';) {
        if (count < size)
            line[count++] = c;
    }
    return count;
}
