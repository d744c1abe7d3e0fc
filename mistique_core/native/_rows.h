/*
 * A few rows of chunks whose partitions are open files: of each chunk the pages that hold them are read and decompressed,
 * and what is wanted of each goes to its place in the answer.
 */
#ifndef MISTIQUE_ROWS_H
#define MISTIQUE_ROWS_H

#include "_frames.h"
#include "_values.h"

#define MOST_CUTS 64
#define CLOSE_BYTES 4096 /* between frames that are sooner read at once than one by one */

/* What is wanted of one chunk. `frames` are triples: offset, size, and checksum or -1. */
typedef struct {
    Spec spec;
    const uint64_t *exceptions;
    const int64_t *frames, *cuts;
    int64_t frame_count, cut_bytes;
    int descriptor;
    int64_t column;
} Piece;

/* Where it goes: values, or bytes of text; and the sums of the codes before each row in its page, NULL if not wanted. */
typedef struct {
    char *out;
    int64_t bytes;
    uint64_t *sums;
    int64_t sum_count;
} Target;

/* ---------------------------------------------------------------- sums of codes */

#define ADD_UP(NAME, OF_BYTE)                                        \
    FAST static uint64_t NAME(const uint8_t *bytes, int64_t n)       \
    {                                                                \
        uint64_t sum = 0;                                            \
        for (int64_t i = 0; i < n; i++)                              \
            sum += (uint32_t)(OF_BYTE);                              \
        return sum;                                                  \
    }
ADD_UP(add_up_8, bytes[i])
ADD_UP(add_up_4, (bytes[i] & 15) + (bytes[i] >> 4))
ADD_UP(add_up_2, (bytes[i] & 3) + (bytes[i] >> 2 & 3) + (bytes[i] >> 4 & 3) + (bytes[i] >> 6))
ADD_UP(add_up_1, (bytes[i] & 1) + (bytes[i] >> 1 & 1) + (bytes[i] >> 2 & 1) + (bytes[i] >> 3 & 1) + (bytes[i] >> 4 & 1) +
                     (bytes[i] >> 5 & 1) + (bytes[i] >> 6 & 1) + (bytes[i] >> 7))

/* Return the sum of the codes of a page before one of its rows, modulo 2 ** 64. */
static uint64_t sum_before(const Spec *spec, const uint8_t *page, int64_t row)
{
    uint64_t sum = 0;
    if (spec->bits == 8) {
        for (int64_t plane = 0; plane < spec->width; plane++)
            sum += add_up_8(page + plane * spec->step, row) << (8 * plane);
        return sum;
    }
    int64_t whole = row * spec->bits / 8;
    sum = spec->bits == 4 ? add_up_4(page, whole) : spec->bits == 2 ? add_up_2(page, whole) : add_up_1(page, whole);
    for (int64_t i = whole * 8 / spec->bits; i < row; i++)
        sum += code_at(spec, page, i);
    return sum;
}

/* ---------------------------------------------------------------- pages of a piece */

/* The frames of a piece that are needed: that of the table, if it has one, then those of pages in the order of use. */
typedef struct {
    Frame frames[MOST_CUTS + 1];
    int64_t pages[MOST_CUTS + 1];
    int64_t count, bytes;
} Needed;

static int need(Needed *needed, const Piece *piece, int64_t frame, int64_t page)
{
    if (frame < 0 || frame >= piece->frame_count || needed->count > MOST_CUTS)
        return 0;
    const int64_t *place = piece->frames + 3 * frame;
    if (place[1] < 0 || place[1] > MOST_BYTES)
        return 0;
    needed->pages[needed->count] = page;
    needed->frames[needed->count++] = (Frame){NULL, place[0], place[1], place[2]};
    needed->bytes += place[1];
    return 1;
}

/* ---------------------------------------------------------------- rows */

/* Take values: `cuts` are pairs of a row and its place. Return the bytes that were read, -1 where anything is damaged. */
static int64_t take_rows(Context *context, const Piece *piece, const Target *target)
{
    const Spec *spec = &piece->spec;
    const uint8_t *table = NULL;
    int64_t first = spec->items > 0, count = piece->cut_bytes / 16, at = 0;
    size_t size = (size_t)(spec->step * spec->width * spec->bits / 8);
    uint8_t *page = room(context, PAGE, size);
    Needed needed = {.count = 0};
    if (!page || count > MOST_CUTS || (target->sums && spec->width == 8)) /* sums must fit 64 bits */
        return -1;
    if (first && !need(&needed, piece, 0, -1))
        return -1;
    for (int64_t k = 0; k < count; k++) {
        int64_t row = piece->cuts[2 * k];
        if (row < 0)
            return -1;
        if ((!k || needed.pages[needed.count - 1] != row / spec->step) &&
            !need(&needed, piece, first + row / spec->step, row / spec->step))
            return -1;
    }
    read_together(context, piece->descriptor, needed.frames, needed.count, CLOSE_BYTES);
    if (first) {
        size_t bytes = (size_t)(spec->items * spec->size);
        uint8_t *made = room(context, TABLE, bytes);
        if (!made || !unfold(context, piece->descriptor, &needed.frames[at++], made, bytes))
            return -1;
        table = made;
    }
    for (int64_t k = 0, open = -1; k < count; k++) {
        int64_t row = piece->cuts[2 * k] % spec->step, place = piece->cuts[2 * k + 1];
        if (place < 0 || place >= target->bytes / spec->size || (target->sums && place >= target->sum_count))
            return -1;
        if (piece->cuts[2 * k] / spec->step != open) {
            open = needed.pages[at];
            if (!unfold(context, piece->descriptor, &needed.frames[at++], page, size))
                return -1;
        }
        uint64_t bits;
        if (!value_of(spec, piece->exceptions, table, code_at(spec, page, row), &bits))
            return -1;
        put(target->out, spec->size, place, bits);
        if (target->sums)
            target->sums[place] = sum_before(spec, page, row);
    }
    return needed.bytes;
}

/* ---------------------------------------------------------------- text */

/* Take bytes of plain text: `cuts` are triples of a first byte, a number of bytes, and their place. Returns as above. */
static int64_t take_spans(Context *context, const Piece *piece, const Target *target)
{
    const Spec *spec = &piece->spec;
    int64_t count = piece->cut_bytes / 24, read = 0, open = -1, step = spec->step;
    uint8_t *page = room(context, PAGE, (size_t)step);
    if (!page || spec->kind != PLAIN || spec->width != 1 || spec->bits != 8)
        return -1;
    for (int64_t k = 0; k < count; k++) {
        int64_t start = piece->cuts[3 * k], size = piece->cuts[3 * k + 1], place = piece->cuts[3 * k + 2];
        if (start < 0 || size < 0 || start > INT64_MAX / 2 || place < 0 || place > target->bytes ||
            size > target->bytes - place)
            return -1;
        while (size) {
            int64_t number = start / step, from = start % step, n = step - from < size ? step - from : size;
            if (number >= piece->frame_count)
                return -1;
            if (number != open) {
                const int64_t *at = piece->frames + 3 * number;
                Frame frame = {NULL, at[0], at[1], at[2]};
                if (!unfold(context, piece->descriptor, &frame, page, (size_t)step))
                    return -1;
                open = number;
                read += frame.size;
            }
            memcpy(target->out + place, page + from, (size_t)n);
            start += n;
            place += n;
            size -= n;
        }
    }
    return read;
}

#endif
