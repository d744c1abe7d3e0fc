/* Strings that lie end to end: which of them are equal. */
#ifndef MISTIQUE_STRINGS_H
#define MISTIQUE_STRINGS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mixed(uint64_t hash)
{
    hash *= 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static uint64_t string_hash(const uint8_t *bytes, int64_t size)
{
    uint64_t hash = mixed((uint64_t)size + 1), word;
    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        hash = mixed(hash ^ word);
    }
    word = 0;
    for (int64_t k = 0; k < size; k++)
        word |= (uint64_t)bytes[k] << (8 * k);
    return mixed(hash ^ word);
}

/*
 * Number the different strings in order of occurrence: write the first row of each, at most `most`, and the number of
 * every row. String i has the bytes from ends[i] to ends[i + 1]. Return how many there are; -1 where there are more, or
 * the ends do not ascend within the text.
 */
static int64_t distinct_strings(const uint8_t *text, int64_t size, const int64_t *ends, int64_t rows, int32_t *firsts,
                                int64_t most, int32_t *codes)
{
    uint64_t slots = 64;
    while (slots < 2 * (uint64_t)most)
        slots *= 2;
    int32_t *table = malloc(slots * sizeof(int32_t));
    int64_t count = table && rows <= INT32_MAX && most <= INT32_MAX && ends[0] >= 0 ? 0 : -1;
    if (count == 0)
        memset(table, 0xFF, slots * sizeof(int32_t));
    for (int64_t i = 0, start = 0, length, before = -1; i < rows && count >= 0; i++, before = length) {
        const uint8_t *last = text + start; /* often equal strings follow each other */
        start = ends[i];
        if (ends[i + 1] < start || ends[i + 1] > size) {
            count = -1;
            break;
        }
        length = ends[i + 1] - start;
        if (length == before && !memcmp(last, text + start, (size_t)length)) {
            codes[i] = codes[i - 1];
            continue;
        }
        uint64_t slot = string_hash(text + start, length) & (slots - 1);
        int32_t code;
        while ((code = table[slot]) >= 0) {
            int64_t other = ends[firsts[code]];
            if (ends[firsts[code] + 1] - other == length && !memcmp(text + other, text + start, (size_t)length))
                break;
            slot = (slot + 1) & (slots - 1);
        }
        if (code < 0) {
            if (count == most) {
                count = -1;
                break;
            }
            code = table[slot] = (int32_t)count;
            firsts[count++] = (int32_t)i;
        }
        codes[i] = code;
    }
    free(table);
    return count;
}

#endif
