/* Column by column: an input that is 0 costs its column nothing, a weight that is 0 is not there.
 *
 * A column is a byte that says how many follow, and these, two nibbles each, the low one first. A
 * nibble is 2 * step + minus: `step` rows behind the last weight (at first: behind row -1) there
 * is a weight of +1 or -1. Two nibbles are special:
 *   0   no weight in the next 7 rows
 *   1   the last weight is -2, not -1
 */
#define NETWORK_C
#include "network.h"

#include <avr/io.h>

enum { LAYER_MARK = 16 };

static int16_t buffers[2][LARGEST];
int16_t *const network_input = buffers[0];

/* In add_columns.S: adds inputs[i] times column i to the sums. */
void add_columns(const uint8_t *columns, const int16_t *inputs, int16_t *sums, uint16_t count);

static void set_biases(const Layer *layer, int16_t *sums)
{
    const int8_t *bias = layer->biases;
    for (uint16_t row = layer->outputs; row; row--)
        *sums++ = (int8_t)pgm_read_byte(bias++) * layer->bias_step;
}

/* max(sum, 0) * multiplier >> 8 in two products of 8 x 8 bits. */
static int16_t scaled(uint16_t sum, uint8_t multiplier)
{
    return (uint16_t)(uint8_t)sum * multiplier / 256 + (sum >> 8) * multiplier;
}

static void activate(const Layer *layer, int16_t *sums)
{
    const uint8_t *multiplier = layer->multipliers;
    for (uint16_t row = layer->outputs; row; row--, sums++) {
        *sums = *sums > 0 ? scaled(*sums, pgm_read_byte(multiplier)) : 0;
        multiplier += layer->multiplier_step;
    }
}

static uint8_t largest(const Layer *layer, const int16_t *sums)
{
    const uint8_t *multiplier = layer->multipliers;
    int16_t best = 0;
    uint8_t class = 0;
    for (uint8_t row = 0; row < layer->outputs; row++) {
        uint8_t m = pgm_read_byte(multiplier);
        int16_t sum = sums[row];
        int16_t logit = sum < 0 ? -scaled(-(uint16_t)sum, m) : scaled(sum, m);
        multiplier += layer->multiplier_step;
        if (row == 0 || logit > best) {
            best = logit;
            class = row;
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
        set_biases(layer, sums);
        add_columns(layer->columns, inputs, sums, layer->inputs);
        if (i == LAYERS - 1)
            return largest(layer, sums);
        activate(layer, sums);
        int16_t *used = inputs;
        inputs = sums;
        sums = used;
    }
}
