#include "features.h"

#include <string.h>

#include "network.h"

enum { SPACE = ' ' };

static uint16_t hash(uint16_t h, uint8_t c)
{
    return (h << 5) - h + c; /* 31 h + c */
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static void count(uint16_t bucket)
{
    network_input[bucket] += INPUT_SCALE;
}

/* Every trigram of " query ". */
static void count_query(const char *query)
{
    uint8_t before = SPACE, current = lower(*query++);
    for (uint8_t after; current; before = current, current = after) {
        after = lower(*query++);
        uint16_t h = hash(hash(before, current), after ? after : SPACE);
        count(h % QUERY_BUCKETS);
        if (!after)
            break;
    }
}

/* Groups of 1, 2 and 3 characters of the last CONTEXT_LENGTH, each hashed with its place. */
static void count_context(const char *context)
{
    uint8_t last[CONTEXT_LENGTH], length = strlen(context), place = CONTEXT_LENGTH;
    while (place)
        last[--place] = length ? lower(context[--length]) : SPACE;
    for (uint8_t i = 0; i < CONTEXT_LENGTH; i++) {
        uint16_t h = 7 * i;
        for (uint8_t j = i; j < CONTEXT_LENGTH && j < i + 3; j++) {
            h = hash(h, last[j]);
            count(QUERY_BUCKETS + h % CONTEXT_BUCKETS);
        }
    }
}

void features_of(const char *query, const char *context)
{
    memset(network_input, 0, INPUTS * sizeof *network_input);
    count_query(query);
    count_context(context);
}
