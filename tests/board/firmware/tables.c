/* Tables in flash and in SRAM, calls by pointer, recursion, strings. */
#include <avr/pgmspace.h>
#include <string.h>
#include "serial.h"

static const uint8_t squares[256] PROGMEM = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144};
static const uint16_t primes[] PROGMEM = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43};
static const char greeting[] PROGMEM = "tables";
static uint8_t counts[26] = {1, 2, 3};
static char line[100];

static uint16_t by_square(uint8_t c) { return pgm_read_byte(&squares[c & 15]); }
static uint16_t by_prime(uint8_t c) { return pgm_read_word(&primes[c % 14]); }
static uint16_t by_count(uint8_t c) { return ++counts[c % 26]; }
static uint16_t (*const ways[])(uint8_t) = {by_square, by_prime, by_count};

static uint16_t fold(const char *text, uint8_t count)
{
    return count ? ways[count % 3](*text) + 3 * fold(text + 1, count - 1) : 7;
}

int main(void)
{
    char copy[sizeof greeting];
    serial_begin();
    for (;;) {
        uint8_t count = serial_line(line, sizeof line - 1);
        line[count] = 0;
        memcpy_P(copy, greeting, sizeof copy);
        GPIOR0 = 1;
        uint16_t sum = fold(line, count) + strlen(line) + strcmp(line, copy) + strcmp_P(line, greeting);
        GPIOR0 = 2;
        for (uint8_t i = 0; i < 4; i++, sum >>= 4)
            serial_put('a' + (sum & 15));
        serial_put('\n');
    }
}
