/* The integer network: counts in, the class of the next character out.
 *
 * In every layer the sums are 16 bits wide and wrap. A hidden unit's output is
 * max(sum, 0) * multiplier / 256, the class is the largest of sum * multiplier / 256, the first
 * of equals; both divisions towards zero. grader.board.integer_network does the same with numpy.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#include "weights.h"

enum { INPUT_SCALE = 32, INPUTS = QUERY_BUCKETS + CONTEXT_BUCKETS, END_OF_REPLY = 39 };

/* INPUTS numbers: count * INPUT_SCALE of every bucket. */
extern int16_t *const network_input;

/* Runs all layers on `network_input`, which is overwritten. */
uint8_t network_run(void);

#endif
