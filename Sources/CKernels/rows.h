// Kernels over rows: RMSNorm, rotary embedding, log-sum-exp and cross-entropy, written once for every level.
#ifndef MEDROUNDS_ROWS_H
#define MEDROUNDS_ROWS_H

#include "explog.h"
#include "include/CKernels.h"
#include "lanes.h"

// Long sums are made in blocks of 64 groups of lanes, and the block sums are added in order, so that rounding errors do not accumulate.
enum { SUM_BLOCK = 64 * LANES };

static void rmsnorm_forward_level(float *out, float *inverse_rms, const float *x, const float *weight, float epsilon,
                                  ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t t = 0; t < rows; t++, x += columns, out += columns) {
    f32x16 sum = {0};
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      f32x16 v = load_some(x + i, columns - i, 0);
      sum = fused(v, v, sum);
    }
    const float inverse = 1.0f / __builtin_sqrtf(fold_sum(sum) / (float)columns + epsilon);
    inverse_rms[t] = inverse;
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      f32x16 v = load_some(x + i, columns - i, 0), w = load_some(weight + i, columns - i, 0);
      store_some(out + i, columns - i, v * splat(inverse) * w);
    }
  }
}

static void rmsnorm_backward_level(float *dx, const float *dout, const float *x, const float *weight,
                                   const float *inverse_rms, ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t t = 0; t < rows; t++, x += columns, dx += columns, dout += columns) {
    f32x16 sum = {0};
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      const ptrdiff_t left = columns - i;
      f32x16 g = load_some(dout + i, left, 0) * load_some(weight + i, left, 0);
      sum = fused(g, load_some(x + i, left, 0), sum);
    }
    const float inverse = inverse_rms[t];
    const float slope = inverse * inverse * (fold_sum(sum) / (float)columns);
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      const ptrdiff_t left = columns - i;
      f32x16 g = load_some(dout + i, left, 0) * load_some(weight + i, left, 0);
      f32x16 inner = fused(splat(-slope), load_some(x + i, left, 0), g);
      store_some(dx + i, left, fused(splat(inverse), inner, load_some(dx + i, left, 0)));
    }
  }
}

static void rope_level(float *x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t heads, const int32_t *positions,
                       const kernel_rotation *rotation) {
  const ptrdiff_t D = rotation->D, half = D / 2;
  const f32x16 sign = splat(rotation->direction < 0 ? -1.0f : 1.0f);
  for (ptrdiff_t t = 0; t < rows; t++) {
    const float *c_row = rotation->cosine + positions[t] * half, *s_row = rotation->sine + positions[t] * half;
    for (ptrdiff_t h = 0; h < heads; h++) {
      float *first = x + t * row + h * D, *second = first + half;
      for (ptrdiff_t i = 0; i < half; i += LANES) {
        const ptrdiff_t left = half - i;
        f32x16 c = load_some(c_row + i, left, 0), s = load_some(s_row + i, left, 0) * sign;
        f32x16 a = load_some(first + i, left, 0), b = load_some(second + i, left, 0);
        store_some(first + i, left, fused(-b, s, a * c));
        store_some(second + i, left, fused(a, s, b * c));
      }
    }
  }
}

INLINE float largest_of(const float *x, ptrdiff_t count) {
  f32x16 largest = splat(-__builtin_inff());
  for (ptrdiff_t i = 0; i < count; i += LANES)
    largest = larger(largest, load_some(x + i, count - i, -__builtin_inff()));
  return fold_largest(largest);
}

// The sum of exp(x - largest); each term is also written to out, unless out is null.
INLINE float sum_of_exponentials(float *out, const float *x, float largest, ptrdiff_t count) {
  f32x16 total = {0};
  for (ptrdiff_t block = 0; block < count; block += SUM_BLOCK) {
    const ptrdiff_t end = count - block < SUM_BLOCK ? count : block + SUM_BLOCK;
    f32x16 sum = {0};
    for (ptrdiff_t i = block; i < end; i += LANES) {
      f32x16 e = exponential(load_some(x + i, end - i, -__builtin_inff()) - splat(largest));
      if (out) store_some(out + i, end - i, e);
      sum += e;
    }
    total += sum;
  }
  return fold_sum(total);
}

static float log_sum_exp_level(const float *x, ptrdiff_t count) {
  const float largest = largest_of(x, count);
  if (largest == -__builtin_inff() || largest == __builtin_inff()) return largest;
  return largest + scalar_logarithm(sum_of_exponentials(0, x, largest, count));
}

static float cross_entropy_level(const float *logits, int32_t label, ptrdiff_t V) {
  const float largest = largest_of(logits, V);
  return scalar_logarithm(sum_of_exponentials(0, logits, largest, V)) - (logits[label] - largest);
}

static void cross_entropy_backward_level(float *loss, float *logits, int32_t label, float scale, ptrdiff_t V) {
  const float largest = largest_of(logits, V), target = logits[label] - largest;
  const float sum = sum_of_exponentials(logits, logits, largest, V);
  *loss = scalar_logarithm(sum) - target;
  const float factor = scale / sum;
  for (ptrdiff_t i = 0; i < V; i += LANES)
    store_some(logits + i, V - i, load_some(logits + i, V - i, 0) * splat(factor));
  logits[label] -= scale;
}

static int32_t argmax_level(const float *x, ptrdiff_t count) {
  const float largest = largest_of(x, count);
  for (ptrdiff_t i = 0; i < count; i++)
    if (x[i] == largest) return (int32_t)i;
  return 0;
}

#endif
