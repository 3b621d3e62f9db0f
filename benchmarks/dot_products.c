/* Dot products of an ATmega328P by data type: weights in flash, inputs in SRAM. Between the marks
   16, 17 and 18 lie 128 products of int8, 64 of int16 and 64 of float32. */
#pragma GCC optimize("O3")
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <stdint.h>

static const int8_t w8[128] PROGMEM = {1, -2, 3};
static const int16_t w16[64] PROGMEM = {300, -2, 5};
static const float wf[64] PROGMEM = {1.5f, 2.25f, -3.1f, 0.7f};
static int8_t x8[128];
static int16_t x16[64];
static float xf[64];
volatile int16_t sum8;
volatile int32_t sum16;
volatile float sumf;

#define MAC "lpm r22, Z+ \n ld r23, X+ \n muls r22, r23 \n add %A0, r0 \n adc %B0, r1 \n"

static __attribute__((noinline)) int16_t dot8(const int8_t *w, const int8_t *x)
{
    int16_t sum = 0;
    for (uint8_t n = 128 / 8; n; n--)
        __asm__ volatile(MAC MAC MAC MAC MAC MAC MAC MAC "clr r1"
                         : "+r"(sum), "+z"(w), "+x"(x)
                         :
                         : "r22", "r23", "r0", "memory");
    return sum;
}

static __attribute__((noinline)) int32_t dot16(const int16_t *w, const int16_t *x)
{
    int32_t sum = 0;
    for (uint8_t n = 64; n; n--)
        sum += (int32_t)(int16_t)pgm_read_word(w++) * *x++;
    return sum;
}

static __attribute__((noinline)) float dotf(const float *w, const float *x)
{
    float sum = 0;
    for (uint8_t n = 64; n; n--) {
        union {
            uint32_t bits;
            float number;
        } a = {.bits = pgm_read_dword(w++)};
        sum += a.number * *x++;
    }
    return sum;
}

int main(void)
{
    UBRR0 = 16;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0;
    for (;;) {
        do
            while (!(UCSR0A & 1 << RXC0)) {}
        while (UDR0 != '\n');
        for (uint8_t i = 0; i < 64; i++) {
            x8[2 * i] = i;
            x16[i] = 37 * i;
            xf[i] = 0.37f * i + 0.1f;
        }
        GPIOR0 = 1;
        GPIOR0 = 16;
        sum8 = dot8(w8, x8);
        GPIOR0 = 17;
        sum16 = dot16(w16, x16);
        GPIOR0 = 18;
        sumf = dotf(wf, xf);
        GPIOR0 = 2;
        while (!(UCSR0A & 1 << UDRE0)) {}
        UDR0 = '\n';
    }
}
