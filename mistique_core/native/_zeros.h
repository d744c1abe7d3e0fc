/* Splitting words that are zero from those that are not. */
#ifndef MISTIQUE_ZEROS_H
#define MISTIQUE_ZEROS_H

#include <stdint.h>

/* Set a bit for each word that is not zero, the first one highest, and write these words end to end; return how many.
 * `kept` has room for all: what is written beyond the count is overwritten or means nothing. */
#define SPLIT_ZEROS(NAME, WORD)                                                                                      \
    static int64_t NAME(const WORD *words, int64_t n, uint8_t *packed, WORD *kept)                                   \
    {                                                                                                                \
        int64_t count = 0, i = 0;                                                                                    \
        for (; i + 8 <= n; i += 8) {                                                                                 \
            unsigned bits = 0;                                                                                       \
            for (int k = 0; k < 8; k++) {                                                                            \
                WORD word = words[i + k];                                                                            \
                unsigned is_kept = word != 0;                                                                        \
                kept[count] = word;                                                                                  \
                count += is_kept;                                                                                    \
                bits = bits << 1 | is_kept;                                                                          \
            }                                                                                                        \
            packed[i >> 3] = (uint8_t)bits;                                                                          \
        }                                                                                                            \
        if (i < n) {                                                                                                 \
            unsigned bits = 0;                                                                                       \
            for (int k = 0; k < 8; k++) {                                                                            \
                unsigned is_kept = i + k < n && words[i + k] != 0;                                                   \
                if (is_kept)                                                                                         \
                    kept[count++] = words[i + k];                                                                    \
                bits = bits << 1 | is_kept;                                                                          \
            }                                                                                                        \
            packed[i >> 3] = (uint8_t)bits;                                                                          \
        }                                                                                                            \
        return count;                                                                                                \
    }

SPLIT_ZEROS(split_zeros_2, uint16_t)
SPLIT_ZEROS(split_zeros_4, uint32_t)
SPLIT_ZEROS(split_zeros_8, uint64_t)

#endif
