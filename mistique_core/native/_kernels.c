/*
 * Loops over the values of a chunk that NumPy needs many passes for. Every function gives, bit for bit, what the
 * NumPy code beside its caller gives, and runs without Python's lock. Nothing here allocates what it returns:
 * callers hand over buffers, whose sizes are checked.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "_digits.h"
#include "_strings.h"
#include "_zeros.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif

#include "_bins.h"

#define TILE 1024
#define LANES 8
#define MOST_PATTERNS 16
#define EXACT_INTEGER 9007199254740992.0 /* 2 ** 53 */
#define LOW_BITS 4503599627370496.0      /* 2 ** 52: added to a smaller whole number, its bits are the mantissa's */

typedef struct {
    uint64_t items[MOST_PATTERNS];
    int count;
} Patterns;

static int get(PyObject *object, Py_buffer *view, int writable)
{
    return PyObject_GetBuffer(object, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE);
}

static void release(Py_buffer *views, int count)
{
    for (int i = 0; i < count; i++)
        PyBuffer_Release(&views[i]);
}

/* Get several buffers, those from `writable` on to write to; return whether all were got, else none is held. */
static int get_all(PyObject **objects, Py_buffer *views, int count, int writable)
{
    for (int i = 0; i < count; i++)
        if (get(objects[i], &views[i], i >= writable)) {
            release(views, i);
            return 0;
        }
    return 1;
}

static PyObject *refuse(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return NULL;
}

/* ---------------------------------------------------------------- decimals */

/* Write v * scale where that is whole and gives back the same bits, NaN elsewhere; return how many are not. */
FAST static int64_t tile_to_whole_8(const double *v, int64_t n, double scale, double *whole)
{
    int64_t bad = 0;
    const uint64_t *bits = (const uint64_t *)v;
    for (int64_t i = 0; i < n; i++) {
        double w = rint(v[i] * scale) + 0.0;
        union { double d; uint64_t u; } back = {.d = w / scale};
        int64_t ok = (fabs(w) < EXACT_INTEGER) & (back.u == bits[i]);
        whole[i] = ok ? w : NAN;
        bad += 1 - ok;
    }
    return bad;
}

FAST static int64_t tile_to_whole_4(const float *v, int64_t n, double scale, double *whole)
{
    int64_t bad = 0;
    const uint32_t *bits = (const uint32_t *)v;
    for (int64_t i = 0; i < n; i++) {
        double w = rint((double)v[i] * scale) + 0.0;
        union { float f; uint32_t u; } back = {.f = (float)(w / scale)};
        int64_t ok = (fabs(w) < EXACT_INTEGER) & (back.u == bits[i]);
        whole[i] = ok ? w : NAN;
        bad += 1 - ok;
    }
    return bad;
}

/* Narrow a range to what the tile holds beside NaN, which no comparison takes. */
FAST static void tile_range(const double *whole, int64_t n, double *low, double *high)
{
    double lows[LANES], highs[LANES];
    for (int k = 0; k < LANES; k++) {
        lows[k] = *low;
        highs[k] = *high;
    }
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            lows[k] = whole[i + k] < lows[k] ? whole[i + k] : lows[k];
            highs[k] = whole[i + k] > highs[k] ? whole[i + k] : highs[k];
        }
    for (; i < n; i++) {
        lows[0] = whole[i] < lows[0] ? whole[i] : lows[0];
        highs[0] = whole[i] > highs[0] ? whole[i] : highs[0];
    }
    for (int k = 0; k < LANES; k++) {
        *low = lows[k] < *low ? lows[k] : *low;
        *high = highs[k] > *high ? highs[k] : *high;
    }
}

/* Whether every NaN of a tile has this one pattern. */
FAST static int tile_has_only_8(const uint64_t *bits, const double *whole, int64_t n, uint64_t pattern)
{
    int64_t others = 0;
    for (int64_t i = 0; i < n; i++)
        others += (whole[i] != whole[i]) & (bits[i] != pattern);
    return others == 0;
}

