/* SPDX-License-Identifier: Apache-2.0 */
/* Modules for the tests: each build of this file with one SAMPLE_... defined is right but for one thing. */
#ifdef SAMPLE_NO_ENTRY
extern const int not_the_entry_tn_module_entry_at_all; /* passes the export list */
__attribute__((visibility("default"))) const int not_the_entry_tn_module_entry_at_all = 1;
#else

#    include <stdlib.h>
#    include <tenon/module.h>
#    include <unistd.h>

#    define TEXT_(x) #    x
#    define TEXT(x)  TEXT_(x)

static const int factory = 42;

static const tn_option options[] = {
    TN_OPTION_INT_INIT("window", "4096", 1, 1 << 20, "tokens that one layer looks back"),
    TN_OPTION_FLOAT_INIT("scale", "1.0", 0.5, 2.0, "factor on everything"),
#    ifdef SAMPLE_BAD_OPTION
    TN_OPTION_ENUM_INIT("mode", "middling", "low|high", "how hard to try"),
#    else
    TN_OPTION_ENUM_INIT("mode", "low", "low|high", "how hard to try"),
#    endif
    TN_OPTION_END,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
#    ifdef SAMPLE_ANY_FACTORY
    return &factory;
#    else
    if (strcmp(factory_id, "tenon.family/0") == 0) return &factory;
    return host->get_service(host, factory_id); /* the program offers none by a factory's id */
#    endif
}

#    ifdef SAMPLE_CRASH
__attribute__((constructor)) static void crash(void) {
    abort();
}
#    endif
#    ifdef SAMPLE_SEGV
__attribute__((constructor)) static void crash(void) {
    *(volatile int *)(uintptr_t)getppid() = 1;
}
#    endif
#    ifdef SAMPLE_HANG
__attribute__((constructor)) static void hang(void) {
    for (;;) sleep(1);
}
#    endif
#    ifdef SAMPLE_EXIT
__attribute__((constructor)) static void leave(void) {
    _exit(0);
}
#    endif
#    ifdef SAMPLE_PRINT
__attribute__((constructor)) static void print(void) {
    puts("{\"id\": \"something else\"}");
    fflush(stdout);
}
#    endif
#    ifdef SAMPLE_UNDEFINED
extern int tn_nobody_has_this(void);
__attribute__((visibility("default"))) int uses_tn_module_entry(void);
int uses_tn_module_entry(void) {
    return tn_nobody_has_this();
}
#    endif

#    ifndef SAMPLE_SIZE
#        define SAMPLE_SIZE sizeof(tn_module)
#    endif
#    ifndef SAMPLE_MAJOR
#        define SAMPLE_MAJOR TN_ABI_MAJOR
#    endif
#    ifndef SAMPLE_MINOR
#        define SAMPLE_MINOR TN_ABI_MINOR
#    endif
#    ifndef SAMPLE_ID
#        define SAMPLE_ID TEXT(TN_MODULE_NAME)
#    endif

/* Spelt out, since TN_MODULE_ENTRY would not let it be wrong. */
extern TN_MODULE_EXPORT const tn_module TN_MODULE_SYMBOL;
const tn_module TN_MODULE_SYMBOL = {
    .size = SAMPLE_SIZE,
    .abi_major = SAMPLE_MAJOR,
    .abi_minor = SAMPLE_MINOR,
    .id = SAMPLE_ID,
    .version = "1.2.3",
    .licence = "MIT",
    .options = options,
    .get_factory = get_factory,
};
#endif
