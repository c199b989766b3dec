// Sixteen virtual lanes: the vector types, loads, selections and the single fold that every level is written with.
//
// Every header of kernels includes this one, under the target attributes of one level (every_level.h). All helper functions are always
// inlined, so that no vector crosses a call between functions of different targets.
#ifndef MEDROUNDS_LANES_H
#define MEDROUNDS_LANES_H

#include <stddef.h>
#include <stdint.h>

#ifndef LEVEL
#error "a level's source defines LEVEL (0 plain, 1 AVX2, 2 AVX-512, 3 with bfloat16) and sets its target attributes first"
#endif

typedef float f32x16 __attribute__((vector_size(64)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x16 __attribute__((vector_size(128)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
#if LEVEL > 0
typedef _Float16 f16x16 __attribute__((vector_size(32)));
#endif
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));

#define LANES 16
#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline))

INLINE ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

INLINE f32x16 splat(float x) {
  return (f32x16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}

INLINE f32x16 load(const float *p) {
  f32x16 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, f32x16 v) { __builtin_memcpy(p, &v, sizeof v); }

// The first `count` elements (0 to 16); the other lanes hold `fill`.
INLINE f32x16 load_part(const float *p, ptrdiff_t count, float fill) {
  float part[LANES];
  for (int i = 0; i < LANES; i++) part[i] = i < count ? p[i] : fill;
  return load(part);
}

INLINE void store_part(float *p, ptrdiff_t count, f32x16 v) {
  float part[LANES];
  store(part, v);
  for (ptrdiff_t i = 0; i < count; i++) p[i] = part[i];
}

// For vector loops: whole groups of lanes are loaded plainly, the last group in part. `left` is the number of elements from i on.
INLINE f32x16 load_some(const float *p, ptrdiff_t left, float fill) {
  return left >= LANES ? load(p) : load_part(p, left, fill);
}

INLINE void store_some(float *p, ptrdiff_t left, f32x16 v) {
  if (left >= LANES) store(p, v);
  else store_part(p, left, v);
}

INLINE f32x16 fused(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }

INLINE i32x16 bits(f32x16 v) { return (i32x16)v; }
INLINE f32x16 from_bits(i32x16 v) { return (f32x16)v; }

// mask ? a : b, lane by lane; a mask's lanes are all ones or all zeros, as comparisons give them.
INLINE f32x16 choose(i32x16 mask, f32x16 a, f32x16 b) { return (f32x16)((mask & (i32x16)a) | (~mask & (i32x16)b)); }

// The larger of each lane; a NaN in b is ignored, so a running maximum never becomes NaN.
INLINE f32x16 larger(f32x16 a, f32x16 b) { return choose(b > a, b, a); }

// The only fold: lanes i and i + 8, then + 4, + 2, + 1.
INLINE float fold_sum(f32x16 v) {
  f32x8 a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  f32x4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
  return (b[0] + b[2]) + (b[1] + b[3]);
}

INLINE float fold_largest(f32x16 v) {
  v = larger(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = larger(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  const float a = v[0], b = v[1], c = v[2], d = v[3];
  const float ac = c > a ? c : a, bd = d > b ? d : b;
  return bd > ac ? bd : ac;
}

INLINE double fold_sum_double(f64x16 v) {
  f64x8 a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

// Sixteen float16 as float32, exactly: by the processor's instruction, or by the bits as a float of the same fraction, times 2^112.
INLINE f32x16 from_f16(u16x16 half) {
#if LEVEL > 0
  return __builtin_convertvector((f16x16)half, f32x16);
#else
  u32x16 h = __builtin_convertvector(half, u32x16);
  f32x16 v = (f32x16)((h & 0x7fff) << 13) * splat(0x1p112f);
  i32x16 special = (i32x16)((h & 0x7c00) == 0x7c00);
  i32x16 sign = (i32x16)((h & 0x8000) << 16);
  return (f32x16)((i32x16)v | (special & 0x7f800000) | sign);
#endif
}

INLINE f32x16 splat_f16(uint16_t h) {
  return from_f16((u16x16){h, h, h, h, h, h, h, h, h, h, h, h, h, h, h, h});
}

// table[index mod 16] of each lane.
INLINE f32x16 looked_up(const float table[LANES], u32x16 index) {
#if LEVEL >= 2
  return __builtin_ia32_permvarsf512(load(table), (i32x16)index);
#elif LEVEL == 1
  f32x8 low, high;
  __builtin_memcpy(&low, table, sizeof low);
  __builtin_memcpy(&high, table + 8, sizeof high);
  i32x8 part[2] = {(i32x8)__builtin_shufflevector(index, index, 0, 1, 2, 3, 4, 5, 6, 7),
                   (i32x8)__builtin_shufflevector(index, index, 8, 9, 10, 11, 12, 13, 14, 15)};
  f32x8 found[2];
  UNROLL for (int i = 0; i < 2; i++) {
    const i32x8 upper = (part[i] & 8) != 0;
    found[i] = (f32x8)((upper & (i32x8)__builtin_ia32_permvarsf256(high, part[i])) |
                       (~upper & (i32x8)__builtin_ia32_permvarsf256(low, part[i])));
  }
  return __builtin_shufflevector(found[0], found[1], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  f32x16 found;
  UNROLL for (int i = 0; i < LANES; i++) found[i] = table[index[i] & 15];
  return found;
#endif
}

INLINE f32x16 from_bf16(u16x16 half) { return (f32x16)(__builtin_convertvector(half, u32x16) << 16); }

#endif