static uint64_t pattern_at(const void *values, Py_ssize_t itemsize, int64_t i)
{
    return itemsize == 8 ? ((const uint64_t *)values)[i] : ((const uint32_t *)values)[i];
}

static int note_patterns(const void *values, Py_ssize_t itemsize, const double *whole, int64_t n, Patterns *found)
{
    if (itemsize == 8 && found->count && tile_has_only_8(values, whole, n, found->items[0]))
        return 1;
    for (int64_t i = 0; i < n; i++) {
        if (whole[i] == whole[i])
            continue;
        uint64_t pattern = pattern_at(values, itemsize, i);
        int k = 0;
        while (k < found->count && found->items[k] != pattern)
            k++;
        if (k == found->count) {
            if (k == MOST_PATTERNS)
                return 0;
            found->items[found->count++] = pattern;
        }
    }
    return 1;
}

static PyObject *decimal_scan(PyObject *module, PyObject *args)
{
    PyObject *values_object, *whole_object;
    Py_ssize_t itemsize;
    double scale;
    if (!PyArg_ParseTuple(args, "OndO", &values_object, &itemsize, &scale, &whole_object))
        return NULL;
    Py_buffer views[2];
    if (get(values_object, &views[0], 0))
        return NULL;
    if (get(whole_object, &views[1], 1)) {
        release(views, 1);
        return NULL;
    }
    int64_t rows = views[1].len / 8;
    if ((itemsize != 4 && itemsize != 8) || views[0].len != rows * itemsize || views[1].len != rows * 8) {
        release(views, 2);
        return refuse("decimal_scan needs floats of 4 or 8 bytes, and as many float64 to fill");
    }
    Patterns found = {.count = 0};
    double low = INFINITY, high = -INFINITY;
    int few = 1;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t start = 0; start < rows && few; start += TILE) {
        int64_t n = rows - start < TILE ? rows - start : TILE;
        const char *tile = (const char *)views[0].buf + start * itemsize;
        double *whole = (double *)views[1].buf + start;
        int64_t bad = itemsize == 8 ? tile_to_whole_8((const double *)tile, n, scale, whole)
                                    : tile_to_whole_4((const float *)tile, n, scale, whole);
        if (bad)
            few = note_patterns(tile, itemsize, whole, n, &found);
        tile_range(whole, n, &low, &high);
    }
    Py_END_ALLOW_THREADS;
    release(views, 2);
    if (!few || low > high)
        Py_RETURN_NONE;
    PyObject *patterns = PyTuple_New(found.count);
    if (!patterns)
        return NULL;
    for (int k = 0; k < found.count; k++) {
        PyObject *item = PyLong_FromUnsignedLongLong(found.items[k]);
        if (!item || PyTuple_SetItem(patterns, k, item)) {
            Py_DECREF(patterns);
            return NULL;
        }
    }
    return Py_BuildValue("ddN", low, high, patterns);
}

#define NARROW(NAME, TYPE)                                                                                             \
    FAST static void NAME(const double *whole, int64_t n, double base, double top, TYPE *out)                          \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            double code = whole[i] - base;                                                                             \
            code = code == code ? code : top;                                                                          \
            union { double d; uint64_t u; } bits = {.d = code + LOW_BITS};                                             \
            out[i] = (TYPE)(bits.u & 0xFFFFFFFFFFFFFu);                                                                \
        }                                                                                                              \
    }
NARROW(narrow_1, uint8_t)
NARROW(narrow_2, uint16_t)
NARROW(narrow_4, uint32_t)
NARROW(narrow_8, uint64_t)

