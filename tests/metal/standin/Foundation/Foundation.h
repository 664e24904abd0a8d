/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-in for the part of <Foundation/Foundation.h> that metal/host.m uses: declarations of our own, after
 * Apple's documentation. With gcc's libobjc they are implemented by objects.m; for an Apple target they only
 * type-check. */
#ifndef STANDIN_FOUNDATION_H
#define STANDIN_FOUNDATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_ENUM(type, name)                                                                                  \
    enum name : type name;                                                                                   \
    enum name : type
#define NS_OPTIONS(type, name) NS_ENUM(type, name)

/* What the newest SDK that these headers follow calls itself. */
#ifndef __MAC_OS_X_VERSION_MAX_ALLOWED
#    define __MAC_OS_X_VERSION_MAX_ALLOWED 150000
#endif

#ifdef __APPLE__
typedef bool BOOL;
#else
typedef unsigned char BOOL;
#endif
#define YES ((BOOL)1)
#define NO  ((BOOL)0)
#define nil ((id)0)

typedef unsigned long NSUInteger;
typedef long NSInteger;

@class NSString;

@protocol NSObject
- (instancetype)retain;
- (oneway void)release;
- (instancetype)autorelease;
- (BOOL)respondsToSelector:(SEL)selector;
@end

__attribute__((objc_root_class))
@interface NSObject<NSObject> {
    Class class_of;
    int references; /* the stand-in's: how many hold it */
}
+ (instancetype)alloc;
+ (instancetype)new;
+ (Class)class;
- (instancetype)init;
- (void)dealloc;
@end

/* What @autoreleasepool becomes with gcc's runtime. */
@interface NSAutoreleasePool : NSObject {
    NSAutoreleasePool *outer;
    id *objects;
    NSUInteger n_object, max_object;
}
- (void)drain;
@end

@interface NSString : NSObject
+ (instancetype)stringWithUTF8String:(const char *)text;
- (instancetype)initWithUTF8String:(const char *)text;
@property(readonly) const char *UTF8String;
@end

#ifndef __APPLE__
/* The class of @"..." (-fconstant-string-class). */
@interface NSConstantString : NSString
@end
#endif

@interface NSError : NSObject {
    NSString *domain, *description;
    NSInteger code;
}
@property(readonly) NSString *domain;
@property(readonly) NSInteger code;
@property(readonly) NSString *localizedDescription;
@end

@interface NSURL : NSObject {
    NSString *file;
}
+ (instancetype)fileURLWithPath:(NSString *)path;
@property(readonly) NSString *path;
@end

#endif
