/*
 * Codes of a page into values: the formulas of mistique_core/partition/transform.py, with the same bits. A function
 * that meets a code which means nothing returns 0.
 */
#ifndef MISTIQUE_VALUES_H
#define MISTIQUE_VALUES_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif

enum { PLAIN, OFFSET, DECIMAL, DICTIONARY, KINDS };

/* How codes become values; packed by mistique_core/partition/native_pages.py. */
typedef struct {
    int64_t kind, bits, width, step, size, items, exceptions;
    uint64_t base, top;
    double first, scale;
} Spec;

/* ---------------------------------------------------------------- codes of a page */

#define JOIN(NAME, TYPE, CODE)                                                                       \
    FAST static void NAME(const uint8_t *page, int64_t step, int64_t n, TYPE *out)                   \
    {                                                                                                \
        for (int64_t i = 0; i < n; i++)                                                              \
            out[i] = CODE;                                                                           \
    }
#define AT(TYPE, k) ((TYPE)((TYPE)page[(k) * step + i] << (8 * (k))))
JOIN(join_2, uint16_t, AT(uint16_t, 0) | AT(uint16_t, 1))
JOIN(join_4, uint32_t, AT(uint32_t, 0) | AT(uint32_t, 1) | AT(uint32_t, 2) | AT(uint32_t, 3))
JOIN(join_8, uint64_t,
     AT(uint64_t, 0) | AT(uint64_t, 1) | AT(uint64_t, 2) | AT(uint64_t, 3) | AT(uint64_t, 4) | AT(uint64_t, 5) |
         AT(uint64_t, 6) | AT(uint64_t, 7))

/* Write the codes of the byte planes of a page one after the other. */
static void join(const Spec *spec, const uint8_t *page, int64_t n, void *out)
{
    switch (spec->width) {
    case 1: memcpy(out, page, (size_t)n); break;
    case 2: join_2(page, spec->step, n, out); break;
    case 4: join_4(page, spec->step, n, out); break;
    default: join_8(page, spec->step, n, out);
    }
}

static uint64_t word_at(const uint8_t *planes, int64_t step, int64_t width, int64_t i)
{
    uint64_t word = 0;
    for (int64_t k = 0; k < width; k++)
        word |= (uint64_t)planes[k * step + i] << (8 * k);
    return word;
}

static uint64_t code_at(const Spec *spec, const uint8_t *page, int64_t row)
{
    if (spec->bits == 8)
        return word_at(page, spec->step, spec->width, row);
    int64_t place = row * spec->bits;
    return (uint64_t)(page[place >> 3] >> (place & 7)) & ((1u << spec->bits) - 1);
}

/* ---------------------------------------------------------------- values */

static int fits(uint64_t word, int64_t size)
{
    return size == 8 || word < (uint64_t)1 << (8 * size);
}

/* Find the bits of the value of one code; `table` has byte planes. */
static int value_of(const Spec *spec, const uint64_t *exceptions, const uint8_t *table, uint64_t code, uint64_t *bits)
{
    switch (spec->kind) {
    case PLAIN: *bits = code; return 1;
    case OFFSET: *bits = code + spec->base; return 1;
    case DICTIONARY:
        if (code >= (uint64_t)spec->items)
            return 0;
        *bits = word_at(table, spec->items, spec->size, (int64_t)code);
        return 1;
    default:
        if (spec->exceptions >= 0 && code >= spec->top) {
            if (code - spec->top >= (uint64_t)spec->exceptions || !fits(exceptions[code - spec->top], spec->size))
                return 0;
            *bits = exceptions[code - spec->top];
            return 1;
        }
        double value = ((double)code + spec->first) / spec->scale;
        if (spec->size == 8) {
            memcpy(bits, &value, 8);
        } else {
            float narrow = (float)value;
            *bits = 0;
            memcpy(bits, &narrow, 4);
        }
        return 1;
    }
}

static void put(void *out, int64_t size, int64_t i, uint64_t bits)
{
    switch (size) {
    case 1: ((uint8_t *)out)[i] = (uint8_t)bits; break;
    case 2: ((uint16_t *)out)[i] = (uint16_t)bits; break;
    case 4: ((uint32_t *)out)[i] = (uint32_t)bits; break;
    default: ((uint64_t *)out)[i] = bits;
    }
}