static void put_code(void *out, Py_ssize_t itemsize, int64_t i, uint64_t code)
{
    switch (itemsize) {
    case 1: ((uint8_t *)out)[i] = (uint8_t)code; break;
    case 2: ((uint16_t *)out)[i] = (uint16_t)code; break;
    case 4: ((uint32_t *)out)[i] = (uint32_t)code; break;
    default: ((uint64_t *)out)[i] = code;
    }
}

static PyObject *decimal_codes(PyObject *module, PyObject *args)
{
    PyObject *objects[4];
    Py_ssize_t itemsize, width;
    double base, top;
    if (!PyArg_ParseTuple(args, "OnOddOOn", &objects[0], &itemsize, &objects[1], &base, &top, &objects[2], &objects[3],
                          &width))
        return NULL;
    Py_buffer views[4]; /* values, whole, patterns, out */
    if (!get_all(objects, views, 4, 3))
        return NULL;
    int64_t rows = views[1].len / 8;
    int64_t patterns = views[2].len / 8;
    if ((itemsize != 4 && itemsize != 8) || views[0].len != rows * itemsize || views[1].len != rows * 8 ||
        (width != 1 && width != 2 && width != 4 && width != 8) || views[3].len != rows * width) {
        release(views, 4);
        return refuse("decimal_codes needs floats of 4 or 8 bytes, as many float64, and as many codes to fill");
    }
    const double *whole = views[1].buf;
    const uint64_t *known = views[2].buf;
    void *out = views[3].buf;
    Py_BEGIN_ALLOW_THREADS;
    switch (width) {
    case 1: narrow_1(whole, rows, base, top, out); break;
    case 2: narrow_2(whole, rows, base, top, out); break;
    case 4: narrow_4(whole, rows, base, top, out); break;
    default: narrow_8(whole, rows, base, top, out);
    }
    if (patterns > 1)
        for (int64_t i = 0; i < rows; i++) {
            if (whole[i] == whole[i])
                continue;
            uint64_t pattern = pattern_at(views[0].buf, itemsize, i);
            int64_t k = 0;
            while (k < patterns && known[k] != pattern)
                k++;
            if (k)
                put_code(out, width, i, (uint64_t)top + (uint64_t)k);
        }
    Py_END_ALLOW_THREADS;
    release(views, 4);
    Py_RETURN_NONE;
}

/* Count the values of a sample that are decimals of a scale, and their range; note up to `most_bad` other patterns. */
static int64_t sample_decimals(const void *values, Py_ssize_t itemsize, int64_t n, double scale, int64_t most_bad,
                               Patterns *others, int *too_many, double *low, double *high)
{
    int64_t good = 0, bad = 0;
    for (int64_t i = 0; i < n; i++) {
        double whole;
        int64_t failed = itemsize == 8 ? tile_to_whole_8((const double *)values + i, 1, scale, &whole)
                                       : tile_to_whole_4((const float *)values + i, 1, scale, &whole);
        if (!failed) {
            good++;
            *low = whole < *low ? whole : *low;
            *high = whole > *high ? whole : *high;
        } else if (bad++ < most_bad && !*too_many) {
            uint64_t pattern = pattern_at(values, itemsize, i);
            int k = 0;
            while (k < others->count && others->items[k] != pattern)
                k++;
            if (k == others->count) {
                if (k == MOST_PATTERNS)
                    *too_many = 1;
                else
                    others->items[others->count++] = pattern;
            }
        }
    }
    return good;
}

