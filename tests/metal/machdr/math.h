/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VAL __builtin_huge_val()
#define HUGE_VALF __builtin_huge_valf()
#define M_PI 3.14159265358979323846264338327950288
#define M_SQRT1_2 0.707106781186547524400844362104849039
#define M_SQRT2 1.41421356237309504880168872420969808
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define isfinite(x) __builtin_isfinite(x)
#define signbit(x) __builtin_signbit(x)
#define MATH1(name) double name(double); float name##f(float)
#define MATH2(name) double name(double, double); float name##f(float, float)
MATH1(acos); MATH1(asin); MATH1(atan); MATH1(cbrt); MATH1(ceil); MATH1(cos); MATH1(cosh); MATH1(erf); MATH1(erfc); MATH1(exp); MATH1(exp2); MATH1(expm1);
MATH1(fabs); MATH1(floor); MATH1(log); MATH1(log10); MATH1(log1p); MATH1(log2); MATH1(nearbyint); MATH1(rint); MATH1(round); MATH1(sin);
MATH1(sinh); MATH1(sqrt); MATH1(tan); MATH1(tanh); MATH1(trunc);
MATH2(atan2); MATH2(copysign); MATH2(fmax); MATH2(fmin); MATH2(fmod); MATH2(hypot); MATH2(nextafter); MATH2(pow); MATH2(remainder);
#undef MATH1
#undef MATH2
double fma(double, double, double), ldexp(double, int), scalbn(double, int), frexp(double, int *), modf(double, double *);
float fmaf(float, float, float), ldexpf(float, int), scalbnf(float, int), frexpf(float, int *), modff(float, float *);
long lrint(double), lrintf(float), lround(double), lroundf(float);
long long llrint(double), llround(double), llroundf(float);
int ilogbf(float), ilogb(double);
