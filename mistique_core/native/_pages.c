/*
 * Pages of a chunk into values: every frame is checked and decompressed, and its codes undone, in one call without
 * Python's lock. What is decoded is what the NumPy code of mistique_core/partition decodes, bit for bit; where a page
 * is damaged, or a code means nothing, the call only says so, and its caller lets that code tell what is wrong.
 *
 * Nothing that a chunk or the catalogue says is believed: sizes are checked before memory is written.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "_frames.h"
#include "_rows.h"
#include "_values.h"

#define ROWS_BYTES 16384 /* 256 rows of at most 64 bytes */

/* ---------------------------------------------------------------- chunks and points */

static int is_power(int64_t number)
{
    return number == 1 || number == 2 || number == 4 || number == 8;
}

/* Take a description out of its packed bytes; `exceptions` points into them. Return whether it makes sense. */
static int read_spec(const char *packed, Py_ssize_t length, Spec *spec, const uint64_t **exceptions)
{
    if (length < (Py_ssize_t)sizeof(Spec))
        return 0;
    memcpy(spec, packed, sizeof(Spec));
    *exceptions = (const uint64_t *)(packed + sizeof(Spec));
    int64_t count = spec->exceptions < 0 ? 0 : spec->exceptions;
    return count <= MOST_BYTES && length == (Py_ssize_t)(sizeof(Spec) + 8 * (size_t)count) && spec->kind >= 0 &&
           spec->kind < KINDS && is_power(spec->bits) && is_power(spec->width) && is_power(spec->size) &&
           (spec->bits == 8 || spec->width == 1) && (spec->kind != PLAIN || spec->width == spec->size) &&
           (spec->kind != DECIMAL || spec->size >= 4) && spec->step > 0 && spec->step <= MOST_BYTES &&
           spec->step * spec->bits % 8 == 0 && spec->step * spec->width <= MOST_BYTES && spec->items >= 0 &&
           spec->items <= MOST_BYTES && (spec->items > 0) == (spec->kind == DICTIONARY) &&
           spec->items * spec->size <= MOST_BYTES;
}

static size_t page_bytes(const Spec *spec)
{
    return (size_t)(spec->step * spec->width * spec->bits / 8);
}

/* Return the decompressed table, or NULL. */
static uint8_t *read_table(Context *context, int descriptor, const Spec *spec, const Frame *frame)
{
    size_t size = (size_t)(spec->items * spec->size);
    uint8_t *table = room(context, TABLE, size);
    return table && unfold(context, descriptor, frame, table, size) ? table : NULL;
}

static int decode_pages(Context *context, int descriptor, const Spec *spec, const uint64_t *exceptions,
                        const Frame *frames, int64_t count, void *out, int64_t values)
{
    uint8_t *page = room(context, PAGE, page_bytes(spec));
    uint8_t *joined = room(context, CODES, (size_t)((spec->step + spec->items) * 8 + ROWS_BYTES));
    const uint8_t *table = NULL;
    if (!page || !joined)
        return 0;
    if (spec->items) {
        if (!(table = read_table(context, descriptor, spec, frames++)))
            return 0;
        count--;
    }
    if (count < 1 || values > count * spec->step)
        return 0;
    uint64_t words[256];
    int known = 0;
    if (spec->width == 1)
        while (known < 256 && value_of(spec, exceptions, table, (uint64_t)known, &words[known]))
            known++;
    for (int k = known; k < 256; k++)
        words[k] = 0;
    uint8_t *codes = joined + spec->items * 8, *rows = codes + spec->step * 8;
    if (spec->bits < 8)
        fill_rows(spec, words, rows);
    if (spec->items && spec->width > 1) {
        Spec whole = {.width = spec->size, .step = spec->items};
        join(&whole, table, spec->items, joined);
    }
    for (int64_t k = 0; k < count; k++) {
        if (!unfold(context, descriptor, &frames[k], page, page_bytes(spec)))
            return 0;
        int64_t n = values - k * spec->step < spec->step ? values - k * spec->step : spec->step;
        char *place = (char *)out + k * spec->step * spec->size;
        if (n <= 0)
            continue; /* a page that holds no row is checked too */
        if (spec->kind == PLAIN && spec->bits == 8) {
            join(spec, page, n, place);
        } else if (spec->bits < 8) {
            if (!unpack(spec, page, n, rows, known, (uint8_t *)place))
                return 0;
        } else if (spec->width == 1) {
            if (!look_up(spec, page, n, words, known, place))
                return 0;
        } else {
            join(spec, page, n, codes);
            if (!undo(spec, exceptions, joined, codes, n, place))
                return 0;
        }
    }
    return 1;
}

