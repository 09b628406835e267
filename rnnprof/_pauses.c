/* Python's garbage collections inside training steps, counted by a callback in `gc.callbacks`.
 *
 * There is no twin in Python. A signal that came during a collection is handled in the first Python
 * function that runs after it, and what its handler raises in such a callback is printed and lost
 * (`invoke_gc_callback` in CPython's gcmodule.c): a callback in Python would take the program's Ctrl-C.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "_clock.h"

#define GENERATIONS 8 /* three of them in all Pythons so far */

static PyObject *name_lane, *name_step, *name_root;

typedef struct {
    PyObject_HEAD
    PyObject *track, *lane, *counted; /* owned; NULL once it has been asked to forget */
    unsigned long owner;
    int64_t began; /* -1 where the collection under way, if any, is not counted */
    int64_t count[GENERATIONS], total[GENERATIONS], most[GENERATIONS];
} Collections;

/* Attribute of an object, or NULL; the caller owns it. Neither a lane nor a step has Python code there. */
static PyObject *
part(PyObject *of, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(of, name);
    if (found == NULL)
        PyErr_Clear();
    return found;
}

/* Whether a step of the lane is open whose root is one of those that count. */
static int
in_step(Collections *self)
{
    PyObject *lane = part(self->track, name_lane);
    Py_XDECREF(lane); /* the track keeps it */
    if (lane == NULL || lane != self->lane)
        return 0;
    int found = 0;
    PyObject *step = part(lane, name_step), *root = step == NULL ? NULL : part(step, name_root);
    if (root != NULL && root != Py_None)
        found = PySet_Contains(self->counted, root);
    if (found < 0)
        PyErr_Clear();
    Py_XDECREF(root);
    Py_XDECREF(step);
    return found > 0;
}

static PyObject *
Collections_call(Collections *self, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    if (self->track == NULL || PyTuple_GET_SIZE(args) != 2 || PyThread_get_thread_ident() != self->owner)
        Py_RETURN_NONE;
    PyObject *when = PyTuple_GET_ITEM(args, 0), *facts = PyTuple_GET_ITEM(args, 1);
    if (!PyUnicode_Check(when) || !PyDict_Check(facts))
        Py_RETURN_NONE;
    if (PyUnicode_CompareWithASCIIString(when, "start") == 0) {
        self->began = in_step(self) ? read_clock() : -1;
        Py_RETURN_NONE;
    }
    if (self->began < 0)
        Py_RETURN_NONE;
    int64_t ns = read_clock() - self->began;
    self->began = -1;
    PyObject *number = PyDict_GetItemString(facts, "generation");
    long generation = number == NULL ? -1 : PyLong_AsLong(number);
    if (generation == -1 && PyErr_Occurred())
        PyErr_Clear();
    if (generation >= 0 && generation < GENERATIONS) {
        self->count[generation]++;
        self->total[generation] += ns;
        if (ns > self->most[generation])
            self->most[generation] = ns;
    }
    Py_RETURN_NONE;
}

static PyObject *
Collections_found(Collections *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *rows = PyList_New(0);
    for (int at = 0; rows != NULL && at < GENERATIONS; at++) {
        if (self->count[at] == 0)
            continue;
        PyObject *row = Py_BuildValue("(iLLL)", at, (long long)self->count[at], (long long)self->total[at],
                                      (long long)self->most[at]);
        if (row == NULL || PyList_Append(rows, row) < 0)
            Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    return rows;
}

static PyObject *
Collections_forget(Collections *self, PyObject *Py_UNUSED(ignored))
{
    Py_CLEAR(self->track);
    Py_CLEAR(self->lane);
    Py_CLEAR(self->counted);
    Py_RETURN_NONE;
}

static PyObject *
Collections_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"track", "lane", "counted", NULL};
    PyObject *track, *lane, *counted;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO!", names, &track, &lane, &PySet_Type, &counted))
        return NULL;
    Collections *self = (Collections *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->track = Py_NewRef(track);
    self->lane = Py_NewRef(lane);
    self->counted = Py_NewRef(counted);
    self->owner = PyThread_get_thread_ident();
    self->began = -1;
    return (PyObject *)self;
}

static int
Collections_traverse(Collections *self, visitproc visit, void *arg)
{
    Py_VISIT(self->track);
    Py_VISIT(self->lane);
    Py_VISIT(self->counted);
    return 0;
}

static int
Collections_clear(Collections *self)
{
    Py_DECREF(Collections_forget(self, NULL));
    return 0;
}

static void
Collections_dealloc(Collections *self)
{
    PyObject_GC_UnTrack(self);
    Collections_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef Collections_methods[] = {
    {"found", (PyCFunction)Collections_found, METH_NOARGS,
     "What was counted: [(generation, count, total_ns, max_ns)]."},
    {"forget", (PyCFunction)Collections_forget, METH_NOARGS, "Count no more, and let go of the track."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject CollectionsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rnnprof._pauses.Collections",
    .tp_basicsize = sizeof(Collections),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "A callback for `gc.callbacks`: Collections(track, lane, counted roots), on this thread.",
    .tp_new = Collections_new,
    .tp_dealloc = (destructor)Collections_dealloc,
    .tp_traverse = (traverseproc)Collections_traverse,
    .tp_clear = (inquiry)Collections_clear,
    .tp_call = (ternaryfunc)Collections_call,
    .tp_methods = Collections_methods,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_pauses", .m_doc = "Garbage collections inside steps.", .m_size = -1,
};

PyMODINIT_FUNC
PyInit__pauses(void)
{
    name_lane = PyUnicode_InternFromString("lane");
    name_step = PyUnicode_InternFromString("step");
    name_root = PyUnicode_InternFromString("root");
    PyObject *self = PyModule_Create(&module);
    if (self == NULL || name_lane == NULL || name_step == NULL || name_root == NULL)
        return NULL;
#ifdef Py_GIL_DISABLED
    /* Only the thread that made it counts with it. */
    PyUnstable_Module_SetGIL(self, Py_MOD_GIL_NOT_USED);
#endif
    if (PyModule_AddType(self, &CollectionsType) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}
