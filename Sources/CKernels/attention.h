// Attention of one head: blocks of keys aligned within each span, an online softmax over them, products by GEMM tiles.
//
// A query's arithmetic is fixed by its keys alone: each score is one chain over D, each block of keys is one step of the softmax. Keys that
// the query may not see have weight 0 and change nothing, so the other queries of the call do not matter.
#ifndef MEDROUNDS_ATTENTION_H
#define MEDROUNDS_ATTENTION_H

#include "elementwise.h"
#include "explog.h"
#include "pack.h"
#include "table.h"
#include "tile.h"

// A block of keys of one span. Where causal, query i of the call sees visible(i) = first_visible + i keys of it.
typedef struct {
  const float *keys, *values;
  ptrdiff_t row, count;
  ptrdiff_t first_visible;
  int causal;
  // hidden(i) = first_hidden + i keys at its start are before the window of query i; far below 0 where there is no window.
  ptrdiff_t first_hidden;
} key_block;

// How many of the keys that start at `first` are before the window of the query at `position`.
INLINE ptrdiff_t keys_before_window(ptrdiff_t position, ptrdiff_t window, ptrdiff_t first) {
  return window > 0 ? position + 1 - window - first : -((ptrdiff_t)1 << 40);
}

// Block `index` of both spans, the prefix first; 0 after the last block that any of `queries` queries sees.
INLINE int key_block_at(key_block *block, const kernel_attention_span *span, ptrdiff_t queries, ptrdiff_t index) {
  const ptrdiff_t prefix_blocks = (span->prefix_count + ATTENTION_KEYS - 1) / ATTENTION_KEYS;
  block->causal = index >= prefix_blocks;
  const ptrdiff_t start = (block->causal ? index - prefix_blocks : index) * ATTENTION_KEYS;
  const ptrdiff_t total = block->causal ? span->own_offset + queries : span->prefix_count;
  if (start >= total) return 0;
  block->row = block->causal ? span->own_row : span->prefix_row;
  block->keys = (block->causal ? span->own_keys : span->prefix_keys) + start * block->row;
  block->values = (block->causal ? span->own_values : span->prefix_values) + start * block->row;
  block->count = least(total - start, ATTENTION_KEYS);
  block->first_visible = span->own_offset + 1 - start;
  block->first_hidden = keys_before_window(span->prefix_count + span->own_offset, span->window,
                                           (block->causal ? span->prefix_count : 0) + start);
  return 1;
}

// How many keys at the block's start query i no longer sees.
INLINE ptrdiff_t hidden_keys(const key_block *block, ptrdiff_t i) {
  const ptrdiff_t hidden = block->first_hidden + i;
  return hidden < 0 ? 0 : least(hidden, block->count);
}

// How many keys of the block query i sees.
INLINE ptrdiff_t visible_keys(const key_block *block, ptrdiff_t i) {
  if (!block->causal) return block->count;
  const ptrdiff_t visible = block->first_visible + i;
  return visible < 0 ? 0 : least(visible, block->count);
}

// Rows of D floats copied to a stride of whole lanes, so that tiles may read whole vectors.
static __attribute__((noinline)) void copy_rows(float *out, const float *x, ptrdiff_t row, ptrdiff_t rows,
                                                ptrdiff_t D) {
  const ptrdiff_t padded = (D + LANES - 1) / LANES * LANES;
  for (ptrdiff_t t = 0; t < rows; t++)
    for (ptrdiff_t i = 0; i < D; i += LANES) store(out + t * padded + i, load_some(x + t * row + i, D - i, 0));
}

// The block's rows transposed into panels [D][PANEL], one after the other.
static __attribute__((noinline)) void pack_keys(float *out, const float *x, ptrdiff_t row, ptrdiff_t count,
                                                ptrdiff_t D) {
  const kernel_matrix matrix = {x, count, D, row * (ptrdiff_t)sizeof(float), KERNEL_F32};
  for (ptrdiff_t n = 0; n < count; n += PANEL)
    pack_transposed(out + n * D, KERNEL_F32, &matrix, n, least(count - n, PANEL), 0, D);
}

// out[r][j] = x[r] . key j for up to eight rows and `count` keys, rounded up to whole lanes.
INLINE void scores(float *out, const float *x, ptrdiff_t row, ptrdiff_t rows, const float *packed, ptrdiff_t count,
                   ptrdiff_t D) {
  for (ptrdiff_t n = 0; n < count; n += PANEL) {
    tile_task task = {x, row, 1, packed + n * D, PANEL, D, out + n, ATTENTION_KEYS, TILE_BEGIN | TILE_REPLACE};
    strip_times_panel(task, rows, (least(count - n, PANEL) + LANES - 1) / LANES * LANES);
  }
}

// The lanes outside [first, end).
INLINE i32x16 lanes_outside(ptrdiff_t first, ptrdiff_t end) {
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return (lane >= (int32_t)end) | (lane < (int32_t)first);
}