/* Frames, and the buffers that are held for them. */
typedef struct {
    Frame *frames;
    Py_buffer *views;
    Py_ssize_t count, held;
} Frames;

static void release_frames(Frames *all)
{
    for (Py_ssize_t k = 0; k < all->held; k++)
        PyBuffer_Release(&all->views[k]);
    PyMem_Free(all->views);
    PyMem_Free(all->frames);
}

/* Take a list of bytes or, of an open file, of (offset, size, check); return 0 with an error set where it is none. */
static int get_frames(PyObject *list, int is_file, Frames *all)
{
    *all = (Frames){.count = PyList_Size(list)};
    size_t room_for = (size_t)(all->count ? all->count : 1);
    all->frames = PyMem_Calloc(room_for, sizeof(Frame));
    all->views = is_file ? NULL : PyMem_Calloc(room_for, sizeof(Py_buffer));
    int is_sound = all->frames && (is_file || all->views);
    if (!is_sound)
        PyErr_NoMemory();
    for (Py_ssize_t k = 0; k < all->count && is_sound; k++) {
        PyObject *item = PyList_GetItem(list, k);
        Frame *frame = &all->frames[k];
        if (is_file) {
            long long offset = -1, size = -1, check = -1;
            is_sound = PyArg_ParseTuple(item, "LLL", &offset, &size, &check);
            *frame = (Frame){NULL, offset, size, check};
        } else if ((is_sound = !PyObject_GetBuffer(item, &all->views[k], PyBUF_SIMPLE))) {
            *frame = (Frame){all->views[k].buf, 0, all->views[k].len, -1};
            all->held++;
        }
    }
    if (!is_sound)
        release_frames(all);
    return is_sound;
}

static PyObject *decode(PyObject *module, PyObject *args)
{
    const char *packed;
    Py_ssize_t length;
    PyObject *list, *target;
    int descriptor;
    Py_buffer out;
    Frames all;
    Spec spec;
    const uint64_t *exceptions;
    if (!PyArg_ParseTuple(args, "y#O!Oi", &packed, &length, &PyList_Type, &list, &target, &descriptor))
        return NULL;
    if (!get_frames(list, descriptor >= 0, &all))
        return NULL;
    if (PyObject_GetBuffer(target, &out, PyBUF_WRITABLE)) {
        release_frames(&all);
        return NULL;
    }
    int done = zstd.create && read_spec(packed, length, &spec, &exceptions) && out.len % spec.size == 0 &&
               (uintptr_t)out.buf % (uintptr_t)spec.size == 0;
    Context *context = done ? borrow() : NULL;
    if (context) {
        Py_BEGIN_ALLOW_THREADS;
        read_together(context, descriptor, all.frames, all.count, MOST_GAPS);
        done = decode_pages(context, descriptor, &spec, exceptions, all.frames, all.count, out.buf, out.len / spec.size);
        Py_END_ALLOW_THREADS;
        give_back(context);
    }
    PyBuffer_Release(&out);
    release_frames(&all);
    return PyBool_FromLong(done && context);
}

/* A few rows of one chunk. `cuts` are triples: page of those that were fetched, row in it, place in `out`. */
typedef struct {
    Spec spec;
    const uint64_t *exceptions;
    const int64_t *cuts;
    int64_t count, first;
    Py_buffer out, sums;
    int held;
} Point;

static int decode_point(Context *context, int descriptor, const Point *point, const Frame *frames, int64_t most)
{
    const Spec *spec = &point->spec;
    const uint8_t *table = NULL;
    int64_t first = point->first, open = -1;
    uint8_t *page = room(context, PAGE, page_bytes(spec));
    if (!page || first < 0 || first >= most || (point->held == 2 && spec->width == 8)) /* sums must fit 64 bits */
        return 0;
    if (spec->items && !(table = read_table(context, descriptor, spec, &frames[first++])))
        return 0;
    for (int64_t k = 0; k < point->count; k++) {
        int64_t number = point->cuts[3 * k], row = point->cuts[3 * k + 1], place = point->cuts[3 * k + 2];
        if (number < 0 || number >= most - first || row < 0 || row >= spec->step || place < 0 ||
            place >= point->out.len / spec->size)
            return 0;
        if (number != open && !unfold(context, descriptor, &frames[first + number], page, page_bytes(spec)))
            return 0;
        open = number;
        uint64_t bits;
        if (!value_of(spec, point->exceptions, table, code_at(spec, page, row), &bits))
            return 0;
        put(point->out.buf, spec->size, place, bits);
        if (point->held == 2)
            ((uint64_t *)point->sums.buf)[place] = sum_before(spec, page, row);
    }
    return 1;
}

