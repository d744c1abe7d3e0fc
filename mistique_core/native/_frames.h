/*
 * Frames of Zstandard: taken from memory or read from a file, checked, and decompressed into memory that is kept for
 * the next ones. Zstandard is called through the addresses of its functions.
 */
#ifndef MISTIQUE_FRAMES_H
#define MISTIQUE_FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <sys/types.h>
#include <unistd.h>
#endif

#include "_rooms.h"

#define MAGIC 0xFD2FB528u
#define CHECKSUM_FLAG 4
#define MOST_BYTES (1 << 24) /* of a page or a table: longer ones are left to NumPy */
#define MOST_GAPS 65536      /* bytes between the frames of a chunk that are read with them */

static struct {
    void *(*create)(void);
    size_t (*decompress)(void *, void *, size_t, const void *, size_t);
    unsigned long long (*content)(const void *, size_t);
    size_t (*extent)(const void *, size_t);
} zstd;

/* ---------------------------------------------------------------- contexts */

enum { PAGE, TABLE, CODES, COMPRESSED, ROOMS };

/* A decompressor and room for what it decompresses; kept for the next call. */
typedef struct Context {
    struct Context *next;
    void *decompressor;
    Room rooms[ROOMS];
} Context;

static Context *spare; /* changed only by who holds Python's lock */

static Context *borrow(void)
{
    Context *context = spare;
    if (context) {
        spare = context->next;
        return context;
    }
    context = calloc(1, sizeof(Context));
    if (context && !(context->decompressor = zstd.create())) {
        free(context);
        context = NULL;
    }
    return context;
}

static void give_back(Context *context)
{
    keep_small(context->rooms, ROOMS);
    context->next = spare;
    spare = context;
}

static uint8_t *room(Context *context, int which, size_t size)
{
    return widen(&context->rooms[which], size);
}

/* The bytes of a frame, or where they lie in an open file; and the checksum at its end, -1 where it is not known. */
typedef struct {
    const uint8_t *bytes;
    int64_t offset, size, check;
} Frame;

static const uint8_t *read_frame(Context *context, int descriptor, const Frame *frame)
{
#ifdef _WIN32
    return NULL;
#else
    uint8_t *bytes = room(context, COMPRESSED, (size_t)frame->size);
    if (!bytes || pread(descriptor, bytes, (size_t)frame->size, (off_t)frame->offset) != frame->size)
        return NULL;
    return bytes;
#endif
}

static uint32_t number_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Decompress one frame that must have a checksum and exactly `size` bytes, with nothing after it. */
static int unfold(Context *context, int descriptor, const Frame *frame, uint8_t *out, size_t size)
{
    size_t length = (size_t)frame->size;
    if (frame->size < 9 || frame->size > MOST_BYTES)
        return 0;
    const uint8_t *from = frame->bytes ? frame->bytes : read_frame(context, descriptor, frame);
    if (!from)
        return 0;
    if (frame->check >= 0 && number_at(from + length - 4) != (uint64_t)frame->check)
        return 0;
    return number_at(from) == MAGIC && (from[4] & CHECKSUM_FLAG) && zstd.content(from, length) == size &&
           zstd.extent(from, length) == length && zstd.decompress(context->decompressor, out, size, from, length) == size;
}

/* Read frames with at most `gaps` bytes between them in an open file at once; others are read one by one. */
static void read_together(Context *context, int descriptor, Frame *frames, int64_t count, int64_t gaps)
{
#ifndef _WIN32
    if (descriptor < 0 || count < 1)
        return;
    int64_t first = frames[0].offset, end = first, sum = 0;
    for (int64_t k = 0; k < count; k++) {
        if (frames[k].offset < end || frames[k].offset > INT64_MAX / 2 || frames[k].size < 0 || frames[k].size > MOST_BYTES || sum > MOST_BYTES)
            return;
        end = frames[k].offset + frames[k].size;
        sum += frames[k].size;
    }
    if (first < 0 || end - first > sum + gaps)
        return;
    uint8_t *bytes = room(context, COMPRESSED, (size_t)(end - first));
    if (!bytes || pread(descriptor, bytes, (size_t)(end - first), (off_t)first) != end - first)
        return;
    for (int64_t k = 0; k < count; k++)
        frames[k].bytes = bytes + (frames[k].offset - first);
#endif
}

#endif
