// Attention of one head, query by query.
#ifndef MEDROUNDS_ATTENTION_H
#define MEDROUNDS_ATTENTION_H

INLINE float dot(const float *a, const float *b, ptrdiff_t count) {
  f32x16 sum = {0};
  for (ptrdiff_t i = 0; i < count; i += LANES)
    sum = fused(load_some(a + i, count - i, 0), load_some(b + i, count - i, 0), sum);
  return fold_sum(sum);
}

INLINE const float *span_row(const float *prefix, const float *own, const kernel_attention_span *span, ptrdiff_t j) {
  return j < span->prefix_count ? prefix + j * span->prefix_row : own + (j - span->prefix_count) * span->own_row;
}

static void attention_forward_level(float *out, ptrdiff_t out_row, float *log_sum_exp, const float *q, ptrdiff_t q_row,
                                    ptrdiff_t queries, const kernel_attention_span *span, void *scratch) {
  (void)scratch;
  for (ptrdiff_t i = 0; i < queries; i++) {
    const ptrdiff_t count = span->prefix_count + span->own_offset + i + 1;
    float largest = -__builtin_inff(), sum = 0;
    for (ptrdiff_t j = 0; j < count; j++) {
      const float s = span->scale * dot(q + i * q_row, span_row(span->prefix_keys, span->own_keys, span, j), span->D);
      largest = s > largest ? s : largest;
    }
    for (ptrdiff_t d = 0; d < span->D; d++) out[i * out_row + d] = 0;
    for (ptrdiff_t j = 0; j < count; j++) {
      const float s = span->scale * dot(q + i * q_row, span_row(span->prefix_keys, span->own_keys, span, j), span->D);
      const float p = scalar_exponential(s - largest);
      sum += p;
      add_scaled_level(out + i * out_row, p, span_row(span->prefix_values, span->own_values, span, j), span->D);
    }
    scale_level(out + i * out_row, 1.0f / sum, span->D);
    log_sum_exp[i] = largest + scalar_logarithm(sum);
  }
}

static void attention_backward_level(float *dq, ptrdiff_t dq_row, float *dprefix_keys, float *dprefix_values,
                                     ptrdiff_t dprefix_row, float *down_keys, float *down_values, ptrdiff_t down_row,
                                     const float *dout, const float *out, ptrdiff_t out_row, const float *log_sum_exp,
                                     const float *q, ptrdiff_t q_row, ptrdiff_t queries,
                                     const kernel_attention_span *span, void *scratch) {
  (void)scratch;
  for (ptrdiff_t i = 0; i < queries; i++) {
    const ptrdiff_t count = span->prefix_count + span->own_offset + i + 1;
    const float *d_row = dout + i * out_row;
    const float delta = dot(d_row, out + i * out_row, span->D);
    for (ptrdiff_t j = 0; j < count; j++) {
      const float *key = span_row(span->prefix_keys, span->own_keys, span, j);
      const float *value = span_row(span->prefix_values, span->own_values, span, j);
      const int own = j >= span->prefix_count;
      float *dkey = own ? down_keys + (j - span->prefix_count) * down_row : dprefix_keys + j * dprefix_row;
      float *dvalue = own ? down_values + (j - span->prefix_count) * down_row : dprefix_values + j * dprefix_row;
      const float p = scalar_exponential(span->scale * dot(q + i * q_row, key, span->D) - log_sum_exp[i]);
      const float ds = p * (dot(d_row, value, span->D) - delta) * span->scale;
      add_scaled_level(dvalue, p, d_row, span->D);
      add_scaled_level(dkey, ds, q + i * q_row, span->D);
      add_scaled_level(dq + i * dq_row, ds, key, span->D);
    }
  }
}

#endif