static PyObject *decimal_sample(PyObject *module, PyObject *args)
{
    PyObject *sample_object, *scales_object;
    Py_ssize_t itemsize;
    long long most_bad, most_patterns;
    if (!PyArg_ParseTuple(args, "OnOLL", &sample_object, &itemsize, &scales_object, &most_bad, &most_patterns))
        return NULL;
    Py_buffer views[2]; /* sample, scales */
    if (get(sample_object, &views[0], 0))
        return NULL;
    if (get(scales_object, &views[1], 0)) {
        release(views, 1);
        return NULL;
    }
    if ((itemsize != 4 && itemsize != 8) || views[0].len % itemsize || views[1].len % 8 || most_patterns < 0 ||
        most_patterns > MOST_PATTERNS) {
        release(views, 2);
        return refuse("decimal_sample needs floats of 4 or 8 bytes, and float64 scales");
    }
    int64_t n = views[0].len / itemsize, scales = views[1].len / 8, found = -1;
    double low = 0, high = 0;
    for (int64_t k = 0; k < scales && found < 0; k++) {
        Patterns others = {.count = 0};
        int too_many = 0;
        low = INFINITY;
        high = -INFINITY;
        double scale = ((const double *)views[1].buf)[k];
        int64_t good =
            sample_decimals(views[0].buf, itemsize, n, scale, most_bad, &others, &too_many, &low, &high);
        if (good && !too_many && others.count <= most_patterns)
            found = k;
    }
    release(views, 2);
    if (found < 0)
        Py_RETURN_NONE;
    return Py_BuildValue("Ldd", (long long)found, low, high);
}

/* Exchange decimals with the integers that they stand for. */
FAST static void swap_8(const uint64_t *words, int64_t n, double scale, int64_t most, uint64_t *out)
{
    double limit = (double)most;
    for (int64_t i = 0; i < n; i++) {
        int64_t code = (int64_t)words[i];
        int is_code = code < most && code > -most;
        /* Small integers are subnormal as floats, with which arithmetic takes a hundred times as long. */
        union { uint64_t u; double d; } given = {.u = is_code ? 0 : words[i]};
        double w = rint(given.d * scale);
        w = fabs(w) < limit ? w : 0.0;
        w += 0.0;
        union { double d; uint64_t u; } back = {.d = w / scale};
        /* 1.5 * 2 ** 52 more: the mantissa's low bits are the two's complement of w. */
        union { double d; int64_t i; } steps = {.d = w + 6755399441055744.0};
        uint64_t result = back.u == words[i] ? (uint64_t)(steps.i - 0x4338000000000000) : words[i];
        if (is_code) {
            union { double d; uint64_t u; } value = {.d = (double)code / scale};
            result = value.u;
        }
        out[i] = result;
    }
}

FAST static void swap_4(const uint32_t *words, int64_t n, double scale, int32_t most, uint32_t *out)
{
    double limit = (double)most;
    for (int64_t i = 0; i < n; i++) {
        int32_t code = (int32_t)words[i];
        int is_code = code < most && code > -most;
        union { uint32_t u; float f; } given = {.u = is_code ? 0 : words[i]};
        double w = rint((double)given.f * scale);
        w = fabs(w) < limit ? w : 0.0;
        w += 0.0;
        union { float f; uint32_t u; } back = {.f = (float)(w / scale)};
        uint32_t result = back.u == words[i] ? (uint32_t)(int32_t)w : words[i];
        if (is_code) {
            union { float f; uint32_t u; } value = {.f = (float)((double)code / scale)};
            result = value.u;
        }
        out[i] = result;
    }
}