FAST static int largest(const uint8_t *codes, int64_t n)
{
    uint8_t most = 0;
    for (int64_t i = 0; i < n; i++)
        most = codes[i] > most ? codes[i] : most;
    return most;
}

/* One-byte codes: `words` has the value of each of the first `known` codes. */
#define LOOK_UP(NAME, TYPE)                                                                                    \
    static void NAME(const uint8_t *page, int64_t n, const uint64_t *wide, TYPE *out)                          \
    {                                                                                                          \
        TYPE words[256];                                                                                       \
        for (int k = 0; k < 256; k++)                                                                          \
            words[k] = (TYPE)wide[k];                                                                          \
        for (int64_t i = 0; i < n; i++)                                                                        \
            out[i] = words[page[i]];                                                                           \
    }
LOOK_UP(look_up_1, uint8_t)
LOOK_UP(look_up_2, uint16_t)
LOOK_UP(look_up_4, uint32_t)
LOOK_UP(look_up_8, uint64_t)

static int look_up(const Spec *spec, const uint8_t *page, int64_t n, const uint64_t *words, int known, void *out)
{
    if (known < 256 && largest(page, n) >= known)
        return 0;
    switch (spec->size) {
    case 1: look_up_1(page, n, words, out); break;
    case 2: look_up_2(page, n, words, out); break;
    case 4: look_up_4(page, n, words, out); break;
    default: look_up_8(page, n, words, out);
    }
    return 1;
}

/* Codes of a few bits: each byte names all of its values at once. `rows` gets them, one row a byte. */
static void fill_rows(const Spec *spec, const uint64_t *words, uint8_t *rows)
{
    int64_t per_byte = 8 / spec->bits;
    for (int64_t byte = 0; byte < 256; byte++)
        for (int64_t k = 0; k < per_byte; k++)
            put(rows, spec->size, byte * per_byte + k, words[(byte >> (k * spec->bits)) & ((1 << spec->bits) - 1)]);
}

#define COPY(SIZE)                                             \
    case SIZE:                                                 \
        for (int64_t i = 0; i < n; i++)                        \
            memcpy(out + i * SIZE, rows + page[i] * SIZE, SIZE); \
        break;

static void copy_rows(const uint8_t *page, int64_t n, const uint8_t *rows, int64_t size, uint8_t *out)
{
    switch (size) {
        COPY(2)
        COPY(4)
        COPY(8)
        COPY(16)
        COPY(32)
        COPY(64)
    }
}

/* Whether every code of some bytes is one of the first `known`. */
static int are_known(const Spec *spec, const uint8_t *page, int64_t bytes, int known)
{
    int mask = (1 << spec->bits) - 1;
    if (known > mask)
        return 1;
    for (int64_t i = 0; i < bytes; i++)
        for (int shift = 0; shift < 8; shift += (int)spec->bits)
            if (((page[i] >> shift) & mask) >= known)
                return 0;
    return 1;
}

/* `rows` as filled by fill_rows. */
static int unpack(const Spec *spec, const uint8_t *page, int64_t n, const uint8_t *rows, int known, uint8_t *out)
{
    int64_t per_byte = 8 / spec->bits, whole = n / per_byte, rest = n % per_byte, size = per_byte * spec->size;
    if (!are_known(spec, page, whole + (rest > 0), known))
        return 0;
    copy_rows(page, whole, rows, size, out);
    if (rest)
        memcpy(out + whole * size, rows + page[whole] * size, (size_t)(rest * spec->size));
    return 1;
}

/* Wider codes. A position in a table is bounded first, so that the loop that looks up needs no test. */
#define TAKE(NAME, CODE, TYPE)                                                                         \
    FAST static int NAME(const CODE *codes, int64_t n, const TYPE *table, uint64_t items, TYPE *out)   \
    {                                                                                                  \
        CODE most = 0;                                                                                 \
        for (int64_t i = 0; i < n; i++)                                                                \
            most = codes[i] > most ? codes[i] : most;                                                  \
        if (most >= items)                                                                             \
            return 0;                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                \
            out[i] = table[codes[i]];                                                                  \
        return 1;                                                                                      \
    }
