/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* What a module is: one shared object with one exported symbol, a constant tn_module.
 *
 * Four things are kept apart. The *entry* (this file) says what the file is. A *factory*, fetched from it by
 * an id ("tenon.family/0"), says what it can make. A factory's *description* holds facts, and an *instance*
 * holds state. The entry is data, so that a program can judge a module before it runs any of it.
 *
 *     #include <tenon/family.h>
 *
 *     static const tn_option options[] = {
 *         TN_OPTION_INT_INIT("window", "4096", 1, 1 << 20, "tokens that one layer looks back"),
 *         TN_OPTION_END,
 *     };
 *
 *     static const void *get_factory(const tn_host *host, const char *factory_id) {
 *         (void)host;
 *         return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
 *     }
 *
 *     TN_MODULE_ENTRY(.id = "example", .version = "1.0", .licence = "Apache-2.0", .options = options,
 *                     .get_factory = get_factory);
 *
 * Build it with -DTN_MODULE_NAME=example, link it as example.so against nothing of Tenon's, and export
 * nothing else.
 *
 * Threads. *control*: loads, configures and destroys, one call at a time for one module. *step*: the engine
 * thread between start and stop; a callback there allocates nothing and waits for nothing. *any*: several at
 * once. Every function below names the threads that may call it.
 *
 * Versions. abi_major 0 is the time before the layout is settled: the minor number must then match exactly
 * and structures change without compatibility code. From 1 on structures only grow at their end, a module may
 * be older than the program, and nobody reads past the `size` that the other side wrote.
 *
 * History. 0.1: first. */
#ifndef TENON_MODULE_H
#define TENON_MODULE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tenon/status.h>

