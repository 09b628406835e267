/* The hot path in C: the clock read, the tree of stages and their tallies.
 *
 * `marks_python.py` is the same in Python: it serves where this file was not compiled, it is what
 * to read first, and every test of the one runs on the other. Whatever is rare (an unknown name, a
 * foreign thread, a wrong order) is handed to methods of `marks.Track`, written once in Python.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

#include "_clock.h"

#if defined(_WIN32)
#define HAVE_CLOCK 0 /* untried there: a Stage is always given a Python clock */
#else
#define HAVE_CLOCK 1
#endif

/* Call a method with one argument, which may be a tuple. */
static PyObject *
call(PyObject *self, const char *method, PyObject *argument)
{
    PyObject *name = PyUnicode_FromString(method);
    if (name == NULL)
        return NULL;
    PyObject *result = PyObject_CallMethodObjArgs(self, name, argument, NULL);
    Py_DECREF(name);
    return result;
}

/* ---- Tally: count, total, extremes and a log-linear histogram ------------------------------ */

typedef struct {
    PyObject_HEAD
    int64_t count, total, least, most;
    uint64_t *bins;
    int64_t size;
} Tally;

/* Same as histogram.index(). */
static int64_t
bin_of(int64_t ns)
{
    int shift = 0;
    for (int64_t high = ns >> 7; high; high >>= 1)
        shift++;
    return 64 * (int64_t)shift + (ns >> shift);
}

