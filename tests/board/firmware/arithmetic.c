/* Integer arithmetic of every width over the line, then the sum in hexadecimal. */
#include <string.h>
#include "serial.h"

static char line[100];
static uint32_t state;

static uint8_t next(void)
{
    state = state * 1664525UL + 1013904223UL;
    return state >> 24;
}

static int16_t narrow(int16_t a, int16_t b)
{
    int16_t sum = a * b + (a >> 3) - (b << 2);
    if (b)
        sum ^= a / b + a % b;
    return sum;
}

static int64_t wide(int64_t a, int32_t b) { return a * b + (a >> 7) - b; }

int main(void)
{
    serial_begin();
    for (;;) {
        uint8_t count = serial_line(line, sizeof line);
        uint32_t total = 0;
        GPIOR0 = 1;
        for (uint8_t i = 0; i < count; i++) {
            state += (uint8_t)line[i];
            for (uint8_t k = 0; k < 20; k++) {
                int16_t a = next() | next() << 8, b = next() | next() << 8;
                total += (uint16_t)narrow(a, b);
                total ^= (uint32_t)wide((int64_t)a << 20, b);
                total += (uint32_t)((float)a * 0.37f);
                total -= (uint8_t)(next() * (int8_t)next());
                total = total << 5 | total >> 27;
            }
        }
        GPIOR0 = 2;
        for (int8_t shift = 28; shift >= 0; shift -= 4)
            serial_put("0123456789abcdef"[total >> shift & 15]);
        serial_put('\n');
    }
}
