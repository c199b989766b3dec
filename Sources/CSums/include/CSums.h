// Sums of products in double for what a coordinator computes of uploads: multiplications and additions alone, in one order that no
// processor, thread or tile changes. No arithmetic of models is here: that is CKernels.
//
// A sum over n products runs in blocks of 256. In a block lane i adds the products i, i + 8, i + 16, .. from zero; the eight lanes are
// added as ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)); the blocks are added in order from zero. There is no fused multiply-add.
#ifndef MEDROUNDS_CSUMS_H
#define MEDROUNDS_CSUMS_H

#include <stddef.h>

// The sum of x[i] y[i].
double sums_dot(const double *x, const double *y, ptrdiff_t n);

// out[i n + j] = the sum over k of x[i width + k] y[j width + k], for m rows of x and n rows of y.
void sums_products(double *out, const double *x, ptrdiff_t m, const double *y, ptrdiff_t n, ptrdiff_t width);

// The same of x with itself: n x n, computed at and below the diagonal and copied above it.
void sums_gram(double *out, const double *x, ptrdiff_t n, ptrdiff_t width);

// y[i] += a x[i].
void sums_add(double *y, double a, const double *x, ptrdiff_t n);
void sums_add_floats(double *y, double a, const float *x, ptrdiff_t n);

// (x[i], y[i]) becomes (c x[i] - s y[i], s x[i] + c y[i]).
void sums_rotate(double *x, double *y, double c, double s, ptrdiff_t n);

#endif
