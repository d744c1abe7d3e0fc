/* Small bytes as digits of two bits, and what is left of the larger ones. */
#ifndef MISTIQUE_DIGITS_H
#define MISTIQUE_DIGITS_H

#include <stdint.h>
#include <string.h>

#define EACH(BYTE) (0x0101010101010101u * (BYTE))

static uint64_t eight_bytes(const uint8_t *bytes, int64_t many)
{
    uint64_t word = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (many == 8) {
        memcpy(&word, bytes, 8);
        return word;
    }
#endif
    for (int64_t k = 0; k < many; k++)
        word |= (uint64_t)bytes[k] << (8 * k);
    return word;
}

/* Return the low two bits of four bytes side by side, those of the lowest byte lowest. */
static uint8_t four_digits(uint32_t word)
{
    return (uint8_t)((word * ((1u << 24) | (1u << 18) | (1u << 12) | (1u << 6))) >> 24);
}

/* Pack the smaller of each byte and 3, four to a byte, the first lowest; write what bytes from 3 on have above 3 end to
 * end, and return how many do. `rest` has room for all: what is written beyond the count means nothing. */
static int64_t split_bytes(const uint8_t *values, int64_t n, uint8_t *packed, uint8_t *rest)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i += 8) {
        uint64_t word = eight_bytes(values + i, n - i < 8 ? n - i : 8);
        uint64_t large = (((word & EACH(0x7f)) + EACH(0x7d)) | word) & EACH(0x80); /* the top bit of bytes from 3 on */
        uint64_t all = (large >> 7) * 0xff;
        uint64_t digits = (word & ~all) | (all & EACH(3));
        packed[i >> 2] = four_digits((uint32_t)digits);
        if (i + 4 < n)
            packed[(i >> 2) + 1] = four_digits((uint32_t)(digits >> 32));
        if (n - i < 8) {
            for (; large; large &= large - 1)
                rest[count++] = (uint8_t)((word >> (__builtin_ctzll(large) & ~7)) - 3);
        } else if (large) {
            /* Written whether it is large or not: no branch depends on the values. */
            for (int place = 0; place < 64; place += 8) {
                rest[count] = (uint8_t)((word >> place) - 3);
                count += large >> (place + 7) & 1;
            }
        }
    }
    return count;
}

#endif