static int get_point(PyObject *job, Point *point)
{
    const char *packed, *cuts;
    Py_ssize_t length, cut_bytes, first;
    PyObject *out, *sums;
    if (!PyArg_ParseTuple(job, "y#ny#OO", &packed, &length, &first, &cuts, &cut_bytes, &out, &sums))
        return -1;
    point->held = 0;
    if (PyObject_GetBuffer(out, &point->out, PyBUF_WRITABLE))
        return -1;
    point->held = 1;
    if (sums != Py_None) {
        if (PyObject_GetBuffer(sums, &point->sums, PyBUF_WRITABLE))
            return -1;
        point->held = 2;
    }
    point->cuts = (const int64_t *)cuts;
    point->count = cut_bytes / 24;
    point->first = first;
    return read_spec(packed, length, &point->spec, &point->exceptions) &&
           (uintptr_t)point->out.buf % (uintptr_t)point->spec.size == 0 &&
           (point->held < 2 || point->sums.len / 8 >= point->out.len / point->spec.size);
}

static PyObject *points(PyObject *module, PyObject *args)
{
    PyObject *jobs, *list;
    int descriptor;
    Frames given;
    if (!PyArg_ParseTuple(args, "O!O!i", &PyList_Type, &jobs, &PyList_Type, &list, &descriptor))
        return NULL;
    if (!get_frames(list, descriptor >= 0, &given))
        return NULL;
    Py_ssize_t count = PyList_Size(jobs), held = 0, failed = -1;
    Point *all = PyMem_Calloc((size_t)(count ? count : 1), sizeof(Point));
    if (!all) {
        release_frames(&given);
        return PyErr_NoMemory();
    }
    Context *context = zstd.create ? borrow() : NULL;
    int is_sound = context ? 1 : 0;
    while (held < count && is_sound == 1) {
        is_sound = get_point(PyList_GetItem(jobs, held), &all[held]);
        held++;
    }
    if (is_sound == 1) {
        Py_BEGIN_ALLOW_THREADS;
        for (Py_ssize_t k = 0; k < count && failed < 0; k++)
            if (!decode_point(context, descriptor, &all[k], given.frames, given.count))
                failed = k;
        Py_END_ALLOW_THREADS;
    } else {
        failed = held ? held - 1 : 0;
    }
    if (context)
        give_back(context);
    for (Py_ssize_t k = 0; k < held; k++) {
        if (all[k].held > 0)
            PyBuffer_Release(&all[k].out);
        if (all[k].held > 1)
            PyBuffer_Release(&all[k].sums);
    }
    PyMem_Free(all);
    release_frames(&given);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(failed);
}

/* ---------------------------------------------------------------- rows of open files */

/* Columns, the buffers that are held for them, and their pieces. */
typedef struct {
    Target *targets;
    Py_buffer *views; /* of what is filled, and of sums: two a column */
    Piece *pieces;
    Py_ssize_t columns, count;
} Columns;

static void release_columns(Columns *all)
{
    for (Py_ssize_t k = 0; all->views && k < 2 * all->columns; k++)
        if (all->views[k].obj)
            PyBuffer_Release(&all->views[k]);
    PyMem_Free(all->views);
    PyMem_Free(all->targets);
    PyMem_Free(all->pieces);
}

/* Take one (descriptor, spec, frames, cuts); return 0 where it makes no sense, -1 with an error set. */
static int get_piece(PyObject *item, Piece *piece, const Target *target)
{
    const char *packed, *frames, *cuts;
    Py_ssize_t length, frame_bytes, cut_bytes;
    if (!PyArg_ParseTuple(item, "iy#y#y#", &piece->descriptor, &packed, &length, &frames, &frame_bytes, &cuts, &cut_bytes))
        return -1;
    piece->frames = (const int64_t *)frames;
    piece->frame_count = frame_bytes / 24;
    piece->cuts = (const int64_t *)cuts;
    piece->cut_bytes = cut_bytes;
    return piece->descriptor >= 0 && read_spec(packed, length, &piece->spec, &piece->exceptions) &&
           (uintptr_t)target->out % (uintptr_t)piece->spec.size == 0;
}

