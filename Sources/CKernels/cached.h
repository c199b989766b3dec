// Attention of decoding: the keys of a cache are packed as the score tiles read them, so that a pass appends its own keys and copies
// nothing. The arithmetic is that of attention.h, query by query and bit by bit.
//
// The cache of one key-value head is a row of blocks of 96 keys; a block holds its keys as two panels [D][48], then its
// values as rows [96][D rounded up to 16].
#ifndef MEDROUNDS_CACHED_H
#define MEDROUNDS_CACHED_H

#include "attention.h"
#include "table.h"
#include "tile.h"

INLINE ptrdiff_t whole_lanes(ptrdiff_t D) { return (D + LANES - 1) / LANES * LANES; }

INLINE ptrdiff_t cache_block_floats(ptrdiff_t D) { return ATTENTION_KEYS * (D + whole_lanes(D)); }

// The places of key `index` of a cache: its first element (the others follow PANEL apart), and its row of values.
INLINE float *cached_key(float *cache, ptrdiff_t index, ptrdiff_t D) {
  const ptrdiff_t place = index % ATTENTION_KEYS;
  return cache + index / ATTENTION_KEYS * cache_block_floats(D) + place / PANEL * D * PANEL + place % PANEL;
}

INLINE float *cached_value(float *cache, ptrdiff_t index, ptrdiff_t D) {
  return cache + index / ATTENTION_KEYS * cache_block_floats(D) + ATTENTION_KEYS * D +
         index % ATTENTION_KEYS * whole_lanes(D);
}

static void cache_append_level(float *cache, ptrdiff_t first, const float *keys, const float *values, ptrdiff_t row,
                               ptrdiff_t count, ptrdiff_t D) {
  for (ptrdiff_t i = 0; i < count; i++) {
    float *key = cached_key(cache, first + i, D), *value = cached_value(cache, first + i, D);
    for (ptrdiff_t d = 0; d < D; d++) key[d * PANEL] = keys[i * row + d];
    for (ptrdiff_t d = 0; d < D; d += LANES) store(value + d, load_some(values + i * row + d, D - d, 0));
  }
}

static void cache_copy_level(float *cache, ptrdiff_t first, const float *from, ptrdiff_t from_first, ptrdiff_t count,
                             ptrdiff_t D) {
  for (ptrdiff_t i = 0; i < count; i++) {
    float *key = cached_key(cache, first + i, D);
    const float *from_key = cached_key((float *)from, from_first + i, D);
    for (ptrdiff_t d = 0; d < D; d++) key[d * PANEL] = from_key[d * PANEL];
    __builtin_memcpy(cached_value(cache, first + i, D), cached_value((float *)from, from_first + i, D),
                     (size_t)whole_lanes(D) * sizeof *cache);
  }
}

// Rows of a strip are pairs (query, head), heads first: all heads that share these keys and values.
static void cached_attention_level(float *out, ptrdiff_t out_row, const float *q, ptrdiff_t q_row, ptrdiff_t queries,
                                   ptrdiff_t heads, const kernel_cached_span *span, void *scratch) {
  const ptrdiff_t D = span->D, padded = whole_lanes(D), pairs = queries * heads;
  float *weights = scratch, *q_rows = weights + STRIP * ATTENTION_KEYS, *sums = q_rows + STRIP * padded;
  const ptrdiff_t prefix_blocks = (span->prefix_count + ATTENTION_KEYS - 1) / ATTENTION_KEYS;
  for (ptrdiff_t start = 0; start < pairs; start += STRIP) {
    const ptrdiff_t rows = least(pairs - start, STRIP), last = (start + rows - 1) / heads;
    float largest[STRIP], sum[STRIP];
    for (ptrdiff_t r = 0; r < rows; r++) {
      const float *from = q + (start + r) / heads * q_row + (start + r) % heads * D;
      for (ptrdiff_t d = 0; d < D; d += LANES) {
        store(q_rows + r * padded + d, load_some(from + d, D - d, 0));
        store(sums + r * padded + d, splat(0));
      }
      largest[r] = -__builtin_inff();
      sum[r] = 0;
    }
    for (ptrdiff_t index = 0;; index++) {
      const int own = index >= prefix_blocks;
      const ptrdiff_t block = own ? index - prefix_blocks : index, first = block * ATTENTION_KEYS;
      const ptrdiff_t total = own ? span->own_offset + last + 1 : span->prefix_count;
      if (first >= total) {
        if (own) break;
        continue;
      }
      const float *keys = (own ? span->own : span->prefix) + block * cache_block_floats(D);
      const float *values = keys + ATTENTION_KEYS * D;
      const ptrdiff_t seen = least(total - first, ATTENTION_KEYS);
      const ptrdiff_t before = keys_before_window(span->prefix_count + span->own_offset, span->window,
                                                  (own ? span->prefix_count : 0) + first);
      if (before + start / heads >= seen) continue;
      scores(weights, q_rows, padded, rows, keys, seen, D);
      for (ptrdiff_t r = 0; r < rows; r++) {
        ptrdiff_t visible = seen;
        if (own) visible = least(span->own_offset + (start + r) / heads + 1 - first, seen);
        const ptrdiff_t hidden = before + (start + r) / heads;
        const float past = softmax_step(weights + r * ATTENTION_KEYS, hidden < 0 ? 0 : hidden,
                                        visible < 0 ? 0 : visible, seen, span->scale, &largest[r], &sum[r]);
        for (ptrdiff_t d = 0; d < D; d += LANES) {
          float *p = sums + r * padded + d;
          store(p, load(p) * splat(past) + splat(0));
        }
      }
      tile_task task = {weights, ATTENTION_KEYS, 1, values, padded, seen, sums, padded, TILE_ADD};
      strip_times_panel(task, rows, padded);
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
      float *to = out + (start + r) / heads * out_row + (start + r) % heads * D;
      const f32x16 inverse = splat(1.0f / sum[r]);
      for (ptrdiff_t d = 0; d < D; d += LANES) store_some(to + d, D - d, load(sums + r * padded + d) * inverse);
    }
  }
}

#endif
