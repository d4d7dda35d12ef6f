// The gate of a pyramid's branch, from fused multiply-adds, a product, sums and a true division alone: the same bits on
// every instruction set and library.
#pragma once

#include "vector.h"

namespace {

// exp(x) for |x| <= 80: x = n log 2 + r with |r| <= log 2 / 2, a polynomial for exp(r) (Cephes' expf), and n added to
// the exponent. log 2 comes in two parts, the first of which n multiplies exactly. Within 1 unit of the last place.
MINISEG_INLINE Vector exponential(Vector x) {
  const Vector rounding = broadcast(12582912.0F);  // 1.5 * 2^23: adding it leaves an integer in the lowest bits
  const Vector shifted = multiply_add(x, broadcast(1.44269504F), rounding);
  const Vector n = shifted - rounding;
  Vector r = multiply_add(n, broadcast(-0.693359375F), x);
  r = multiply_add(n, broadcast(2.12194440e-4F), r);
  Vector p = broadcast(1.9875691500e-4F);
  p = multiply_add(p, r, broadcast(1.3981999507e-3F));
  p = multiply_add(p, r, broadcast(8.3334519073e-3F));
  p = multiply_add(p, r, broadcast(4.1665795894e-2F));
  p = multiply_add(p, r, broadcast(1.6666665459e-1F));
  p = multiply_add(p, r, broadcast(5.0000001201e-1F));
  p = multiply_add(p, r * r, r) + 1.0F;
  return (Vector)((Bits)p + ((Bits)shifted << 23));
}

// 1 + sigmoid(z). Beyond 80 the sigmoid is 0 or 1 to the last bit.
MINISEG_INLINE Vector gate(Vector z) {
  Vector x = -z;
  x = x > 80.0F ? broadcast(80.0F) : x;
  x = x < -80.0F ? broadcast(-80.0F) : x;
  return 1.0F + 1.0F / (1.0F + exponential(x));
}

}  // namespace