#ifdef __cplusplus
extern "C" {
#    define TN_ABI_ASSERT(condition, text) static_assert(condition, text)
#else
#    define TN_ABI_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define TN_ABI_MAJOR 0
#define TN_ABI_MINOR 1

/* ---- Host ---- */

/* How bad a message is. The last two name a culprit: the program broke a rule of this interface, or this
 * module found that it did so itself. */
enum tn_severity {
    TN_SEVERITY_ERROR = 0,
    TN_SEVERITY_WARN = 1,
    TN_SEVERITY_INFO = 2,
    TN_SEVERITY_DEBUG = 3,
    TN_SEVERITY_TRACE = 4,
    TN_SEVERITY_HOST_MISBEHAVES = 5,
    TN_SEVERITY_MODULE_MISBEHAVES = 6,
};

/* The program, as a module sees it: passed to get_factory, and to whatever a factory creates. Each instance
 * gets a table of its own, which names it in the log; it stays valid until that instance is destroyed, the
 * one given to get_factory until the process ends. A module that wants more than this asks for a service by
 * id. */
typedef struct tn_host tn_host;
struct tn_host {
    uint32_t size;                 /* sizeof(tn_host) in the program's headers */
    uint16_t abi_major, abi_minor; /* what the program offers */
    const char *name;              /* who this table was made for; stands before each of its log lines */
    const char *program_version;   /* "0.1.0": for messages, not for decisions */

    /* One line of UTF-8 without a newline at its end; cut past 2000 bytes. Messages that pour in are counted
     * and summed up instead of printed. [any] */
    void (*log)(const tn_host *host, uint32_t severity, const char *text);

    /* The table of a service ("tenon.NAME/REVISION"; others use reverse domain names: "org.example.thing/2"),
     * or NULL when this program does not have it. It is constant and valid until the process ends; its header
     * says its type. [any] */
    const void *(*get_service)(const tn_host *host, const char *service_id);
};

/* printf to the host's log. [any] */
static inline void tn_host_logf(const tn_host *host, uint32_t severity, const char *fmt, ...) TN_PRINTF(3, 4);
static inline void tn_host_logf(const tn_host *host, uint32_t severity, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    host->log(host, severity, text);
}

/* ---- Options ---- */

enum tn_option_type {
    TN_OPTION_BOOL = 1,   /* true false yes no on off 1 0;  value in i: 0 or 1 */
    TN_OPTION_INT = 2,    /* decimal;                       value in i */
    TN_OPTION_FLOAT = 3,  /* decimal, finite;               value in f */
    TN_OPTION_STRING = 4, /* UTF-8;                         value in s */
    TN_OPTION_ENUM = 5,   /* one of choices;                value in i: its index, and in s: its name */
};

/* One option. The program reads the text of the configuration, checks it against this, fills in defaults, and
 * documents it: a module sees checked values only. At most TN_OPTION_MAX of them; a name is lower-case
 * letters, digits and '_'. */
typedef struct tn_option {
    const char *name;            /* NULL ends the table */
    const char *help;            /* one line: what it is, its unit */
    const char *default_text;    /* as one would write it in the configuration; NULL: must be given */
    const char *choices;         /* ENUM: "low|medium|high"; else NULL */
    int64_t int_min, int_max;    /* INT: smallest and largest that is accepted */
    double float_min, float_max; /* FLOAT: the same */
    uint32_t type;               /* enum tn_option_type */
    uint32_t reserved;           /* 0 */
} tn_option;

enum { TN_OPTION_MAX = 64 };

/* Initialisers, C and C++ alike. */
#define TN_OPTION_BOOL_INIT(name, default_text, help)                                                        \
    { name, help, default_text, NULL, 0, 0, 0, 0, TN_OPTION_BOOL, 0 }
#define TN_OPTION_INT_INIT(name, default_text, min, max, help)                                               \
    { name, help, default_text, NULL, min, max, 0, 0, TN_OPTION_INT, 0 }
#define TN_OPTION_FLOAT_INIT(name, default_text, min, max, help)                                             \
    { name, help, default_text, NULL, 0, 0, min, max, TN_OPTION_FLOAT, 0 }
#define TN_OPTION_STRING_INIT(name, default_text, help)                                                      \
    { name, help, default_text, NULL, 0, 0, 0, 0, TN_OPTION_STRING, 0 }
#define TN_OPTION_ENUM_INIT(name, default_text, choices, help)                                               \
    { name, help, default_text, choices, 0, 0, 0, 0, TN_OPTION_ENUM, 0 }
#define TN_OPTION_END                                                                                        \
    { NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }

/* The checked value of options[k], handed to a factory's create function as an array in the order of the
 * table. Belongs to the program; valid while the instance lives. */
typedef struct tn_option_value {
    int64_t i;
    double f;
    const char *s;      /* STRING and ENUM, else NULL */
    uint32_t type;      /* as in the table */
    uint32_t was_given; /* 1: somebody set it; 0: it is the default */
} tn_option_value;

/* ---- Entry ---- */

/* The constant that a module exports. All strings are static, UTF-8, one line, never NULL. */
typedef struct tn_module {
    uint32_t size;                 /* sizeof(tn_module) in the module's headers */
    uint16_t abi_major, abi_minor; /* what the module was compiled against */
    const char *id;      /* names the module and its file: 1 to 64 of a-z 0-9 . _ -, a letter or digit first;
                          * "llama"; outside Tenon "org.example.whisper" */
    const char *version; /* the module's own: "1.4.2" */
    const char *licence; /* SPDX expression */
    const tn_option *options; /* ends with TN_OPTION_END; may be NULL */

    /* The factory with that id, a constant structure of the module's whose header says its type, or NULL for
     * every id that the module does not know. May return NULL as well when the host lacks a service that the
     * factory needs (having logged which). Does nothing slow: it is also called when modules are only listed.
     * [any] */
    const void *(*get_factory)(const tn_host *host, const char *factory_id);
} tn_module;

#if defined(__GNUC__)
#    define TN_MODULE_EXPORT __attribute__((visibility("default")))
#else
#    define TN_MODULE_EXPORT
#endif
#ifdef __cplusplus
#    define TN_MODULE_LINKAGE extern "C"
#else
#    define TN_MODULE_LINKAGE extern
#endif
#define TN_MODULE_JOIN_(a, b) a##b
#define TN_MODULE_JOIN(a, b)  TN_MODULE_JOIN_(a, b)

/* The symbol's name starts with the file's, so that several modules can be linked into one program.
 * TN_MODULE_NAME is the file's name without ".so", every character but letters and digits written as '_'.
 * Without it the symbol is plain tn_module_entry, which works for a shared object only. */
#ifdef TN_MODULE_NAME
#    define TN_MODULE_SYMBOL TN_MODULE_JOIN(TN_MODULE_NAME, _LTX_tn_module_entry)
#else
#    define TN_MODULE_SYMBOL tn_module_entry
#endif

/* Defines the entry. The arguments initialise the fields from id on: by name in C, in order (id, version,
 * licence, options, get_factory) in C++. */
#define TN_MODULE_ENTRY(...)                                                                                 \
    TN_MODULE_LINKAGE TN_MODULE_EXPORT const tn_module TN_MODULE_SYMBOL;                                     \
    const tn_module TN_MODULE_SYMBOL = {(uint32_t)sizeof(tn_module), TN_ABI_MAJOR, TN_ABI_MINOR, __VA_ARGS__}

/* ---- Layout ---- */

TN_ABI_ASSERT(sizeof(void *) == 8, "Tenon's modules are for 64-bit machines");
TN_ABI_ASSERT(sizeof(tn_error) == 512, "layout of tn_error");
TN_ABI_ASSERT(sizeof(tn_host) == 40, "layout of tn_host");
TN_ABI_ASSERT(offsetof(tn_host, log) == 24 && offsetof(tn_host, get_service) == 32, "layout of tn_host");
TN_ABI_ASSERT(sizeof(tn_option) == 72 && offsetof(tn_option, type) == 64, "layout of tn_option");
TN_ABI_ASSERT(sizeof(tn_option_value) == 32 && offsetof(tn_option_value, type) == 24,
              "layout of tn_option_value");
TN_ABI_ASSERT(sizeof(tn_module) == 48, "layout of tn_module");
/* The first eight bytes hold for every version there will ever be: they are what a mismatch is told by. */
TN_ABI_ASSERT(offsetof(tn_module, abi_major) == 4 && offsetof(tn_module, abi_minor) == 6,
              "head of tn_module");
TN_ABI_ASSERT(offsetof(tn_module, id) == 8 && offsetof(tn_module, get_factory) == 40, "layout of tn_module");

#ifdef __cplusplus
}
#endif
#endif