TAKE(take_2_1, uint16_t, uint8_t)
TAKE(take_2_2, uint16_t, uint16_t)
TAKE(take_2_4, uint16_t, uint32_t)
TAKE(take_2_8, uint16_t, uint64_t)

static int take(const Spec *spec, const uint16_t *codes, int64_t n, const void *table, void *out)
{
    switch (spec->size) {
    case 1: return take_2_1(codes, n, table, (uint64_t)spec->items, out);
    case 2: return take_2_2(codes, n, table, (uint64_t)spec->items, out);
    case 4: return take_2_4(codes, n, table, (uint64_t)spec->items, out);
    default: return take_2_8(codes, n, table, (uint64_t)spec->items, out);
    }
}

#define DIVIDE(NAME, CODE, TYPE, NUMBER)                                                                         \
    FAST static CODE NAME(const CODE *codes, int64_t n, double first, double scale, TYPE *out)                   \
    {                                                                                                            \
        CODE most = 0;                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                        \
            most = codes[i] > most ? codes[i] : most;                                                            \
            out[i] = (TYPE)((NUMBER + first) / scale);                                                           \
        }                                                                                                        \
        return most;                                                                                             \
    }
/* 2 ** 52 more is a double whose last bits are the code: no instruction converts unsigned integers. */
static inline double whole(uint32_t code)
{
    union { uint64_t u; double d; } number = {.u = 0x4330000000000000u | code};
    return number.d - 4503599627370496.0;
}
DIVIDE(divide_2_4, uint16_t, float, (double)(int32_t)codes[i])
DIVIDE(divide_2_8, uint16_t, double, (double)(int32_t)codes[i])
DIVIDE(divide_4_4, uint32_t, float, whole(codes[i]))
DIVIDE(divide_4_8, uint32_t, double, whole(codes[i]))
DIVIDE(divide_8_4, uint64_t, float, (double)codes[i])
DIVIDE(divide_8_8, uint64_t, double, (double)codes[i])

static uint64_t divide(const Spec *spec, const void *codes, int64_t n, void *out)
{
    if (spec->size == 8)
        switch (spec->width) {
        case 2: return divide_2_8(codes, n, spec->first, spec->scale, out);
        case 4: return divide_4_8(codes, n, spec->first, spec->scale, out);
        default: return divide_8_8(codes, n, spec->first, spec->scale, out);
        }
    switch (spec->width) {
    case 2: return divide_2_4(codes, n, spec->first, spec->scale, out);
    case 4: return divide_4_4(codes, n, spec->first, spec->scale, out);
    default: return divide_8_4(codes, n, spec->first, spec->scale, out);
    }
}

/* Undo the codes of a page of more than one byte each. */
static int undo(const Spec *spec, const uint64_t *exceptions, const void *table, const void *codes, int64_t n, void *out)
{
    uint64_t bits;
    if (spec->kind == DICTIONARY && spec->width == 2)
        return take(spec, codes, n, table, out);
    uint64_t most = spec->kind == DECIMAL ? divide(spec, codes, n, out) : 0;
    if (spec->kind == DECIMAL && (spec->exceptions < 0 || most < spec->top))
        return 1;
    for (int64_t i = 0; i < n; i++) {
        uint64_t code = spec->width == 2   ? ((const uint16_t *)codes)[i]
                        : spec->width == 4 ? ((const uint32_t *)codes)[i]
                                           : ((const uint64_t *)codes)[i];
        if (spec->kind == DECIMAL && code < spec->top)
            continue;
        if (spec->kind == DICTIONARY) {
            if (code >= (uint64_t)spec->items)
                return 0;
            memcpy((char *)out + i * spec->size, (const char *)table + code * (uint64_t)spec->size, (size_t)spec->size);
            continue;
        }
        if (!value_of(spec, exceptions, NULL, code, &bits))
            return 0;
        put(out, spec->size, i, bits);
    }
    return 1;
}

#endif
