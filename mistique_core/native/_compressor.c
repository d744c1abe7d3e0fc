/*
 * Codes of a chunk into pages: their bytes are parted into planes and compressed, many pages in one call without
 * Python's lock. The frames are those that the package zstandard makes with the same parameters, byte for byte, where
 * both hold the same release of Zstandard, which is called here through the addresses of its functions.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_rooms.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif

#define MOST_BYTES (1 << 24)  /* of a page: longer ones are left to the package zstandard */
#define BATCH_BYTES (1 << 20) /* of frames that are made before Python's lock is taken to keep them */
#define MOST_PARAMETERS 16
#define MOST_SPARE 16
#define FLUSH 1
#define END 2

/* How the bytes of a page become a frame. */
enum { AS_THEY_ARE, PLANES, PLANES_APART, MODES };

typedef struct {
    const void *from;
    size_t size, at;
} Input;

typedef struct {
    void *to;
    size_t size, at;
} Output;

static struct {
    void *(*create)(void);
    size_t (*dispose)(void *);
    size_t (*set)(void *, int, int);
    size_t (*pledge)(void *, unsigned long long);
    size_t (*compress)(void *, void *, size_t, const void *, size_t);
    size_t (*stream)(void *, Output *, Input *, int);
    size_t (*bound)(size_t);
    unsigned (*failed)(size_t);
} zstd;

/* ---------------------------------------------------------------- contexts */

enum { FRAMES, PAGE, ROOMS };

/* A compressor with its parameters, and room for a page and for frames; kept for the next call. */
typedef struct Context {
    struct Context *next;
    void *compressor;
    int32_t parameters[2 * MOST_PARAMETERS];
    Py_ssize_t parameter_bytes;
    Room rooms[ROOMS];
} Context;

static Context *spare; /* changed only by who holds Python's lock */

static void let_go(Context *context)
{
    if (!context)
        return;
    zstd.dispose(context->compressor); /* which may be NULL */
    for (int k = 0; k < ROOMS; k++)
        free(context->rooms[k].bytes);
    free(context);
}

/* Return a context with these parameters, a spare one if there is one; NULL where they are refused or memory is. */
static Context *borrow(const void *parameters, Py_ssize_t length)
{
    for (Context **at = &spare; *at; at = &(*at)->next) {
        Context *found = *at;
        if (found->parameter_bytes == length && !memcmp(found->parameters, parameters, (size_t)length)) {
            *at = found->next;
            return found;
        }
    }
    Context *context = calloc(1, sizeof(Context));
    int is_sound = context && (context->compressor = zstd.create());
    if (is_sound) {
        memcpy(context->parameters, parameters, (size_t)length);
        context->parameter_bytes = length;
    }
    for (Py_ssize_t k = 0; is_sound && k < length / 8; k++)
        is_sound = !zstd.failed(zstd.set(context->compressor, context->parameters[2 * k], context->parameters[2 * k + 1]));
    if (is_sound)
        return context;
    let_go(context);
    return NULL;
}

static void give_back(Context *context)
{
    keep_small(context->rooms, ROOMS);
    context->next = spare;
    spare = context;
    Context **last = &spare;
    for (int k = 0; *last && k < MOST_SPARE; k++)
        last = &(*last)->next;
    Context *forgotten = *last; /* the one that was not used for longest */
    *last = NULL;
    let_go(forgotten);
}

static uint8_t *room(Context *context, int which, size_t size)
{
    return widen(&context->rooms[which], size);
}

/* ---------------------------------------------------------------- planes */

#define PART(TYPE)                                                                                                     \
    for (size_t i = 0; i < items; i++) {                                                                               \
        TYPE value;                                                                                                    \
        memcpy(&value, from + i * sizeof(TYPE), sizeof(TYPE));                                                         \
        for (size_t k = 0; k < sizeof(TYPE); k++)                                                                      \
            to[k * step + i] = (uint8_t)(value >> (8 * k));                                                            \
    }

FAST static void part_2(const uint8_t *restrict from, uint8_t *restrict to, size_t items, size_t step)
{
    PART(uint16_t)
}

FAST static void part_4(const uint8_t *restrict from, uint8_t *restrict to, size_t items, size_t step)
{
    PART(uint32_t)
}

