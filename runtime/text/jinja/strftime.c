/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/strftime.h"

#include <stdio.h>
#include <time.h>

#include "text/jinja/chars.h"

#define CONVERSION_MAX 64 /* bytes of one conversion's result; names of days and months are far below */

typedef struct moment {
    struct tm tm;
    unsigned microsecond;
} moment;

static bool digits(const char *s, size_t n, int *ret) {
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        *ret = *ret * 10 + (s[i] - '0');
    }
    return true;
}

/* ".ffffff", up to six digits and then anything a time zone may be. */
static unsigned fraction(const char *s) {
    unsigned us = 0, scale = 100000;
    if (*s != '.') return 0;
    for (s++; *s >= '0' && *s <= '9' && scale; s++, scale /= 10) us += (unsigned)(*s - '0') * scale;
    return us;
}

static bool parse(const char *s, moment *ret) {
    struct tm *t = &ret->tm;
    *ret = (moment){.tm = {.tm_isdst = -1}};
    size_t n = strlen(s);
    if (n < 10 || s[4] != '-' || s[7] != '-') return false;
    if (!digits(s, 4, &t->tm_year) || !digits(s + 5, 2, &t->tm_mon) || !digits(s + 8, 2, &t->tm_mday))
        return false;
    if (n > 10) {
        if (n < 19 || (s[10] != 'T' && s[10] != ' ') || s[13] != ':' || s[16] != ':') return false;
        if (!digits(s + 11, 2, &t->tm_hour) || !digits(s + 14, 2, &t->tm_min) ||
            !digits(s + 17, 2, &t->tm_sec))
            return false;
        ret->microsecond = fraction(s + 19);
    }
    t->tm_year -= 1900;
    t->tm_mon -= 1;
    struct tm utc = *t;
    if (timegm(&utc) == (time_t)-1 && t->tm_year != 69) return false;
    if (utc.tm_mon != t->tm_mon || utc.tm_mday != t->tm_mday || utc.tm_hour != t->tm_hour ||
        utc.tm_min != t->tm_min)
        return false;
    t->tm_wday = utc.tm_wday;
    t->tm_yday = utc.tm_yday;
    return true;
}

static int get_now(tn_jrun *r, moment *ret) {
    struct timespec now;
    if (r->now)
        return parse(r->now, ret) ? 0
                                  : tn_jfail(r, TN_EINVAL, "the time '%.*s' is not ISO 8601",
                                             tn_jcut(tn_jstringz(r->now), 40), r->now);
    *ret = (moment){0};
    if (clock_gettime(CLOCK_REALTIME, &now) || !localtime_r(&now.tv_sec, &ret->tm))
        return tn_jfail(r, TN_EINVAL, "the clock cannot be read");
    ret->microsecond = (unsigned)(now.tv_nsec / 1000);
    return 0;
}

/* One conversion, "%" and all. The time has no zone, so %z and %Z are empty. */
static int convert(tn_jrun *r, tn_jsink *s, const moment *now, const char *spec, size_t n) {
    char format[8], text[CONVERSION_MAX];
    char c = spec[n - 1];
    if (c == 'f') {
        snprintf(text, sizeof text, "%06u", now->microsecond);
        return tn_jsink_addz(r, s, text);
    }
    if (c == 'z' || c == 'Z') return 0;
    memcpy(format, spec, n);
    format[n] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t len = strftime(text, sizeof text, format, &now->tm);
#pragma GCC diagnostic pop
    return tn_jsink_add(r, s, text, len);
}

/* Length of the conversion at s (a '%'): flags of the C library ("%-d") and E or O may stand before its
 * letter. */
static size_t conversion(const char *s, size_t n) {
    size_t k = 1;
    while (k < n && k < 4 && strchr("-_0^#EO:", s[k]) && s[k]) k++;
    return k < n && ((s[k] >= 'a' && s[k] <= 'z') || (s[k] >= 'A' && s[k] <= 'Z') || s[k] == '%') ? k + 1 : 0;
}

int tn_jstrftime(tn_jrun *r, tn_jval format, tn_jval *ret) {
    tn_jsink s = {0};
    moment now;
    TN_TRY(get_now(r, &now));
    for (size_t at = 0; at < format.len;) {
        size_t k = format.u.s[at] == '%' ? conversion(format.u.s + at, format.len - at) : 0;
        if (k)
            TN_TRY(convert(r, &s, &now, format.u.s + at, k));
        else
            TN_TRY(tn_jsink_addc(r, &s, format.u.s[at]));
        at += k ? k : 1;
    }
    *ret = tn_jsink_value(&s);
    return 0;
}
