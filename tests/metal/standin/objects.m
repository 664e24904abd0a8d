/* SPDX-License-Identifier: Apache-2.0 */
/* Foundation over gcc's Objective-C runtime: objects counted by hand, pools, strings, errors, file names.
 * Dead objects are kept a while, so that a message to one is noticed. */
#import "standin/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* gcc's runtime. */
extern id class_createInstance(Class c, size_t extra);
extern id object_dispose(id object);
extern const char *class_getName(Class c);
extern const char *object_getClassName(id object);
extern Class object_setClass(id object, Class c);
extern BOOL class_respondsToSelector(Class c, SEL selector);

_Noreturn void standin_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("standin: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    abort();
}

void *standin_alloc(size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) standin_fail("out of memory for %zu bytes", bytes);
    return p;
}

/* For LeakSanitizer: the runtime keeps some memory for ever. Objects are counted here. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void) {
    return "leak:libobjc\n";
}

/* ---- how many live ---- */

enum { MAX_CLASSES = 64, N_DEAD = 4096 };
static struct {
    Class class;
    size_t n;
} live[MAX_CLASSES];

static void count(Class class, int by) {
    int i = 0;
    while (i < MAX_CLASSES - 1 && live[i].class && live[i].class != class) i++;
    live[i].class = class;
    live[i].n += (size_t)by;
}

size_t standin_live(void) {
    size_t n = 0;
    for (int i = 0; i < MAX_CLASSES && live[i].class; n += live[i].n, i++)
        if (live[i].n) fprintf(stderr, "standin: %zu of %s live\n", live[i].n, class_getName(live[i].class));
    return n;
}

/* What a dead object becomes. gcc's runtime crashes at messages that it does not have. */
@interface StandinDead : NSObject {
  @public
    const char *former;
}
@end

@implementation StandinDead
- (instancetype)retain {
    standin_fail("a %s is retained after its end", former);
}
- (oneway void)release {
    standin_fail("a %s is released too often", former);
}
- (instancetype)autorelease {
    standin_fail("a %s is autoreleased after its end", former);
}
- (BOOL)respondsToSelector:(SEL)selector {
    standin_fail("a %s is asked after its end", former);
}
@end

static void bury(NSObject *object, Class class) {
    static StandinDead *dead[N_DEAD];
    static unsigned int n;
    StandinDead *grave = (StandinDead *)object;
    count(class, -1);
    object_setClass(object, [StandinDead class]);
    grave->former = class_getName(class);
    if (dead[n % N_DEAD]) object_dispose(dead[n % N_DEAD]);
    dead[n++ % N_DEAD] = grave;
}

@implementation NSObject
+ (instancetype)alloc {
    NSObject *o = class_createInstance(self, sizeof(char *)); /* room for a StandinDead */
    if (!o) standin_fail("out of memory for an object");
    o->references = 1;
    count(self, 1);
    return o;
}
+ (instancetype)new {
    return [[self alloc] init];
}
+ (Class)class {
    return self;
}
- (instancetype)init {
    return self;
}
- (void)dealloc {
    bury(self, class_of);
}
- (instancetype)retain {
    references++;
    return self;
}
- (oneway void)release {
    if (--references == 0) [self dealloc];
}
- (instancetype)autorelease {
    [NSAutoreleasePool keep:self];
    return self;
}
- (BOOL)respondsToSelector:(SEL)selector {
    return class_respondsToSelector(class_of, selector);
}
@end

/* ---- pools ---- */

static NSAutoreleasePool *innermost;

@implementation NSAutoreleasePool
- (instancetype)init {
    outer = innermost;
    innermost = self;
    return self;
}
+ (void)keep:(id)object {
    NSAutoreleasePool *p = innermost;
    if (!p) standin_fail("a %s is autoreleased and there is no pool", object_getClassName(object));
    if (p->n_object == p->max_object) {
        p->max_object = 2 * p->max_object + 16;
        p->objects = realloc(p->objects, p->max_object * sizeof *p->objects);
        if (!p->objects) standin_fail("out of memory for a pool");
    }
    p->objects[p->n_object++] = object;
}
- (void)drain {
    if (innermost != self) standin_fail("a pool ends that is not the innermost");
    while (n_object) [objects[--n_object] release];
    free(objects);
    innermost = outer;
    [self dealloc];
}
- (oneway void)release {
    [self drain];
}
@end

/* ---- strings, errors, file names ---- */

@interface StandinString : NSString {
    char *text;
}
@end

@implementation NSString
+ (instancetype)stringWithUTF8String:(const char *)text {
    return [[[self alloc] initWithUTF8String:text] autorelease];
}
- (instancetype)initWithUTF8String:(const char *)text {
    if (!text) standin_fail("a string is made of NULL");
    [self release];
    return (NSString *)[[StandinString alloc] initWithUTF8String:text];
}
- (const char *)UTF8String {
    standin_fail("a string without text");
}
@end

@implementation StandinString
- (instancetype)initWithUTF8String:(const char *)from {
    if (!from) standin_fail("a string is made of NULL");
    const size_t n = strlen(from) + 1;
    text = memcpy(standin_alloc(n), from, n);
    return self;
}
- (const char *)UTF8String {
    return text;
}
- (void)dealloc {
    free(text);
    [super dealloc];
}
@end

/* What the compiler lays out; there is no room for a count. */
typedef struct constant_string {
    Class class_of;
    const char *text;
    unsigned int length;
} constant_string;

@implementation NSConstantString
- (const char *)UTF8String {
    return ((const constant_string *)self)->text;
}
- (instancetype)retain {
    return self;
}
- (oneway void)release {
}
- (instancetype)autorelease {
    return self;
}
@end

@implementation NSError
- (NSString *)domain {
    return domain;
}
- (NSInteger)code {
    return code;
}
- (NSString *)localizedDescription {
    return description;
}
- (void)dealloc {
    [domain release];
    [description release];
    [super dealloc];
}
+ (NSError *)errorIn:(const char *)where code:(NSInteger)number text:(const char *)text {
    NSError *e = [[NSError alloc] init];
    e->domain = [[NSString alloc] initWithUTF8String:where];
    e->description = [[NSString alloc] initWithUTF8String:text];
    e->code = number;
    return [e autorelease];
}
@end

@implementation NSURL
+ (instancetype)fileURLWithPath:(NSString *)path {
    NSURL *url = [[self alloc] init];
    url->file = [path retain];
    return [url autorelease];
}
- (NSString *)path {
    return file;
}
- (void)dealloc {
    [file release];
    [super dealloc];
}
@end