static int
tally_add(Tally *self, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    int64_t bin = bin_of(ns);
    if (bin >= self->size) {
        int64_t size = (bin / 64 + 1) * 64;
        uint64_t *bins = PyMem_Realloc(self->bins, (size_t)size * sizeof(uint64_t));
        if (bins == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memset(bins + self->size, 0, (size_t)(size - self->size) * sizeof(uint64_t));
        self->bins = bins;
        self->size = size;
    }
    self->bins[bin]++;
    if (self->count == 0 || ns < self->least)
        self->least = ns;
    if (ns > self->most)
        self->most = ns;
    self->count++;
    self->total += ns;
    return 0;
}

static PyObject *
Tally_add(Tally *self, PyObject *arg)
{
    int64_t ns = PyLong_AsLongLong(arg);
    if (ns == -1 && PyErr_Occurred())
        return NULL;
    if (tally_add(self, ns) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
Tally_bins(Tally *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *bins = PyDict_New();
    for (int64_t i = 0; bins != NULL && i < self->size; i++) {
        if (self->bins[i] == 0)
            continue;
        PyObject *key = PyLong_FromLongLong(i), *value = PyLong_FromUnsignedLongLong(self->bins[i]);
        if (key == NULL || value == NULL || PyDict_SetItem(bins, key, value) < 0)
            Py_CLEAR(bins);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return bins;
}

static void
Tally_dealloc(Tally *self)
{
    PyMem_Free(self->bins);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef Tally_methods[] = {
    {"add", (PyCFunction)Tally_add, METH_O, "Count one span of that many nanoseconds."},
    {"bins", (PyCFunction)Tally_bins, METH_NOARGS, "The histogram: {bin index: count}."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Tally_members[] = {
    {"count", T_LONGLONG, offsetof(Tally, count), READONLY, NULL},
    {"total", T_LONGLONG, offsetof(Tally, total), READONLY, NULL},
    {"least", T_LONGLONG, offsetof(Tally, least), READONLY, NULL},
    {"most", T_LONGLONG, offsetof(Tally, most), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject TallyType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof._marks.Tally",
    .tp_basicsize = sizeof(Tally),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)Tally_dealloc,
    .tp_methods = Tally_methods,
    .tp_members = Tally_members,
};

/* ---- Track and Stage ----------------------------------------------------------------------- */

typedef struct Stage Stage;

static PyTypeObject StageType, TrackType;

typedef struct {
    Tally *tally; /* borrowed: what is in the tree lives as long as the track */
    int64_t start, ns;
} Entry;

typedef struct {
    PyObject_HEAD
    Stage *current;   /* owned; NULL before the first lane */
    PyObject *step; /* owned; the Step of the open lane */
    PyObject *log;  /* owned; where all spans are written down (`recorder/spans.py`), or NULL */
    unsigned long owner;
    char closed, journaling;
    char polling; /* a device's events are to be read between steps */
    int64_t deadline; /* a span outside steps that ends later calls `overdue` */
    Entry *journal;
    Py_ssize_t length, kept, capacity; /* entries; those of steps that ended well; room */
    Py_ssize_t opened;                 /* where the entries of the open step begin */
    char eager;                        /* another thread may take snapshots: add up at once */
} Track;

struct Stage {
    PyObject_HEAD
    /* What every visit touches comes first, to lie in few cache lines. */
    Track *track;    /* owned */
    Stage *parent;   /* owned or NULL */
    PyObject *clock; /* callable, or NULL for the native clock */
    Tally *tally;
    int64_t start;
    char muted;
    char uncounted; /* not in the tree: its spans go nowhere */
    char special;   /* timed in Python: a stage by its subclass, a root by `begin_step`, `end_step` */
    char flat;      /* opened by a Mark: the next one ends it, or the end of its step or lane */
    PyObject *name;
    /* The stages of a loop follow each other in the same order: which child is asked for next is
     * guessed from the last time, and the dict is asked only where the guess is wrong. Borrowed
     * from `children`, which loses none. */
    Stage *expected, *last, *first; /* of the children: asked for next, left last, asked for first */
    Stage *next;                    /* the sibling that was asked for after it */
    PyObject *children;             /* dict of name -> Stage or NoStage */
    /* only in the root of a step: */
    int64_t steps;   /* steps that ended well */
    int64_t closing; /* at so many steps the bucket of its timeline is full */
    int64_t tokens, token_ns;
};
/* Between operators that empty the caches it is cheaper to write spans one after the other than to
 * visit every tally at the end of each step; this many entries, 24 kB, are added up at a time. */
#define JOURNAL_FULL 1024

/* A step with so many spans is written through: it must not hold a million entries. */
#define JOURNAL_LIMIT 65536

/* More tokens than this in one step are a mistake, and could overflow their sum. */
#define MAX_TOKENS 1000000000000LL

/* Entries as the log takes them: triples of 64-bit integers, address of the tally, start, length. */
static PyObject *
packed(const Entry *entries, Py_ssize_t count)
{
    PyObject *raw = PyBytes_FromStringAndSize(NULL, count * 3 * (Py_ssize_t)sizeof(int64_t));
    for (Py_ssize_t i = 0; raw != NULL && i < count; i++) {
        int64_t triple[3] = {(int64_t)(intptr_t)entries[i].tally, entries[i].start, entries[i].ns};
        memcpy(PyBytes_AS_STRING(raw) + i * (Py_ssize_t)sizeof(triple), triple, sizeof(triple));
    }
    return raw;
}

/* Hand entries to a method of the log; they are given up here, since it runs Python code. */
static int
write_down(Track *self, const char *method, PyObject *raw)
{
    if (raw == NULL)
        return -1;
    PyObject *log = Py_NewRef(self->log), *done = call(log, method, raw);
    Py_DECREF(log);
    Py_DECREF(raw);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Add up entries that will not be dropped any more. */
static int
add_up(const Entry *entries, Py_ssize_t count)
{
    int status = 0;
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = tally_add(entries[i].tally, entries[i].ns);
    return status;
}

/* Add up the entries of the steps that ended well. */
static int
flush(Track *self)
{
    int status = add_up(self->journal, self->kept);
    int logging = status == 0 && self->log != NULL && self->kept > 0;
    PyObject *raw = logging ? packed(self->journal, self->kept) : NULL;
    self->length -= self->kept;
    self->opened = self->opened > self->kept ? self->opened - self->kept : 0;
    memmove(self->journal, self->journal + self->kept, (size_t)self->length * sizeof(Entry));
    self->kept = 0;
    return logging && write_down(self, "add", raw) < 0 ? -1 : status;
}

/* Make room in the journal. */
static int
make_room(Track *self)
{
    if (self->length == JOURNAL_LIMIT) {
        self->kept = self->length;
        self->opened = 0;
        return flush(self);
    }
    Py_ssize_t capacity = self->capacity ? 2 * self->capacity : 2 * JOURNAL_FULL;
    Entry *journal = PyMem_Realloc(self->journal, (size_t)capacity * sizeof(Entry));
    if (journal == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->journal = journal;
    self->capacity = capacity;
    return 0;
}

static inline int
append(Track *self, Tally *tally, int64_t start, int64_t ns)
{
    /* The limit is a power of two of the first capacity: it is reached when there is no room. */
    if (self->length == self->capacity && make_room(self) < 0)
        return -1;
    Entry *entry = self->journal + self->length++;
    entry->tally = tally;
    entry->start = start;
    entry->ns = ns;
    return 0;
}

/* Count a span outside steps. */
static int
count_span(Track *self, Tally *tally, int64_t start, int64_t ns)
{
    Entry entry = {tally, start, ns};
    if (tally_add(tally, ns) < 0)
        return -1;
    return self->log == NULL ? 0 : write_down(self, "add_outside", packed(&entry, 1));
}

static inline int
note(Track *self, Tally *tally, int64_t start, int64_t end)
{
    if (self->journaling)
        return append(self, tally, start, end - start);
    return count_span(self, tally, start, end - start);
}

static int
now(Stage *stage, int64_t *result)
{
    if (HAVE_CLOCK && stage->clock == NULL) {
        *result = read_clock();
        return 0;
    }
    Py_INCREF(stage); /* `result` may lie in it, and the clock may run any code */
    PyObject *reading = PyObject_CallNoArgs(stage->clock);
    int64_t value = reading == NULL ? -1 : PyLong_AsLongLong(reading);
    Py_XDECREF(reading);
    int failed = value == -1 && PyErr_Occurred();
    if (!failed)
        *result = value;
    Py_DECREF(stage);
    return failed ? -1 : 0;
}

static void
set_current(Track *track, Stage *stage)
{
    Stage *old = track->current;
    Py_XINCREF(stage);
    track->current = stage;
    Py_XDECREF(old);
}

static int
is_foreign(Track *track)
{
    return PyThread_get_thread_ident() != track->owner;
}

/* The stage is entered: guess that the first child comes first again. */
static void
expect_first(Stage *stage)
{
    stage->last = NULL;
    stage->expected = stage->first;
}

/* The stage is left: guess that what followed it last time follows again. */
static void
expect_after(Stage *stage)
{
    Stage *parent = stage->parent;
    if (parent != NULL) {
        parent->last = stage;
        parent->expected = stage->next;
    }
}

/* A stage object may be kept and entered anywhere: then it stands for the stage of its name there. */
static Stage *
stage_here(Stage *self)
{
    Track *track = self->track;
    if (track->closed || is_foreign(track) || track->current == NULL || track->current->muted)
        return NULL;
    PyObject *found = PyDict_GetItemWithError(track->current->children, self->name);
    if (found == NULL || !PyObject_TypeCheck(found, &StageType) || ((Stage *)found)->special)
        return NULL;
    return (Stage *)found;
}

static PyObject *
Stage_enter(Stage *self, PyObject *Py_UNUSED(ignored))
{
    Track *track = self->track;
    Stage *stage = self;
    if (track == NULL)
        return PyErr_Format(PyExc_RuntimeError, "this Stage was never initialised");
    if (track->current != self->parent || track->closed || is_foreign(track)) {
        stage = stage_here(self);
        if (stage == NULL && PyErr_Occurred())
            return NULL;
        if (stage == NULL)
            return call((PyObject *)track, "misplaced_enter", (PyObject *)self);
    }
    set_current(track, stage);
    expect_first(stage);
    stage->flat = 0;
    if (now(stage, &stage->start) < 0) {
        set_current(track, stage->parent);
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
same_name(PyObject *one, PyObject *other)
{
    return one == other || (PyUnicode_GET_LENGTH(one) == PyUnicode_GET_LENGTH(other) &&
                            PyUnicode_Compare(one, other) == 0);
}

static int
stands_for(Stage *self, Stage *current)
{
    return current != NULL && current->parent != NULL && !current->special &&
           same_name(current->name, self->name);
}

static PyObject *
Stage_exit(Stage *self, PyObject *const *args, Py_ssize_t count)
{
    Track *track = self->track;
    Stage *stage = self;
    int failed = count > 0 && args[0] != Py_None;
    int64_t end;
    if (track == NULL)
        Py_RETURN_NONE;
    if (track->current != self || track->closed || is_foreign(track)) {
        if (track->closed || is_foreign(track) || !stands_for(self, track->current))
            return PyObject_CallMethod((PyObject *)track, "misplaced_exit", "OO", self,
                                       failed ? Py_True : Py_False);
        stage = track->current;
    }
    Py_INCREF(stage);
    int status = now(stage, &end);
    set_current(track, stage->parent);
    if (!stage->uncounted)
        expect_after(stage);
    if (status == 0 && !stage->uncounted)
        status = note(track, stage->tally, stage->start, end);
    Py_DECREF(stage);
    if (status < 0) {
        /* The user's exception matters more than a clock that died with it. */
        if (!failed || !PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    if (end > track->deadline && !track->journaling)
        return PyObject_CallMethod((PyObject *)track, "overdue", "L", (long long)end);
    Py_RETURN_NONE;
}

/* For subclasses that time their spans themselves: the checks and the tree without the clock. */
static PyObject *
Stage_open(Stage *self, PyObject *Py_UNUSED(ignored))
{
    Track *track = self->track;
    if (track->current != self->parent || track->closed || is_foreign(track))
        Py_RETURN_FALSE;
    set_current(track, self);
    self->flat = 0;
    Py_RETURN_TRUE;
}

static PyObject *
Stage_close(Stage *self, PyObject *Py_UNUSED(ignored))
{
    Track *track = self->track;
    if (track->current != self || track->closed || is_foreign(track))
        Py_RETURN_FALSE;
    set_current(track, self->parent);
    Py_RETURN_TRUE;
}

static int
Stage_init(Stage *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"track", "name", "parent", "clock", NULL};
    PyObject *track, *name, *parent, *clock;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OUOO", keywords, &track, &name, &parent, &clock))
        return -1;
    if (!PyObject_TypeCheck(track, &TrackType) || (parent != Py_None && !PyObject_TypeCheck(parent, &StageType))) {
        PyErr_SetString(PyExc_TypeError, "a Stage takes a Track, a name, a Stage or None, and a clock");
        return -1;
    }
    if (!HAVE_CLOCK && clock == Py_None) {
        PyErr_SetString(PyExc_ValueError, "there is no native clock on this system");
        return -1;
    }
    Py_INCREF(track);
    Py_XSETREF(self->track, (Track *)track);
    Py_INCREF(name);
    Py_XSETREF(self->name, name);
    Py_XSETREF(self->parent, parent == Py_None ? NULL : (Stage *)Py_NewRef(parent));
    Py_XSETREF(self->clock, clock == Py_None ? NULL : Py_NewRef(clock));
    self->closing = INT64_MAX;
    Py_XSETREF(self->children, PyDict_New());
    Py_XSETREF(self->tally, (Tally *)PyObject_CallNoArgs((PyObject *)&TallyType));
    return self->children != NULL && self->tally != NULL ? 0 : -1;
}

static int
Stage_traverse(Stage *self, visitproc visit, void *arg)
{
    Py_VISIT(self->track);
    Py_VISIT(self->parent);
    Py_VISIT(self->children);
    Py_VISIT(self->clock);
    return 0;
}

static int
Stage_clear(Stage *self)
{
    Py_CLEAR(self->track);
    Py_CLEAR(self->parent);
    Py_CLEAR(self->children);
    Py_CLEAR(self->clock);
    return 0;
}

static void
Stage_dealloc(Stage *self)
{
    PyObject_GC_UnTrack(self);
    Stage_clear(self);
    Py_CLEAR(self->name);
    Py_CLEAR(self->tally);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef Stage_methods[] = {
    {"__enter__", (PyCFunction)Stage_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))Stage_exit, METH_FASTCALL, NULL},
    {"open", (PyCFunction)Stage_open, METH_NOARGS, "Become the current stage; False if misplaced."},
    {"close", (PyCFunction)Stage_close, METH_NOARGS, "Give way to the parent; False if misplaced."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Stage_members[] = {
    {"name", T_OBJECT_EX, offsetof(Stage, name), READONLY, NULL},
    {"track", T_OBJECT_EX, offsetof(Stage, track), READONLY, NULL},
    {"parent", T_OBJECT, offsetof(Stage, parent), READONLY, NULL},
    {"children", T_OBJECT_EX, offsetof(Stage, children), READONLY, NULL},
    {"tally", T_OBJECT_EX, offsetof(Stage, tally), READONLY, NULL},
    {"clock", T_OBJECT, offsetof(Stage, clock), READONLY, NULL},
    {"start", T_LONGLONG, offsetof(Stage, start), 0, NULL},
    {"muted", T_BOOL, offsetof(Stage, muted), 0, NULL},
    {"uncounted", T_BOOL, offsetof(Stage, uncounted), 0, NULL},
    {"special", T_BOOL, offsetof(Stage, special), 0, NULL},
    {"flat", T_BOOL, offsetof(Stage, flat), 0, NULL},
    {"steps", T_LONGLONG, offsetof(Stage, steps), READONLY, NULL},
    {"closing", T_LONGLONG, offsetof(Stage, closing), 0, NULL},
    {"tokens", T_LONGLONG, offsetof(Stage, tokens), 0, NULL},
    {"token_ns", T_LONGLONG, offsetof(Stage, token_ns), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject StageType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof._marks.Stage",
    .tp_basicsize = sizeof(Stage),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Stage_init,
    .tp_traverse = (traverseproc)Stage_traverse,
    .tp_clear = (inquiry)Stage_clear,
    .tp_dealloc = (destructor)Stage_dealloc,
    .tp_methods = Stage_methods,
    .tp_members = Stage_members,
};

/* The Stage or NoStage of that name inside the current stage, wrongly guessed; a new reference. */
static PyObject *
find_child(Track *self, Stage *current, PyObject *name)
{
    PyObject *stage = PyDict_GetItemWithError(current->children, name);
    if (stage != NULL) {
        if (PyObject_TypeCheck(stage, &StageType)) {
            if (current->last != NULL)
                current->last->next = (Stage *)stage;
            else
                current->first = (Stage *)stage;
        }
        return Py_NewRef(stage);
    }
    return PyErr_Occurred() ? NULL : call((PyObject *)self, "missing_stage", name);
}

static inline PyObject *
child(Track *self, Stage *current, PyObject *name)
{
    if (current->expected != NULL && current->expected->name == name)
        return Py_NewRef((PyObject *)current->expected);
    return find_child(self, current, name);
}

static PyObject *
Track_stage(Track *self, PyObject *name)
{
    if (is_foreign(self))
        return call((PyObject *)self, "foreign_stage", (PyObject *)name);
    Stage *current = self->current;
    if (current != NULL && !self->closed && !current->muted && PyUnicode_Check(name))
        return child(self, current, name);
    return call((PyObject *)self, "missing_stage", (PyObject *)name);
}

static int
call_and_drop(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* The current stage where a Mark opened it in that root, or NULL. */
static Stage *
flat_stage(Track *self, Stage *root)
{
    Stage *current = self->current;
    return current != NULL && current->flat && current->parent == root ? current : NULL;
}

static PyObject *
Track_flat_stage(Track *self, PyObject *root)
{
    Stage *flat = flat_stage(self, (Stage *)root);
    return Py_NewRef(flat ? (PyObject *)flat : Py_None);
}

/* End the flat stage that is open and begin the one of that name, or none: both at one reading. */
static int
boundary(Track *self, PyObject *name)
{
    Stage *current = self->current, *flat = NULL, *root = current;
    if (self->closed)
        return 0;
    if (is_foreign(self))
        return call_and_drop(call((PyObject *)self, "foreign_mark", name));
    if (current == NULL || current->muted)
        return 0;
    if (current->flat) {
        if (name != Py_None && same_name(current->name, name))
            return 0;
        flat = current;
        root = current->parent;
    }
    else if (current->parent != NULL || name == Py_None)
        return 0; /* in a stage that was marked otherwise, or nothing to end */
    if (root->special)
        return call_and_drop(call((PyObject *)self, "odd_mark", name));
    Py_INCREF(root);
    int64_t moment = 0;
    int status = now(root, &moment);
    if (flat != NULL) {
        flat->flat = 0;
        set_current(self, root);
        expect_after(flat);
        if (status == 0)
            status = note(self, flat->tally, flat->start, moment);
    }
    if (status == 0 && name != Py_None) {
        PyObject *found = child(self, root, name);
        if (found != NULL && PyObject_TypeCheck(found, &StageType)) {
            Stage *stage = (Stage *)found;
            set_current(self, stage);
            expect_first(stage);
            stage->start = moment;
            stage->flat = 1;
        }
        status = call_and_drop(found);
    }
    Py_DECREF(root);
    if (status == 0 && moment > self->deadline && !self->journaling)
        return call_and_drop(PyObject_CallMethod((PyObject *)self, "overdue", "L", (long long)moment));
    return status;
}

static PyObject *
Track_boundary(Track *self, PyObject *name)
{
    if (name != Py_None && !PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "boundary() takes a name or None");
    if (boundary(self, name) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int
begin(Track *self, Stage *root)
{
    self->journaling = 1;
    self->opened = self->length;
    set_current(self, root);
    expect_first(root);
    if (now(root, &root->start) == 0)
        return 0;
    self->journaling = 0;
    return -1;
}

/* Leave the step's tree, whatever becomes of its spans. */
static void
leave(Track *self, Stage *outer)
{
    set_current(self, outer);
    self->journaling = 0;
}

/* Close the step: keep or drop its spans; `*ns` is its length. */
static int
finish(Track *self, Stage *root, Stage *outer, int keep, int64_t *ns)
{
    int64_t end = root->start;
    int status = now(root, &end);
    Stage *flat = flat_stage(self, root);
    *ns = end - root->start;
    leave(self, outer);
    if (flat != NULL) {
        flat->flat = 0;
        if (status == 0 && keep)
            status = append(self, flat->tally, flat->start, end - flat->start);
    }
    if (status == 0 && keep)
        status = append(self, root->tally, root->start, *ns);
    if (status < 0 || !keep) {
        self->length = self->opened;
        return status;
    }
    root->steps++;
    if (self->opened > self->kept) {
        /* A step of a lane inside a step, which may yet fail: only the inner one has ended. */
        Entry *inner = self->journal + self->opened;
        Py_ssize_t count = self->length - self->opened;
        status = add_up(inner, count);
        int logging = status == 0 && self->log != NULL;
        PyObject *raw = logging ? packed(inner, count) : NULL;
        self->length = self->opened;
        return logging && write_down(self, "add", raw) < 0 ? -1 : status;
    }
    self->kept = self->length;
    return self->kept >= (self->eager ? 1 : JOURNAL_FULL) ? flush(self) : 0;
}

static PyObject *
Track_begin(Track *self, PyObject *root)
{
    if (!PyObject_TypeCheck(root, &StageType))
        return PyErr_Format(PyExc_TypeError, "begin() takes a Stage");
    if (begin(self, (Stage *)root) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
Track_finish(Track *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyObject_TypeCheck(args[0], &StageType) || !PyObject_TypeCheck(args[1], &StageType))
        return PyErr_Format(PyExc_TypeError, "finish() takes root, outer and keep");
    int64_t ns;
    if (finish(self, (Stage *)args[0], (Stage *)args[1], PyObject_IsTrue(args[2]), &ns) < 0)
        return NULL;
    return PyLong_FromLongLong(ns);
}

static PyObject *
Track_flush(Track *self, PyObject *Py_UNUSED(ignored))
{
    if (flush(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
Track_count(Track *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyObject_TypeCheck(args[0], &TallyType))
        return PyErr_Format(PyExc_TypeError, "count() takes a tally, start and nanoseconds");
    int64_t start = PyLong_AsLongLong(args[1]), ns = PyLong_AsLongLong(args[2]);
    if (PyErr_Occurred() || count_span(self, (Tally *)args[0], start, ns) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Where the entries of the open step begin, counted from those that are kept: while another lane is
 * open, the journal may be flushed. */
static PyObject *
Track_get_opened(Track *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(self->opened - self->kept);
}

static int
Track_set_opened(Track *self, PyObject *value, void *Py_UNUSED(closure))
{
    Py_ssize_t opened = value == NULL ? 0 : PyLong_AsSsize_t(value);
    if (PyErr_Occurred())
        return -1;
    opened += self->kept;
    self->opened = opened < 0 ? 0 : opened < self->length ? opened : self->length;
    return 0;
}

static PyObject *
Track_get_log(Track *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->log ? self->log : Py_None);
}

static int
Track_set_log(Track *self, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(self->log, value == NULL || value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static PyTypeObject StepType;
static PyObject *Track_open_step(Track *self, PyObject *tokens);

static PyObject *
Track_get_current(Track *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->current ? (PyObject *)self->current : Py_None);
}

static int
Track_set_current(Track *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || value == Py_None)
        set_current(self, NULL);
    else if (PyObject_TypeCheck(value, &StageType))
        set_current(self, (Stage *)value);
    else {
        PyErr_SetString(PyExc_TypeError, "current must be a Stage or None");
        return -1;
    }
    return 0;
}

static PyObject *
Track_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Track *self = (Track *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->owner = PyThread_get_thread_ident(), self->deadline = INT64_MAX;
    return (PyObject *)self;
}

static int
Track_traverse(Track *self, visitproc visit, void *arg)
{
    Py_VISIT(self->current);
    Py_VISIT(self->step);
    Py_VISIT(self->log);
    return 0;
}

static int
Track_clear(Track *self)
{
    Py_CLEAR(self->current);
    Py_CLEAR(self->step);
    Py_CLEAR(self->log);
    return 0;
}

static void
Track_dealloc(Track *self)
{
    PyObject_GC_UnTrack(self);
    Track_clear(self);
    PyMem_Free(self->journal);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef Track_methods[] = {
    {"stage", (PyCFunction)Track_stage, METH_O, "The stage of that name inside the current one."},
    {"boundary", (PyCFunction)Track_boundary, METH_O, "What a Mark of that name, or None, does here."},
    {"flat_stage", (PyCFunction)Track_flat_stage, METH_O, "The stage that a Mark opened in that root."},
    {"begin", (PyCFunction)Track_begin, METH_O, "Open a step whose stages hang below this root."},
    {"finish", (PyCFunction)(void (*)(void))Track_finish, METH_FASTCALL,
     "finish(root, outer, keep): close a step, keep or drop its spans, return its nanoseconds."},
    {"open_step", (PyCFunction)Track_open_step, METH_O, "The Step of the open lane, given tokens."},
    {"flush", (PyCFunction)Track_flush, METH_NOARGS, "Add up the spans of the steps that ended well."},
    {"count", (PyCFunction)(void (*)(void))Track_count, METH_FASTCALL,
     "count(tally, start, ns): count a span outside steps, at once."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Track_members[] = {
    {"owner", T_ULONG, offsetof(Track, owner), READONLY, NULL},
    {"closed", T_BOOL, offsetof(Track, closed), 0, NULL},
    {"journaling", T_BOOL, offsetof(Track, journaling), 0, NULL},
    {"polling", T_BOOL, offsetof(Track, polling), 0, NULL},
    {"eager", T_BOOL, offsetof(Track, eager), 0, NULL},
    {"deadline", T_LONGLONG, offsetof(Track, deadline), 0, NULL},
    {"step", T_OBJECT, offsetof(Track, step), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Track_getset[] = {
    {"current", (getter)Track_get_current, (setter)Track_set_current, NULL, NULL},
    {"opened", (getter)Track_get_opened, (setter)Track_set_opened, NULL, NULL},
    {"log", (getter)Track_get_log, (setter)Track_set_log, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject TrackType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof._marks.Track",
    .tp_basicsize = sizeof(Track),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = Track_new,
    .tp_traverse = (traverseproc)Track_traverse,
    .tp_clear = (inquiry)Track_clear,
    .tp_dealloc = (destructor)Track_dealloc,
    .tp_methods = Track_methods,
    .tp_members = Track_members,
    .tp_getset = Track_getset,
};

/* ---- Step ---------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    Track *track;      /* owned */
    PyObject *deck;    /* list of roots, the next step's last */
    Stage *root;       /* owned; the root of the open step, or NULL */
    Stage *outer;      /* owned; what was current around it */
    PyObject *tokens;  /* of the open step: an int or None */
    PyObject *given;   /* of the step to be opened */
    char spoiled;       /* its spans are no longer good */
} Step;

/* A whole number of tokens that fits the run file, or None; a new reference. */
static PyObject *
checked_tokens(Track *track, PyObject *tokens)
{
    if (tokens == NULL)
        tokens = Py_None;
    if (tokens == Py_None)
        return Py_NewRef(tokens);
    int overflow = 0;
    if (PyLong_CheckExact(tokens)) {
        long long number = PyLong_AsLongLongAndOverflow(tokens, &overflow);
        if (!overflow && number >= 0 && number < MAX_TOKENS)
            return Py_NewRef(tokens);
    }
    return call((PyObject *)track, "odd_tokens", tokens);
}

static PyObject *
Track_open_step(Track *self, PyObject *tokens)
{
    if (is_foreign(self) || self->step == NULL || !PyObject_TypeCheck(self->step, &StepType))
        return call((PyObject *)self, "foreign_step", (PyObject *)tokens);
    PyObject *checked = checked_tokens(self, tokens);
    if (checked == NULL)
        return NULL;
    Py_XSETREF(((Step *)self->step)->given, checked);
    return Py_NewRef(self->step);
}

static PyObject *
Step_enter(Step *self, PyObject *Py_UNUSED(ignored))
{
    Track *track = self->track;
    if (track == NULL)
        return PyErr_Format(PyExc_RuntimeError, "this Step was never initialised");
    if (track->closed)
        return Py_NewRef((PyObject *)self);
    if (self->root != NULL || is_foreign(track)) {
        PyObject *error = call((PyObject *)track, "misplaced_step", (PyObject *)self);
        Py_XDECREF(error);
        return NULL;
    }
    /* What is between two steps ends where the next one begins. */
    if (track->current != NULL && track->current->flat && boundary(track, Py_None) < 0)
        return NULL;
    if (PyList_GET_SIZE(self->deck) == 0) {
        PyObject *dealt = call((PyObject *)track, "deal", (PyObject *)self);
        if (dealt == NULL)
            return NULL;
        Py_DECREF(dealt);
    }
    Py_ssize_t last = PyList_GET_SIZE(self->deck) - 1;
    if (last < 0 || !PyObject_TypeCheck(PyList_GET_ITEM(self->deck, last), &StageType)) {
        PyErr_SetString(PyExc_RuntimeError, "deal() gave no root for the step");
        return NULL;
    }
    Stage *root = (Stage *)PyList_GET_ITEM(self->deck, last);
    Py_SET_SIZE(self->deck, last); /* pop: the list's reference is ours now */
    Py_XSETREF(self->outer, (Stage *)Py_XNewRef((PyObject *)track->current));
    Py_XSETREF(self->tokens, Py_NewRef(self->given ? self->given : Py_None));
    self->spoiled = 0;
    if (root->special) {
        PyObject *begun = PyObject_CallMethod((PyObject *)root, "begin_step", NULL);
        if (begun == NULL) {
            Py_DECREF(root);
            leave(track, self->outer);
            return NULL;
        }
        Py_DECREF(begun);
    }
    else if (begin(track, root) < 0) {
        Py_DECREF(root);
        set_current(track, self->outer);
        return NULL;
    }
    self->root = root;
    return Py_NewRef((PyObject *)self);
}

static PyObject *
Step_exit(Step *self, PyObject *const *args, Py_ssize_t count)
{
    Track *track = self->track;
    Stage *root = self->root;
    int failed = count > 0 && args[0] != Py_None;
    int64_t ns;
    if (track == NULL || track->closed)
        Py_RETURN_NONE;
    if (root == NULL || failed || self->spoiled || root->special ||
        (track->current != root && flat_stage(track, root) == NULL)) {
        self->root = NULL; /* first, so that an interrupt leaves no step open */
        PyObject *done = PyObject_CallMethod((PyObject *)track, "odd_end", "OOO", self,
                                             root ? (PyObject *)root : Py_None, failed ? Py_True : Py_False);
        if (done == NULL && root != NULL && track->journaling) {
            leave(track, self->outer);
            track->length = track->opened;
        }
        Py_XDECREF(root);
        return done;
    }
    int status = finish(track, root, self->outer, 1, &ns);
    if (status == 0 && self->tokens != Py_None) {
        root->tokens += PyLong_AsLongLong(self->tokens);
        root->token_ns += ns;
    }
    self->root = NULL;
    if (status == 0 && root->steps >= root->closing && (status = flush(track)) == 0)
        status = call_and_drop(PyObject_CallMethod((PyObject *)root, "close_bucket", NULL));
    if (status == 0 && self->outer->parent != NULL)
        status = call_and_drop(
            PyObject_CallMethod((PyObject *)track, "enclosed", "OL", self->outer, (long long)ns));
    if (status == 0 && (root->start + ns > track->deadline || track->polling))
        status = call_and_drop(
            PyObject_CallMethod((PyObject *)track, "between_steps", "L", (long long)(root->start + ns)));
    Py_DECREF(root);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int
Step_init(Step *self, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *track;
    if (!PyArg_ParseTuple(args, "O!", &TrackType, &track))
        return -1;
    Py_XSETREF(self->track, (Track *)Py_NewRef(track));
    Py_XSETREF(self->deck, PyList_New(0));
    Py_XSETREF(self->tokens, Py_NewRef(Py_None));
    Py_XSETREF(self->given, Py_NewRef(Py_None));
    return self->deck == NULL ? -1 : 0;
}

static int
Step_traverse(Step *self, visitproc visit, void *arg)
{
    Py_VISIT(self->track);
    Py_VISIT(self->deck);
    Py_VISIT(self->root);
    Py_VISIT(self->outer);
    Py_VISIT(self->tokens);
    Py_VISIT(self->given);
    return 0;
}

static int
Step_clear(Step *self)
{
    Py_CLEAR(self->track);
    Py_CLEAR(self->deck);
    Py_CLEAR(self->root);
    Py_CLEAR(self->outer);
    return 0;
}

static void
Step_dealloc(Step *self)
{
    PyObject_GC_UnTrack(self);
    Step_clear(self);
    Py_CLEAR(self->tokens);
    Py_CLEAR(self->given);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Step_get_root(Step *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->root ? (PyObject *)self->root : Py_None);
}

static int
Step_set_root(Step *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value != NULL && value != Py_None && !PyObject_TypeCheck(value, &StageType)) {
        PyErr_SetString(PyExc_TypeError, "root must be a Stage or None");
        return -1;
    }
    Py_XSETREF(self->root, value == NULL || value == Py_None ? NULL : (Stage *)Py_NewRef(value));
    return 0;
}

static PyObject *
Step_get_tokens(Step *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->tokens);
}

static int
Step_set_tokens(Step *self, PyObject *value, void *Py_UNUSED(closure))
{
    PyObject *checked = checked_tokens(self->track, value);
    if (checked == NULL)
        return -1;
    Py_XSETREF(self->tokens, checked);
    return 0;
}

static PyMethodDef Step_methods[] = {
    {"__enter__", (PyCFunction)Step_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))Step_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Step_members[] = {
    {"track", T_OBJECT_EX, offsetof(Step, track), READONLY, NULL},
    {"deck", T_OBJECT_EX, offsetof(Step, deck), READONLY, NULL},
    {"outer", T_OBJECT, offsetof(Step, outer), READONLY, NULL},
    {"given", T_OBJECT, offsetof(Step, given), READONLY, NULL},
    {"spoiled", T_BOOL, offsetof(Step, spoiled), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Step_getset[] = {
    {"root", (getter)Step_get_root, (setter)Step_set_root, NULL, NULL},
    {"tokens", (getter)Step_get_tokens, (setter)Step_set_tokens, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject StepType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof._marks.Step",
    .tp_basicsize = sizeof(Step),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Step_init,
    .tp_traverse = (traverseproc)Step_traverse,
    .tp_clear = (inquiry)Step_clear,
    .tp_dealloc = (destructor)Step_dealloc,
    .tp_methods = Step_methods,
    .tp_members = Step_members,
    .tp_getset = Step_getset,
};

/* ---- NoStage: what `stage()` gives where nothing is to be measured ------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *name;
} NoStage;

static int
NoStage_init(NoStage *self, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *name;
    if (!PyArg_ParseTuple(args, "U", &name))
        return -1;
    Py_XSETREF(self->name, Py_NewRef(name));
    return 0;
}

static void
NoStage_dealloc(NoStage *self)
{
    Py_CLEAR(self->name);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef NoStage_members[] = {
    {"name", T_OBJECT_EX, offsetof(NoStage, name), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject NoStageType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof._marks.NoStage",
    .tp_basicsize = sizeof(NoStage),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)NoStage_init,
    .tp_dealloc = (destructor)NoStage_dealloc,
    .tp_members = NoStage_members,
};

/* ---- Mark: a boundary between two stages --------------------------------------------------- */

/* The track on which marks act; a strong reference. */
static Track *recording;

#ifdef Py_GIL_DISABLED
static PyMutex recording_lock;
#define LOCK() PyMutex_Lock(&recording_lock)
#define UNLOCK() PyMutex_Unlock(&recording_lock)
#else
#define LOCK()
#define UNLOCK()
#endif

static PyObject *
recorded_on(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    LOCK();
    PyObject *track = recording ? (PyObject *)recording : Py_None;
    Py_INCREF(track);
    UNLOCK();
    return track;
}

static PyObject *
record_on(PyObject *Py_UNUSED(self), PyObject *track)
{
    if (track != Py_None && !PyObject_TypeCheck(track, &TrackType))
        return PyErr_Format(PyExc_TypeError, "record_on() takes a Track or None");
    Track *taken = track == Py_None ? NULL : (Track *)Py_NewRef(track);
    LOCK();
    Track *old = recording;
    recording = taken;
    UNLOCK();
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *name; /* a string or None */
} Mark;

static PyObject *
Mark_call(PyObject *self, PyObject *const *Py_UNUSED(args), size_t count, PyObject *keywords)
{
    if (PyVectorcall_NARGS(count) != 0 || (keywords != NULL && PyTuple_GET_SIZE(keywords) != 0))
        return PyErr_Format(PyExc_TypeError, "a Mark takes no arguments");
    if (recording == NULL)
        Py_RETURN_NONE;
    PyObject *track = recorded_on(NULL, NULL);
    int status = track == Py_None ? 0 : boundary((Track *)track, ((Mark *)self)->name);
    if (status < 0) {
        /* The program that is watched must not fail because of it. */
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            Py_DECREF(track);
            return NULL;
        }
        PyErr_Clear();
    }
    Py_DECREF(track);
    Py_RETURN_NONE;
}

static PyObject *
Mark_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", NULL};
    PyObject *name;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O", names, &name))
        return NULL;
    if (name != Py_None && (!PyUnicode_CheckExact(name) || PyUnicode_GET_LENGTH(name) == 0))
        return PyErr_Format(PyExc_TypeError, "a Mark takes a non-empty string or None, not %R", name);
    Mark *self = (Mark *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = Mark_call;
    self->name = Py_NewRef(name);
    if (name != Py_None)
        PyUnicode_InternInPlace(&self->name);
    return (PyObject *)self;
}

static void
Mark_dealloc(Mark *self)
{
    Py_CLEAR(self->name);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Mark_repr(Mark *self)
{
    return PyUnicode_FromFormat("<rnnprof mark %R>", self->name);
}

static PyObject *
Mark_reduce(Mark *self, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(O)", Py_TYPE(self), self->name);
}

static PyMethodDef Mark_methods[] = {
    {"__reduce__", (PyCFunction)Mark_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Mark_members[] = {
    {"name", T_OBJECT_EX, offsetof(Mark, name), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject MarkType = {
    /* Pickled under the name that the twin has as well. */
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof.marks.Mark",
    .tp_basicsize = sizeof(Mark),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "A call that ends the stage an earlier Mark began, and begins the one of its name.",
    .tp_new = Mark_new,
    .tp_dealloc = (destructor)Mark_dealloc,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Mark, vectorcall),
    .tp_repr = (reprfunc)Mark_repr,
    .tp_methods = Mark_methods,
    .tp_members = Mark_members,
};

static PyObject *
nothing(PyObject *Py_UNUSED(self), PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"nothing", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL, "Take anything, do nothing."},
    {"record_on", record_on, METH_O, "Make a Track the one on which marks act; None for none."},
    {"recorded_on", recorded_on, METH_NOARGS, "The Track on which marks act, or None."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_marks", .m_doc = "The hot path of rnnprof.", .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__marks(void)
{
    PyObject *self = PyModule_Create(&module);
    if (self == NULL)
        return NULL;
#ifdef Py_GIL_DISABLED
    /* A track is touched by its own thread alone; the others are sent to `foreign_stage`. */
    PyUnstable_Module_SetGIL(self, Py_MOD_GIL_NOT_USED);
#endif
    if (PyModule_AddType(self, &TallyType) < 0 || PyModule_AddType(self, &StageType) < 0 ||
        PyModule_AddType(self, &TrackType) < 0 || PyModule_AddType(self, &StepType) < 0 ||
        PyModule_AddType(self, &NoStageType) < 0 || PyModule_AddType(self, &MarkType) < 0 ||
        PyModule_AddIntConstant(self, "HAVE_CLOCK", HAVE_CLOCK) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}