static PyObject *swap_decimals(PyObject *module, PyObject *args)
{
    PyObject *words_object, *out_object;
    Py_ssize_t itemsize;
    double scale;
    long long most;
    if (!PyArg_ParseTuple(args, "OndLO", &words_object, &itemsize, &scale, &most, &out_object))
        return NULL;
    Py_buffer views[2];
    if (get(words_object, &views[0], 0))
        return NULL;
    if (get(out_object, &views[1], 1)) {
        release(views, 1);
        return NULL;
    }
    if ((itemsize != 4 && itemsize != 8) || views[0].len != views[1].len || views[0].len % itemsize || most < 0 ||
        most > (itemsize == 8 ? 1LL << 50 : 1LL << 22)) {
        release(views, 2);
        return refuse("swap_decimals needs words of 4 or 8 bytes, and as many to fill");
    }
    int64_t rows = views[0].len / itemsize;
    Py_BEGIN_ALLOW_THREADS;
    if (itemsize == 8)
        swap_8(views[0].buf, rows, scale, most, views[1].buf);
    else
        swap_4(views[0].buf, rows, scale, (int32_t)most, views[1].buf);
    Py_END_ALLOW_THREADS;
    release(views, 2);
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- dictionaries */

#define SLOTS 32768 /* four times the most words, so that few collide */
#define MOST_WORDS 8192

#define FACTORIZE(NAME, TYPE)                                                                                          \
    static int64_t NAME(const TYPE *words, int64_t n, int64_t most, uint16_t *slots, uint16_t *positions, TYPE *found) \
    {                                                                                                                  \
        int64_t count = 0;                                                                                             \
        uint16_t last = 0;                                                                                             \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            TYPE word = words[i];                                                                                      \
            if (i && word == words[i - 1]) {                                                                           \
                positions[i] = last;                                                                                   \
                continue;                                                                                              \
            }                                                                                                          \
            uint64_t slot = ((uint64_t)word * 0x9E3779B97F4A7C15u) >> 49;                                              \
            while (slots[slot] && found[slots[slot] - 1] != word)                                                      \
                slot = (slot + 1) % SLOTS;                                                                             \
            if (!slots[slot]) {                                                                                        \
                if (count == most)                                                                                     \
                    return -1;                                                                                         \
                found[count++] = word;                                                                                 \
                slots[slot] = (uint16_t)count;                                                                         \
            }                                                                                                          \
            positions[i] = last = (uint16_t)(slots[slot] - 1);                                                         \
        }                                                                                                              \
        return count;                                                                                                  \
    }
FACTORIZE(factorize_2, uint16_t)
FACTORIZE(factorize_4, uint32_t)
FACTORIZE(factorize_8, uint64_t)

static PyObject *factorize(PyObject *module, PyObject *args)
{
    PyObject *objects[3];
    Py_ssize_t itemsize;
    if (!PyArg_ParseTuple(args, "OnOO", &objects[0], &itemsize, &objects[1], &objects[2]))
        return NULL;
    Py_buffer views[3]; /* words, positions, found */
    if (!get_all(objects, views, 3, 1))
        return NULL;
    int64_t rows = views[1].len / 2;
    int64_t most = itemsize > 0 ? views[2].len / itemsize : 0;
    if ((itemsize != 2 && itemsize != 4 && itemsize != 8) || views[0].len != rows * itemsize || most > MOST_WORDS) {
        release(views, 3);
        return refuse("factorize needs words of 2, 4 or 8 bytes, as many uint16 to fill, and room for 8,192 words");
    }
    uint16_t *slots = calloc(SLOTS, sizeof(uint16_t));
    if (!slots) {
        release(views, 3);
        return PyErr_NoMemory();
    }
    int64_t count;
    Py_BEGIN_ALLOW_THREADS;
    switch (itemsize) {
    case 2: count = factorize_2(views[0].buf, rows, most, slots, views[1].buf, views[2].buf); break;
    case 4: count = factorize_4(views[0].buf, rows, most, slots, views[1].buf, views[2].buf); break;
    default: count = factorize_8(views[0].buf, rows, most, slots, views[1].buf, views[2].buf);
    }
    Py_END_ALLOW_THREADS;
    free(slots);
    release(views, 3);
    return PyLong_FromLongLong(count);
}

/* ---------------------------------------------------------------- text */

