/* Row by row, every weight: plain, and slow.
 *
 * TODO: most inputs are 0 and many weights are, too. Which of them need to be looked at?
 */
#pragma GCC optimize("O2") /* this file for speed, the others for size */

#define NETWORK_C
#include "network.h"

#include <avr/io.h>

enum { LAYER_MARK = 16 };

static int16_t buffers[2][LARGEST];
int16_t *const network_input = buffers[0];

/* One row times the inputs. `bits` is a constant wherever this is inlined. Unsigned sums wrap. */
static inline __attribute__((always_inline)) uint16_t
row_times(const uint8_t *row, const int16_t *inputs, uint16_t count, const uint8_t bits)
{
    const int16_t *end = inputs + count;
    uint16_t sum = 0;
    while (inputs != end) {
        uint8_t byte = pgm_read_byte(row++);
        for (uint8_t left = 8 / bits; left && inputs != end; left--, byte >>= bits) {
            uint8_t code = byte & ((1 << bits) - 1);
            int8_t level = bits == 1 ? 2 * code - 1 : code - (1 << (bits - 1));
            sum += level * *inputs++;
        }
    }
    return sum;
}

/* Leaves the layer's 16-bit sums in `sums`. */
static void multiply(const Layer *layer, const int16_t *inputs, int16_t *sums)
{
    const uint8_t *row = layer->weights;
    uint16_t row_bytes = (layer->inputs * layer->bits + 7) / 8;
    for (uint16_t i = 0; i < layer->outputs; i++, row += row_bytes) {
        uint16_t sum = pgm_read_word(&layer->biases[i]);
        switch (layer->bits) {
        case 1: sum += row_times(row, inputs, layer->inputs, 1); break;
        case 2: sum += row_times(row, inputs, layer->inputs, 2); break;
        default: sum += row_times(row, inputs, layer->inputs, 4); break;
        }
        sums[i] = sum;
    }
}

/* sum * multiplier / 256, in two products of 8 x 8 bits. */
static int16_t scaled(uint16_t sum, uint8_t multiplier)
{
    return (uint16_t)(uint8_t)sum * multiplier / 256 + (sum >> 8) * multiplier;
}

static void activate(const Layer *layer, int16_t *sums)
{
    for (uint16_t i = 0; i < layer->outputs; i++) {
        uint8_t multiplier = pgm_read_byte(&layer->multipliers[i]);
        sums[i] = sums[i] > 0 ? scaled(sums[i], multiplier) : 0;
    }
}

static uint8_t largest(const Layer *layer, const int16_t *sums)
{
    int16_t best = 0;
    uint8_t class = 0;
    for (uint8_t i = 0; i < layer->outputs; i++) {
        uint8_t multiplier = pgm_read_byte(&layer->multipliers[i]);
        int16_t logit = sums[i] < 0 ? -scaled(-(uint16_t)sums[i], multiplier)
                                    : scaled(sums[i], multiplier);
        if (i == 0 || logit > best) {
            best = logit;
            class = i;
        }
    }
    return class;
}

uint8_t network_run(void)
{
    int16_t *inputs = buffers[0], *sums = buffers[1];
    for (uint8_t i = 0;; i++) {
        const Layer *layer = &layers[i];
        GPIOR0 = LAYER_MARK + i;
        multiply(layer, inputs, sums);
        if (i == LAYERS - 1)
            return largest(layer, sums);
        activate(layer, sums);
        int16_t *used = inputs;
        inputs = sums;
        sums = used;
    }
}