/* Take a list of (what is filled, sums or None, list of pieces); return as get_piece. */
static int get_columns(PyObject *list, Columns *all)
{
    PyObject *out, *sums, *pieces;
    Py_ssize_t count = 0;
    *all = (Columns){.columns = PyList_Size(list)};
    for (Py_ssize_t k = 0; k < all->columns; k++) {
        if (!PyArg_ParseTuple(PyList_GetItem(list, k), "OOO!", &out, &sums, &PyList_Type, &pieces))
            return -1;
        count += PyList_Size(pieces);
    }
    all->targets = PyMem_Calloc((size_t)all->columns + 1, sizeof(Target));
    all->views = PyMem_Calloc(2 * (size_t)all->columns + 1, sizeof(Py_buffer));
    all->pieces = PyMem_Calloc((size_t)count + 1, sizeof(Piece));
    if (!all->targets || !all->views || !all->pieces) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t k = 0; k < all->columns; k++) {
        Py_buffer *view = &all->views[2 * k];
        Target *target = &all->targets[k];
        if (!PyArg_ParseTuple(PyList_GetItem(list, k), "OOO!", &out, &sums, &PyList_Type, &pieces) ||
            PyObject_GetBuffer(out, view, PyBUF_WRITABLE) ||
            (sums != Py_None && PyObject_GetBuffer(sums, view + 1, PyBUF_WRITABLE)))
            return -1;
        *target = (Target){view[0].buf, view[0].len, sums == Py_None ? NULL : view[1].buf, view[1].len / 8};
        Py_ssize_t size = PyList_Size(pieces);
        for (Py_ssize_t i = 0; i < size && all->count < count; i++, all->count++) {
            Piece *piece = &all->pieces[all->count];
            piece->column = k;
            int found = get_piece(PyList_GetItem(pieces, i), piece, target);
            if (found != 1)
                return found;
        }
    }
    return 1;
}

static PyObject *each_piece(PyObject *args, int64_t (*take)(Context *, const Piece *, const Target *))
{
    PyObject *list;
    Columns all;
    int64_t read = 0;
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &list))
        return NULL;
    int is_sound = get_columns(list, &all);
    Context *context = is_sound == 1 && zstd.create ? borrow() : NULL;
    if (context) {
        Py_BEGIN_ALLOW_THREADS;
        for (Py_ssize_t k = 0; k < all.count && read >= 0; k++) {
            int64_t bytes = take(context, &all.pieces[k], &all.targets[all.pieces[k].column]);
            read = bytes < 0 ? -1 : read + bytes;
        }
        Py_END_ALLOW_THREADS;
        give_back(context);
    }
    release_columns(&all);
    return is_sound < 0 ? NULL : PyLong_FromLongLong(context ? read : -1);
}

static PyObject *rows(PyObject *module, PyObject *args)
{
    return each_piece(args, take_rows);
}

static PyObject *spans(PyObject *module, PyObject *args)
{
    return each_piece(args, take_spans);
}

/* ---------------------------------------------------------------- module */

static PyObject *use_zstd(PyObject *module, PyObject *args)
{
    unsigned long long create, decompress, content, extent;
    if (!PyArg_ParseTuple(args, "KKKK", &create, &decompress, &content, &extent))
        return NULL;
    zstd.create = (void *(*)(void))(uintptr_t)create;
    zstd.decompress = (size_t(*)(void *, void *, size_t, const void *, size_t))(uintptr_t)decompress;
    zstd.content = (unsigned long long (*)(const void *, size_t))(uintptr_t)content;
    zstd.extent = (size_t(*)(const void *, size_t))(uintptr_t)extent;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"use_zstd", use_zstd, METH_VARARGS, NULL},
    {"decode", decode, METH_VARARGS, NULL},
    {"points", points, METH_VARARGS, NULL},
    {"rows", rows, METH_VARARGS, NULL},
    {"spans", spans, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots_of_module[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_pages", .m_size = 0, .m_methods = methods, .m_slots = slots_of_module,
};

PyMODINIT_FUNC PyInit__pages(void)
{
    return PyModuleDef_Init(&definition);
}
