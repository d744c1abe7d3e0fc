/* Which of a few hundred sorted bins each of many float32 numbers falls into, and how far from its level it is. */
#ifndef MISTIQUE_BINS_H
#define MISTIQUE_BINS_H

#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *before;   /* edges below all numbers of a cell */
    const float *firsts;     /* the first edge inside a cell, infinity where there is none */
    const float *seconds;    /* the second one; NULL if no cell has two */
    const uint8_t *crowded;  /* whether a cell has more than two; NULL if none has */
    const float *edges;
    int64_t edge_count, cells, base;
    int shift, is_signed;
} Cells;

static uint8_t search_edges(const Cells *table, float value)
{
    int64_t low = 0, high = table->edge_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (table->edges[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)low;
}

/* The fields of the table are taken out of it first: writing a code could change them, for all that a compiler knows. */
static inline __attribute__((always_inline)) void bin_loop(const Cells *table, const float *restrict values, int64_t n,
                                                           uint8_t *restrict codes, int is_signed, int has_seconds)
{
    const int64_t last = table->cells - 1, base = table->base;
    const int shift = table->shift;
    const uint8_t *restrict before = table->before, *restrict crowded = table->crowded;
    const float *restrict firsts = table->firsts, *restrict seconds = table->seconds;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        float value = values[i];
        memcpy(&bits, &value, 4);
        int64_t cell = (is_signed ? (int64_t)((int32_t)bits >> shift) : (int64_t)(bits >> shift)) - base;
        cell = cell < 0 ? 0 : cell > last ? last : cell;
        unsigned code = before[cell] + (unsigned)(value > firsts[cell]);
        if (has_seconds)
            code += value > seconds[cell];
        codes[i] = (uint8_t)code;
        if (crowded && crowded[cell])
            codes[i] = search_edges(table, value);
    }
}

static void bin_numbers(const Cells *table, const float *values, int64_t n, uint8_t *codes)
{
    if (table->is_signed && table->seconds)
        bin_loop(table, values, n, codes, 1, 1);
    else if (table->is_signed)
        bin_loop(table, values, n, codes, 1, 0);
    else if (table->seconds)
        bin_loop(table, values, n, codes, 0, 1);
    else
        bin_loop(table, values, n, codes, 0, 0);
}

/* Add the squares of value minus level to the sums of their positions, unit after unit; those of skipped codes count
 * nothing. Each square and each sum is rounded once, in the order in which NumPy reduces the first axis. */
FAST static void add_squares(const float *values, const uint8_t *codes, const float *levels, const uint8_t *skipped,
                             int64_t units, int64_t positions, float *sums)
{
    for (int64_t unit = 0; unit < units; unit++) {
        const float *v = values + unit * positions;
        const uint8_t *c = codes + unit * positions;
        for (int64_t i = 0; i < positions; i++) {
            float error = skipped[c[i]] ? 0.0f : v[i] - levels[c[i]];
            sums[i] = error * error + sums[i];
        }
    }
}

/* Write the places of two bytes, and return how many there are. */
FAST static int64_t find_bytes(const uint8_t *bytes, int64_t n, uint8_t first, uint8_t second, int64_t *places)
{
    int64_t count = 0, i = 0;
    for (; i + 64 <= n; i += 64) {
        uint8_t any = 0;
        for (int k = 0; k < 64; k++)
            any |= (uint8_t)((bytes[i + k] == first) | (bytes[i + k] == second));
        if (!any)
            continue;
        for (int k = 0; k < 64; k++)
            if (bytes[i + k] == first || bytes[i + k] == second)
                places[count++] = i + k;
    }
    for (; i < n; i++)
        if (bytes[i] == first || bytes[i] == second)
            places[count++] = i;
    return count;
}

#endif