/* Swap what lies `shift` bits up in `low` with what lies at the bottom of `high`, in each field that `mask` begins. */
static void swap(uint64_t *low, uint64_t *high, int shift, uint64_t mask)
{
    uint64_t change = (*low >> shift ^ *high) & mask;
    *high ^= change;
    *low ^= change << shift;
}

/* Eight items at a time, as a matrix of eight by eight bytes that is transposed. */
FAST static void part_8(const uint8_t *restrict from, uint8_t *restrict to, size_t items, size_t step)
{
    size_t i = 0;
    for (; i + 8 <= items; i += 8) {
        uint64_t rows[8];
        memcpy(rows, from + 8 * i, sizeof(rows));
        for (int k = 0; k < 4; k++)
            swap(&rows[k], &rows[k + 4], 32, 0x00000000FFFFFFFFu);
        for (int k = 0; k < 8; k += 4) {
            swap(&rows[k], &rows[k + 2], 16, 0x0000FFFF0000FFFFu);
            swap(&rows[k + 1], &rows[k + 3], 16, 0x0000FFFF0000FFFFu);
        }
        for (int k = 0; k < 8; k += 2)
            swap(&rows[k], &rows[k + 1], 8, 0x00FF00FF00FF00FFu);
        for (int k = 0; k < 8; k++)
            memcpy(to + (size_t)k * step + i, &rows[k], 8);
    }
    for (; i < items; i++)
        for (size_t k = 0; k < 8; k++)
            to[k * step + i] = from[8 * i + k];
}

/* Write first all lowest bytes of the items, then all next ones, and so on; planes begin every `step` bytes. */
static void part(const uint8_t *from, uint8_t *to, size_t items, size_t step, size_t itemsize)
{
    if (itemsize == 2)
        part_2(from, to, items, step);
    else if (itemsize == 4)
        part_4(from, to, items, step);
    else if (itemsize == 8)
        part_8(from, to, items, step);
    else
        for (size_t k = 0; k < itemsize; k++)
            for (size_t i = 0; i < items; i++)
                to[k * step + i] = from[i * itemsize + k];
}

/* ---------------------------------------------------------------- pages */

typedef struct {
    const uint8_t *data;
    size_t length, itemsize, page_bytes, bound;
    int mode;
} Chunk;

/* Return the bytes of a page as they are compressed: the last page is filled up with zeros. */
static const uint8_t *page_of(Context *context, const Chunk *chunk, size_t number)
{
    const uint8_t *from = chunk->data + number * chunk->page_bytes;
    size_t left = chunk->length - number * chunk->page_bytes;
    size_t held = left < chunk->page_bytes ? left : chunk->page_bytes;
    if (chunk->mode == AS_THEY_ARE && held == chunk->page_bytes)
        return from;
    uint8_t *page = context->rooms[PAGE].bytes;
    if (held < chunk->page_bytes)
        memset(page, 0, chunk->page_bytes);
    if (chunk->mode == AS_THEY_ARE)
        memcpy(page, from, held);
    else
        part(from, page, held / chunk->itemsize, chunk->page_bytes / chunk->itemsize, chunk->itemsize);
    return page;
}

/* Write a frame whose planes end blocks; return its size, 0 if that fails. */
static size_t fold_apart(Context *context, const Chunk *chunk, const uint8_t *page, uint8_t *to)
{
    Output out = {to, chunk->bound, 0};
    size_t step = chunk->page_bytes / chunk->itemsize;
    if (zstd.failed(zstd.pledge(context->compressor, chunk->page_bytes)))
        return 0;
    for (size_t k = 0; k < chunk->itemsize; k++) {
        Input in = {page + k * step, step, 0};
        if (zstd.stream(context->compressor, &out, &in, k + 1 < chunk->itemsize ? FLUSH : END))
            return 0; /* an error, or more than the bound: there is no such page */
    }
    return out.at;
}

/* Write frames from page `first` on, until the room is full; return how many. */
static size_t fold(Context *context, const Chunk *chunk, size_t first, size_t count, size_t *sizes)
{
    size_t done = 0, at = 0;
    for (; first + done < count && at + chunk->bound <= context->rooms[FRAMES].size; done++) {
        const uint8_t *page = page_of(context, chunk, first + done);
        uint8_t *to = context->rooms[FRAMES].bytes + at;
        size_t size = chunk->mode == PLANES_APART
                          ? fold_apart(context, chunk, page, to)
                          : zstd.compress(context->compressor, to, chunk->bound, page, chunk->page_bytes);
        if (!size || zstd.failed(size))
            break;
        sizes[done] = size;
        at += size;
    }
    return done;
}