static PyObject *gather(PyObject *module, PyObject *args)
{
    PyObject *objects[4];
    if (!PyArg_ParseTuple(args, "OOOO", &objects[0], &objects[1], &objects[2], &objects[3]))
        return NULL;
    Py_buffer views[4]; /* text, ends, codes, out */
    if (!get_all(objects, views, 4, 3))
        return NULL;
    const char *text = views[0].buf;
    const int64_t *ends = views[1].buf, *codes = views[2].buf;
    int64_t words = views[1].len / 8, rows = views[2].len / 8, room = views[3].len;
    char *out = views[3].buf;
    int sound = 1;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t k = 0; k < words && sound; k++)
        sound = ends[k] >= (k ? ends[k - 1] : 0) && ends[k] <= views[0].len;
    for (int64_t i = 0; i < rows && sound; i++) {
        int64_t code = codes[i];
        if (code < 0 || code >= words) {
            sound = 0;
            break;
        }
        int64_t start = code ? ends[code - 1] : 0, size = ends[code] - start;
        if (size > room) {
            sound = 0;
            break;
        }
        memcpy(out, text + start, (size_t)size);
        out += size;
        room -= size;
    }
    Py_END_ALLOW_THREADS;
    release(views, 4);
    if (!sound || room)
        return refuse("gather needs ascending ends, codes that name them, and exactly the room that they take");
    Py_RETURN_NONE;
}

static PyObject *distinct(PyObject *module, PyObject *args)
{
    PyObject *objects[4];
    if (!PyArg_ParseTuple(args, "OOOO", &objects[0], &objects[1], &objects[2], &objects[3]))
        return NULL;
    Py_buffer views[4]; /* text, ends, firsts, codes */
    if (!get_all(objects, views, 4, 2))
        return NULL;
    int64_t rows = views[3].len / 4, count = -1;
    int sound = views[1].len == 8 * (rows + 1);
    if (sound) {
        Py_BEGIN_ALLOW_THREADS;
        count = distinct_strings(views[0].buf, views[0].len, views[1].buf, rows, views[2].buf, views[2].len / 4,
                                 views[3].buf);
        Py_END_ALLOW_THREADS;
    }
    release(views, 4);
    return sound ? PyLong_FromLongLong(count) : refuse("distinct needs an end more than codes to fill");
}

/* ---------------------------------------------------------------- interleave */

#define TOGETHER 16 /* units side by side: a cache line of floats */
#define POSITIONS 64

#define INTERLEAVE(NAME, TYPE)                                                                                       \
    FAST static void NAME(const Py_buffer *pieces, int64_t units, int64_t n, TYPE *out)                              \
    {                                                                                                                \
        for (int64_t first = 0; first < n; first += POSITIONS) {                                                     \
            int64_t last = first + POSITIONS < n ? first + POSITIONS : n;                                            \
            for (int64_t unit = 0; unit < units; unit += TOGETHER) {                                                 \
                int count = (int)(units - unit < TOGETHER ? units - unit : TOGETHER);                                \
                const TYPE *from[TOGETHER];                                                                          \
                for (int k = 0; k < count; k++)                                                                      \
                    from[k] = (const TYPE *)pieces[unit + k].buf;                                                    \
                if (count == TOGETHER)                                                                               \
                    for (int64_t i = first; i < last; i++)                                                           \
                        for (int k = 0; k < TOGETHER; k++)                                                           \
                            out[i * units + unit + k] = from[k][i];                                                  \
                else                                                                                                 \
                    for (int64_t i = first; i < last; i++)                                                           \
                        for (int k = 0; k < count; k++)                                                              \
                            out[i * units + unit + k] = from[k][i];                                                  \
            }                                                                                                        \
        }                                                                                                            \
    }

INTERLEAVE(interleave_1, uint8_t)
INTERLEAVE(interleave_2, uint16_t)
INTERLEAVE(interleave_4, uint32_t)
INTERLEAVE(interleave_8, uint64_t)

