// exp and log of sixteen lanes, within about one unit in the last place, by polynomials in fused multiply-add.
#ifndef MEDROUNDS_EXPLOG_H
#define MEDROUNDS_EXPLOG_H

#include "lanes.h"

// exp(x) = 2^n exp(r), r = x - n ln 2, |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 q(r), q by Chebyshev fit.
// Underflows through denormals to 0, overflows to infinity, keeps NaN.
INLINE f32x16 exponential(f32x16 x) {
  x = choose(x > splat(89.0f), splat(89.0f), x);
  x = choose(x < splat(-104.0f), splat(-104.0f), x);
  // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
  f32x16 shifted = fused(x, splat(0x1.715476p+0f), splat(0x1.8p23f));
  i32x16 n = bits(shifted) - bits(splat(0x1.8p23f));
  f32x16 whole = shifted - splat(0x1.8p23f);
  f32x16 r = fused(whole, splat(-0x1.62e43p-1f), x);
  r = fused(whole, splat(0x1.05c61p-29f), r);
  f32x16 q = splat(0x1.6d138p-10f);
  q = fused(q, r, splat(0x1.120de4p-7f));
  q = fused(q, r, splat(0x1.555518p-5f));
  q = fused(q, r, splat(0x1.5554dap-3f));
  q = fused(q, r, splat(0.5f));
  f32x16 p = fused(q, r * r, r) + splat(1.0f);
  // 2^n in two factors, as n ranges from -150 to 128.
  i32x16 half = n >> 1;
  return p * from_bits((half + 127) << 23) * from_bits((n - half + 127) << 23);
}

// log(x) = e ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) = f - f^2 / 2 + f^3 q(f), q by Chebyshev fit.
INLINE f32x16 logarithm(f32x16 x) {
  i32x16 denormal = x < splat(0x1p-126f);
  f32x16 scaled = choose(denormal, x * splat(0x1p25f), x);
  i32x16 offset = bits(scaled) - 0x3f3504f3;
  i32x16 e = (offset >> 23) - (denormal & 25);
  f32x16 f = from_bits((offset & 0x007fffff) + 0x3f3504f3) - splat(1.0f);
  f32x16 exponent = __builtin_convertvector(e, f32x16);
  f32x16 q = splat(0.06971612f);
  q = fused(q, f, splat(-0.11479734f));
  q = fused(q, f, splat(0.1168542f));
  q = fused(q, f, splat(-0.12425687f));
  q = fused(q, f, splat(0.14249058f));
  q = fused(q, f, splat(-0.16667803f));
  q = fused(q, f, splat(0.20000716f));
  q = fused(q, f, splat(-0.24999997f));
  q = fused(q, f, splat(0.3333333f));
  f32x16 square = f * f;
  f32x16 r = fused(exponent, splat(0x1.7f7d1cp-20f), q * f * square);
  r = fused(splat(-0.5f), square, r) + f;
  r = fused(exponent, splat(0x1.62e4p-1f), r);
  f32x16 infinity = splat(__builtin_inff());
  r = choose(x == infinity, x, r);
  r = choose(x == splat(0.0f), -infinity, r);
  return choose((x >= splat(0.0f)), r, splat(__builtin_nanf("")));
}

INLINE float scalar_exponential(float x) { return exponential(splat(x))[0]; }
INLINE float scalar_logarithm(float x) { return logarithm(splat(x))[0]; }

#endif