/* Return a list of frames; NULL, with an error set where memory has run out and none where Zstandard refuses. */
static PyObject *fold_all(Context *context, const Chunk *chunk)
{
    size_t count = (chunk->length + chunk->page_bytes - 1) / chunk->page_bytes, done = 0;
    size_t frames = chunk->bound > BATCH_BYTES ? chunk->bound : BATCH_BYTES;
    size_t *sizes = PyMem_Malloc((count ? count : 1) * sizeof(size_t));
    PyObject *list = PyList_New((Py_ssize_t)count);
    if (!sizes || !list || !room(context, FRAMES, frames) || !room(context, PAGE, chunk->page_bytes)) {
        PyMem_Free(sizes);
        Py_XDECREF(list);
        return PyErr_NoMemory();
    }
    while (done < count) {
        size_t made, at = 0;
        Py_BEGIN_ALLOW_THREADS;
        made = fold(context, chunk, done, count, sizes);
        Py_END_ALLOW_THREADS;
        for (size_t k = 0; k < made; k++) {
            PyObject *frame = PyBytes_FromStringAndSize((const char *)context->rooms[FRAMES].bytes + at, (Py_ssize_t)sizes[k]);
            if (!frame || PyList_SetItem(list, (Py_ssize_t)(done + k), frame)) {
                made = 0;
                break;
            }
            at += sizes[k];
        }
        if (!made) {
            Py_DECREF(list);
            list = NULL;
            break;
        }
        done += made;
    }
    PyMem_Free(sizes);
    return list;
}

static PyObject *compress(PyObject *module, PyObject *args)
{
    Py_buffer data;
    Py_ssize_t itemsize, page_bytes, length;
    const char *parameters;
    int mode;
    if (!PyArg_ParseTuple(args, "y*nny#i", &data, &itemsize, &page_bytes, &parameters, &length, &mode))
        return NULL;
    PyObject *found = NULL;
    Context *context = NULL;
    if (zstd.create && itemsize > 0 && page_bytes > 0 && page_bytes <= MOST_BYTES && page_bytes % itemsize == 0 &&
        data.len % itemsize == 0 && mode >= 0 && mode < MODES && length % 8 == 0 && length <= 8 * MOST_PARAMETERS)
        context = borrow(parameters, length);
    if (context) {
        Chunk chunk = {data.buf, (size_t)data.len, (size_t)itemsize, (size_t)page_bytes, 0, mode};
        chunk.bound = zstd.bound((size_t)page_bytes) + 16 * (size_t)itemsize; /* a block more for each plane */
        found = fold_all(context, &chunk);
    }
    if (found)
        give_back(context);
    else
        let_go(context); /* it may hold a part of a frame */
    PyBuffer_Release(&data);
    if (!found && !PyErr_Occurred())
        Py_RETURN_NONE;
    return found;
}

/* ---------------------------------------------------------------- module */

static PyObject *use_zstd(PyObject *module, PyObject *args)
{
    unsigned long long create, dispose, set, pledge, compressing, stream, bound, failed;
    if (!PyArg_ParseTuple(args, "KKKKKKKK", &create, &dispose, &set, &pledge, &compressing, &stream, &bound, &failed))
        return NULL;
    zstd.create = (void *(*)(void))(uintptr_t)create;
    zstd.dispose = (size_t(*)(void *))(uintptr_t)dispose;
    zstd.set = (size_t(*)(void *, int, int))(uintptr_t)set;
    zstd.pledge = (size_t(*)(void *, unsigned long long))(uintptr_t)pledge;
    zstd.compress = (size_t(*)(void *, void *, size_t, const void *, size_t))(uintptr_t)compressing;
    zstd.stream = (size_t(*)(void *, Output *, Input *, int))(uintptr_t)stream;
    zstd.bound = (size_t(*)(size_t))(uintptr_t)bound;
    zstd.failed = (unsigned (*)(size_t))(uintptr_t)failed;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"use_zstd", use_zstd, METH_VARARGS, NULL},
    {"compress", compress, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots_of_module[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_compressor", .m_size = 0, .m_methods = methods, .m_slots = slots_of_module,
};

PyMODINIT_FUNC PyInit__compressor(void)
{
    return PyModuleDef_Init(&definition);
}