// One step of a query's softmax over the keys hidden .. visible - 1 of a block: turns scores into weights and updates the running maximum
// and sum; returns the factor that scales the sums of earlier blocks.
INLINE float softmax_step(float *row, ptrdiff_t hidden, ptrdiff_t visible, ptrdiff_t width, float scale, float *largest,
                          float *sum) {
  if (hidden >= visible) visible = 0;
  f32x16 most = splat(-__builtin_inff());
  ptrdiff_t j = 0;
  for (; j < visible; j += LANES) {
    f32x16 s = load(row + j) * splat(scale);
    s = choose(lanes_outside(hidden - j, visible - j), splat(-__builtin_inff()), s);
    most = larger(most, s);
    store(row + j, s);
  }
  for (ptrdiff_t rest = j; rest < width; rest += LANES) store(row + rest, splat(0));
  if (visible == 0) return 1;
  const float block_largest = fold_largest(most), now = block_largest > *largest ? block_largest : *largest;
  const float past = scalar_exponential(*largest - now);
  f32x16 total = {0};
  for (j = 0; j < visible; j += LANES) {
    const f32x16 p = exponential(load(row + j) - splat(now));
    total += p;
    store(row + j, p);
  }
  *largest = now;
  *sum = *sum * past + fold_sum(total);
  return past;
}

static void attention_forward_level(const kernel_attention_queries *given, const kernel_attention_span *span,
                                    void *scratch) {
  float *out = given->out, *log_sum_exp = given->log_sum_exp;
  const float *q = given->q;
  const ptrdiff_t out_row = given->out_row, q_row = given->q_row, queries = given->count;
  const ptrdiff_t D = span->D, padded = (D + LANES - 1) / LANES * LANES;
  float *keys = scratch, *values = keys + ATTENTION_KEYS * padded, *weights = values + ATTENTION_KEYS * padded;
  for (ptrdiff_t start = 0; start < queries; start += ATTENTION_QUERIES) {
    const ptrdiff_t end = least(queries, start + ATTENTION_QUERIES);
    float largest[ATTENTION_QUERIES], sum[ATTENTION_QUERIES];
    for (ptrdiff_t i = start; i < end; i++) {
      largest[i - start] = -__builtin_inff();
      sum[i - start] = 0;
      for (ptrdiff_t d = 0; d < D; d++) out[i * out_row + d] = 0;
    }
    key_block block;
    for (ptrdiff_t index = 0; key_block_at(&block, span, end, index); index++) {
      if (hidden_keys(&block, start) == block.count) continue;
      pack_keys(keys, block.keys, block.row, block.count, D);
      copy_rows(values, block.values, block.row, block.count, D);
      for (ptrdiff_t i = start; i < end; i += STRIP) {
        const ptrdiff_t rows = least(end - i, STRIP), seen = visible_keys(&block, i + rows - 1);
        if (seen == 0) continue;
        scores(weights, q + i * q_row, q_row, rows, keys, seen, D);
        for (ptrdiff_t r = 0; r < rows; r++) {
          const float past =
              softmax_step(weights + r * ATTENTION_KEYS, hidden_keys(&block, i + r), visible_keys(&block, i + r), seen,
                           span->scale, &largest[i + r - start], &sum[i + r - start]);
          // Adding zero turns -0 into 0, which the zeros of unseen keys then cannot change.
          float *row = out + (i + r) * out_row;
          for (ptrdiff_t d = 0; d < D; d += LANES)
            store_some(row + d, D - d, load_some(row + d, D - d, 0) * splat(past) + splat(0));
        }
        tile_task task = {weights, ATTENTION_KEYS, 1, values, padded, seen, out + i * out_row, out_row, TILE_ADD};
        strip_times_panel(task, rows, D);
      }
    }
    for (ptrdiff_t i = start; i < end; i++) {
      scale_level(out + i * out_row, 1.0f / sum[i - start], D);
      log_sum_exp[i] = largest[i - start] + scalar_logarithm(sum[i - start]);
    }
  }
}

// out[j] += sum over i of weights[i][j] x[i] for the block's keys: one chain per element, over the queries in order.
INLINE void add_to_keys(float *out, ptrdiff_t out_row, const float *weights, const float *x, ptrdiff_t queries,
                        const key_block *block, ptrdiff_t start, ptrdiff_t D) {
  const ptrdiff_t padded = (D + LANES - 1) / LANES * LANES;
  for (ptrdiff_t j = 0; j < block->count; j += STRIP) {
    // The first query of the chunk that sees key j.
    ptrdiff_t first = block->causal ? j + 1 - block->first_visible - start : 0;
    if (first < 0) first = 0;
    if (first >= queries) return;
    tile_task task = {weights + first * ATTENTION_KEYS + j, 1,       ATTENTION_KEYS, x + first * padded, padded,
                      queries - first,                      out + j * out_row, out_row, TILE_CONTINUE};
    strip_times_panel(task, least(block->count - j, STRIP), D);
  }
}

