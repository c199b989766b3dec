// Elementwise maps, reductions and AdamW, written once for every level.
#ifndef MEDROUNDS_ELEMENTWISE_H
#define MEDROUNDS_ELEMENTWISE_H

#include "explog.h"
#include "include/CKernels.h"
#include "lanes.h"

static void exp_level(float *out, const float *x, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES)
    store_some(out + i, count - i, exponential(load_some(x + i, count - i, 0)));
}

static void log_level(float *out, const float *x, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES)
    store_some(out + i, count - i, logarithm(load_some(x + i, count - i, 1)));
}

static void add_level(float *y, const float *x, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] += x[i];
}

static void scale_level(float *y, float scale, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] *= scale;
}

static double sum_of_squares_level(const float *x, ptrdiff_t count) {
  f64x16 sum = {0};
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    f64x16 v = __builtin_convertvector(load_some(x + i, count - i, 0), f64x16);
    sum = sum + v * v;  // the product of two floats is exact in double
  }
  return fold_sum_double(sum);
}

static int32_t all_finite_level(const float *x, ptrdiff_t count) {
  i32x16 bad = {0};
  for (ptrdiff_t i = 0; i < count; i += LANES)
    bad |= (bits(load_some(x + i, count - i, 0)) & 0x7f800000) == 0x7f800000;
  int32_t any = 0;
  for (int i = 0; i < LANES; i++) any |= bad[i];
  return any == 0;
}

static void swiglu_forward_level(float *out, const float *gate, const float *up, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    f32x16 g = load_some(gate + i, count - i, 0), u = load_some(up + i, count - i, 0);
    store_some(out + i, count - i, g / (splat(1.0f) + exponential(-g)) * u);
  }
}

// silu'(g) = s + g s (1 - s), s = 1 / (1 + exp(-g)).
static void swiglu_backward_level(float *dgate, float *dup, const float *dout, const float *gate, const float *up,
                                  ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    f32x16 g = load_some(gate + i, count - i, 0), u = load_some(up + i, count - i, 0);
    f32x16 d = load_some(dout + i, count - i, 0);
    f32x16 s = splat(1.0f) / (splat(1.0f) + exponential(-g));
    f32x16 silu = g * s;
    store_some(dgate + i, count - i, d * u * fused(silu, splat(1.0f) - s, s));
    store_some(dup + i, count - i, d * silu);
  }
}

static void adamw_level(float *w, float *m, float *v, const float *g, ptrdiff_t count,
                        const kernel_adamw_settings *settings) {
  const float keep = 1.0f - settings->learning_rate * settings->decay;
  const float step = settings->learning_rate / settings->correction1;
  const float rest1 = 1.0f - settings->beta1, rest2 = 1.0f - settings->beta2;
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    const ptrdiff_t left = count - i;
    f32x16 gradient = load_some(g + i, left, 0) * splat(settings->gradient_scale);
    f32x16 mean = fused(splat(rest1), gradient, splat(settings->beta1) * load_some(m + i, left, 0));
    f32x16 square = fused(splat(rest2) * gradient, gradient, splat(settings->beta2) * load_some(v + i, left, 0));
    f32x16 root = __builtin_elementwise_sqrt(square) / splat(settings->sqrt_correction2) + splat(settings->epsilon);
    f32x16 decayed = load_some(w + i, left, 0) * splat(keep);
    store_some(w + i, left, decayed - splat(step) * mean / root);
    store_some(m + i, left, mean);
    store_some(v + i, left, square);
  }
}

#endif
