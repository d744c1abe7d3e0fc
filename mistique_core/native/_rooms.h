/*
 * Rooms of memory that a context keeps from one call to the next, as long as they are small.
 */
#ifndef MISTIQUE_ROOMS_H
#define MISTIQUE_ROOMS_H

#include <stdint.h>
#include <stdlib.h>

#define KEPT_BYTES (1 << 21) /* of a room from one call to the next */

typedef struct {
    uint8_t *bytes;
    size_t size;
} Room;

/* Return at least `size` bytes of a room, or NULL; what was in it may be gone. */
static uint8_t *widen(Room *room, size_t size)
{
    if (room->size < size) {
        uint8_t *grown = realloc(room->bytes, size);
        if (!grown)
            return NULL;
        *room = (Room){grown, size};
    }
    return room->bytes;
}

/* Let go of the large ones of some rooms. */
static void keep_small(Room *rooms, int count)
{
    for (int k = 0; k < count; k++)
        if (rooms[k].size > KEPT_BYTES) {
            free(rooms[k].bytes);
            rooms[k] = (Room){NULL, 0};
        }
}

#endif