static PyObject *interleave(PyObject *self, PyObject *args)
{
    PyObject *list, *target;
    Py_ssize_t itemsize;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!nO", &PyList_Type, &list, &itemsize, &target))
        return NULL;
    Py_ssize_t units = PyList_Size(list);
    if (units < 1 || !(itemsize == 1 || itemsize == 2 || itemsize == 4 || itemsize == 8))
        return refuse("interleave takes at least one piece, and items of 1, 2, 4 or 8 bytes");
    Py_buffer *views = PyMem_Malloc((size_t)(units + 1) * sizeof(Py_buffer));
    if (!views)
        return PyErr_NoMemory();
    int held = 0, ok = 1;
    for (Py_ssize_t unit = 0; ok && unit <= units; unit++) {
        PyObject *item = unit < units ? PyList_GetItem(list, unit) : target;
        ok = item && get(item, &views[unit], unit == units) == 0;
        held += ok;
    }
    if (ok) {
        Py_ssize_t size = views[0].len;
        for (Py_ssize_t unit = 1; unit < units; unit++)
            ok = ok && views[unit].len == size;
        if (!ok || size % itemsize || views[units].len != size * units) {
            refuse("interleave got pieces or a target of another size");
            ok = 0;
        }
    }
    if (ok) {
        int64_t n = views[0].len / itemsize;
        void *out = views[units].buf;
        Py_BEGIN_ALLOW_THREADS
        if (itemsize == 1)
            interleave_1(views, units, n, out);
        else if (itemsize == 2)
            interleave_2(views, units, n, out);
        else if (itemsize == 4)
            interleave_4(views, units, n, out);
        else
            interleave_8(views, units, n, out);
        Py_END_ALLOW_THREADS
    }
    release(views, held);
    PyMem_Free(views);
    if (!ok)
        return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- bins */

/* Get a buffer, or none for None. */
static int get_optional(PyObject *object, Py_buffer *view)
{
    memset(view, 0, sizeof *view);
    return object == Py_None ? 0 : get(object, view, 0);
}

static PyObject *bin_codes(PyObject *self, PyObject *args)
{
    PyObject *objects[7];
    Py_buffer views[7];
    long long base;
    Cells table;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOOOOiLp", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4],
                          &objects[5], &objects[6], &table.shift, &base, &table.is_signed))
        return NULL;
    for (int i = 0; i < 7; i++) {
        int failed = i == 6 ? get(objects[i], &views[i], 1) : get_optional(objects[i], &views[i]);
        if (failed) {
            release(views, i);
            return NULL;
        }
    }
    int64_t n = views[0].len / 4;
    table.cells = views[1].len;
    table.before = views[1].buf;
    table.firsts = views[2].buf;
    table.seconds = views[3].buf;
    table.crowded = views[4].buf;
    table.edges = views[5].buf;
    table.edge_count = views[5].len / 4;
    table.base = base;
    int fits = views[0].len == n * 4 && views[6].len == n && table.cells > 0 && views[2].len == table.cells * 4 &&
               (!table.seconds || views[3].len == table.cells * 4) && (!table.crowded || views[4].len == table.cells) &&
               views[5].len % 4 == 0 && table.shift >= 0 && table.shift < 32;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        bin_numbers(&table, views[0].buf, n, views[6].buf);
        Py_END_ALLOW_THREADS
    }
    release(views, 7);
    if (!fits)
        return refuse("bin_codes got buffers of other sizes");
    Py_RETURN_NONE;
}

static PyObject *add_errors(PyObject *self, PyObject *args)
{
    PyObject *objects[5];
    Py_buffer views[5];
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4]))
        return NULL;
    if (!get_all(objects, views, 5, 4))
        return NULL;
    int64_t n = views[1].len, positions = views[4].len / 4;
    int fits = views[0].len == n * 4 && views[2].len == 256 * 4 && views[3].len == 256 && positions > 0 &&
               views[4].len == positions * 4 && n % positions == 0;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        add_squares(views[0].buf, views[1].buf, views[2].buf, views[3].buf, n / positions, positions, views[4].buf);
        Py_END_ALLOW_THREADS
    }
    release(views, 5);
    if (!fits)
        return refuse("add_errors got buffers of other sizes");
    Py_RETURN_NONE;
}