static void attention_backward_level(const kernel_attention_gradients *gradients,
                                     const kernel_attention_queries *given, const kernel_attention_span *span,
                                     void *scratch) {
  const float *q = given->q, *out = given->out, *log_sum_exp = given->log_sum_exp, *dout = gradients->dout;
  const ptrdiff_t out_row = given->out_row, q_row = given->q_row, queries = given->count;
  const ptrdiff_t dq_row = gradients->dq_row;
  float *dq = gradients->dq;
  const ptrdiff_t D = span->D, padded = (D + LANES - 1) / LANES * LANES;
  float *keys = scratch, *values = keys + ATTENTION_KEYS * padded;                 // packed, transposed
  float *key_rows = values + ATTENTION_KEYS * padded;                              // as they are stored
  float *q_rows = key_rows + ATTENTION_KEYS * padded, *dout_rows = q_rows + ATTENTION_QUERIES * padded;
  float *weights = dout_rows + ATTENTION_QUERIES * padded, *dscores = weights + ATTENTION_QUERIES * ATTENTION_KEYS;
  for (ptrdiff_t start = 0; start < queries; start += ATTENTION_QUERIES) {
    const ptrdiff_t end = least(queries, start + ATTENTION_QUERIES), chunk = end - start;
    copy_rows(q_rows, q + start * q_row, q_row, chunk, D);
    copy_rows(dout_rows, dout + start * out_row, out_row, chunk, D);
    float delta[ATTENTION_QUERIES];
    for (ptrdiff_t i = 0; i < chunk; i++) {
      f32x16 sum = {0};
      for (ptrdiff_t d = 0; d < D; d += LANES)
        sum = fused(load(dout_rows + i * padded + d), load_some(out + (start + i) * out_row + d, D - d, 0), sum);
      delta[i] = fold_sum(sum);
    }
    key_block block;
    for (ptrdiff_t index = 0; key_block_at(&block, span, end, index); index++) {
      if (hidden_keys(&block, start) == block.count) continue;
      pack_keys(keys, block.keys, block.row, block.count, D);
      pack_keys(values, block.values, block.row, block.count, D);
      copy_rows(key_rows, block.keys, block.row, block.count, D);
      const ptrdiff_t width = (block.count + LANES - 1) / LANES * LANES;
      for (ptrdiff_t i = 0; i < chunk; i += STRIP) {
        const ptrdiff_t rows = least(chunk - i, STRIP), seen = visible_keys(&block, start + i + rows - 1);
        float *p = weights + i * ATTENTION_KEYS, *ds = dscores + i * ATTENTION_KEYS;
        if (seen > 0) {
          scores(p, q_rows + i * padded, padded, rows, keys, seen, D);
          scores(ds, dout_rows + i * padded, padded, rows, values, seen, D);
        }
        for (ptrdiff_t r = 0; r < rows; r++, p += ATTENTION_KEYS, ds += ATTENTION_KEYS) {
          const ptrdiff_t hidden = hidden_keys(&block, start + i + r);
          ptrdiff_t visible = visible_keys(&block, start + i + r);
          if (hidden >= visible) visible = 0;
          const f32x16 shift = splat(log_sum_exp[start + i + r]);
          ptrdiff_t j = 0;
          for (; j < visible; j += LANES) {
            const i32x16 unseen = lanes_outside(hidden - j, visible - j);
            const f32x16 weight =
                choose(unseen, splat(0), exponential(load(p + j) * splat(span->scale) - shift));
            const f32x16 dweight = choose(unseen, splat(0), load(ds + j) - splat(delta[i + r]));
            store(p + j, weight);
            store(ds + j, weight * dweight * splat(span->scale));
          }
          for (; j < width; j += LANES) {
            store(p + j, splat(0));
            store(ds + j, splat(0));
          }
        }
        if (seen == 0) continue;
        tile_task task = {dscores + i * ATTENTION_KEYS, ATTENTION_KEYS, 1, key_rows, padded, seen,
                          dq + (start + i) * dq_row, dq_row, TILE_ADD};
        strip_times_panel(task, rows, D);
      }
      const ptrdiff_t prefix_blocks = (span->prefix_count + ATTENTION_KEYS - 1) / ATTENTION_KEYS;
      const ptrdiff_t first = (block.causal ? index - prefix_blocks : index) * ATTENTION_KEYS;
      const ptrdiff_t d_row = block.causal ? gradients->down_row : gradients->dprefix_row;
      float *dkeys = (block.causal ? gradients->down_keys : gradients->dprefix_keys) + first * d_row;
      float *dvalues = (block.causal ? gradients->down_values : gradients->dprefix_values) + first * d_row;
      add_to_keys(dvalues, d_row, weights, dout_rows, chunk, &block, start, D);
      add_to_keys(dkeys, d_row, dscores, q_rows, chunk, &block, start, D);
    }
  }
}

#endif