static PyObject *places_of(PyObject *self, PyObject *args)
{
    PyObject *objects[2];
    Py_buffer views[2];
    unsigned char first, second;
    int64_t count = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "ObbO", &objects[0], &first, &second, &objects[1]))
        return NULL;
    if (!get_all(objects, views, 2, 1))
        return NULL;
    int64_t n = views[0].len;
    int fits = views[1].len == n * 8;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        count = find_bytes(views[0].buf, n, first, second, views[1].buf);
        Py_END_ALLOW_THREADS
    }
    release(views, 2);
    if (!fits)
        return refuse("places_of got buffers of other sizes");
    return PyLong_FromLongLong(count);
}

/* ---------------------------------------------------------------- zeros */

static PyObject *split_zeros(PyObject *self, PyObject *args)
{
    PyObject *objects[3];
    Py_ssize_t itemsize;
    Py_buffer views[3];
    (void)self;
    if (!PyArg_ParseTuple(args, "OnOO", &objects[0], &itemsize, &objects[1], &objects[2]))
        return NULL;
    if (!(itemsize == 2 || itemsize == 4 || itemsize == 8))
        return refuse("split_zeros takes words of 2, 4 or 8 bytes");
    if (!get_all(objects, views, 3, 1))
        return NULL;
    int64_t n = views[0].len / itemsize, count = 0;
    if (views[0].len % itemsize || views[1].len != (n + 7) / 8 || views[2].len != views[0].len) {
        release(views, 3);
        return refuse("split_zeros got buffers of other sizes");
    }
    Py_BEGIN_ALLOW_THREADS
    if (itemsize == 2)
        count = split_zeros_2(views[0].buf, n, views[1].buf, views[2].buf);
    else if (itemsize == 4)
        count = split_zeros_4(views[0].buf, n, views[1].buf, views[2].buf);
    else
        count = split_zeros_8(views[0].buf, n, views[1].buf, views[2].buf);
    Py_END_ALLOW_THREADS
    release(views, 3);
    return PyLong_FromLongLong(count);
}

/* ---------------------------------------------------------------- digits */

static PyObject *split_digits(PyObject *self, PyObject *args)
{
    PyObject *objects[3];
    Py_buffer views[3];
    int64_t count = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO", &objects[0], &objects[1], &objects[2]))
        return NULL;
    if (!get_all(objects, views, 3, 1))
        return NULL;
    int64_t n = views[0].len;
    int fits = views[1].len == (n + 3) / 4 && views[2].len == n;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        count = split_bytes(views[0].buf, n, views[1].buf, views[2].buf);
        Py_END_ALLOW_THREADS
    }
    release(views, 3);
    if (!fits)
        return refuse("split_digits got buffers of other sizes");
    return PyLong_FromLongLong(count);
}

static PyMethodDef methods[] = {
    {"decimal_scan", decimal_scan, METH_VARARGS, NULL},
    {"decimal_codes", decimal_codes, METH_VARARGS, NULL},
    {"decimal_sample", decimal_sample, METH_VARARGS, NULL},
    {"swap_decimals", swap_decimals, METH_VARARGS, NULL},
    {"factorize", factorize, METH_VARARGS, NULL},
    {"gather", gather, METH_VARARGS, NULL},
    {"distinct", distinct, METH_VARARGS, NULL},
    {"interleave", interleave, METH_VARARGS, NULL},
    {"split_zeros", split_zeros, METH_VARARGS, NULL},
    {"split_digits", split_digits, METH_VARARGS, NULL},
    {"bin_codes", bin_codes, METH_VARARGS, NULL},
    {"add_errors", add_errors, METH_VARARGS, NULL},
    {"places_of", places_of, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots_of_module[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_kernels", .m_size = 0, .m_methods = methods, .m_slots = slots_of_module,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&definition);
}
