#pragma once
// Complex arithmetic, written once on the parts over the vocabulary of scalar.h and native.h, so that every
// dialect needs real numbers only.
//
// Products are the schoolbook ones, as NumPy's and JAX's: an infinity may meet a NaN of its own making.
// Quotients are Smith's (1962), which overflow only where the result does.

#include "ir/native.h"
#include "ir/scalar.h"

namespace pg::ir {
namespace parts {

template <class Z> PG_INLINE Z add(Z a, Z b) {
  return pair(real_part(a) + real_part(b), imag_part(a) + imag_part(b));
}
template <class Z> PG_INLINE Z subtract(Z a, Z b) {
  return pair(real_part(a) - real_part(b), imag_part(a) - imag_part(b));
}
template <class Z> PG_INLINE Z multiply(Z a, Z b) {
  const auto ar = real_part(a), ai = imag_part(a), br = real_part(b), bi = imag_part(b);
  return pair(ar * br - ai * bi, ar * bi + ai * br);
}
/// Divides by the larger part of b first; what is left of b is then between -1 and 1.
template <class Z> PG_INLINE Z divide(Z a, Z b) {
  const auto ar = real_part(a), ai = imag_part(a), br = real_part(b), bi = imag_part(b);
  const auto by_real = abs(br) >= abs(bi);
  const auto large = select(by_real, br, bi), small = select(by_real, bi, br);
  const auto ratio = small / large, bottom = large + small * ratio;
  const auto re = select(by_real, ar + ai * ratio, ar * ratio + ai);
  const auto im = select(by_real, ai - ar * ratio, ai * ratio - ar);
  const auto zero = (br == 0) & (bi == 0);  // a / 0 has the signs of a
  const auto unsigned_zero = abs(br);
  return pair(select(zero, ar / unsigned_zero, re / bottom), select(zero, ai / unsigned_zero, im / bottom));
}
template <class Z> PG_INLINE Z negate(Z a) { return pair(-real_part(a), -imag_part(a)); }
template <class Z> PG_INLINE auto equal(Z a, Z b) {
  return (real_part(a) == real_part(b)) & (imag_part(a) == imag_part(b));
}
template <class Z> PG_INLINE auto not_equal(Z a, Z b) {
  return (real_part(a) != real_part(b)) | (imag_part(a) != imag_part(b));
}

}  // namespace parts

// Sym's operators ask for the dtype themselves (scalar.cpp).
template <class T> PG_INLINE Val<Complex<T>> operator+(Val<Complex<T>> a, Val<Complex<T>> b) {
  return parts::add(a, b);
}
template <class T> PG_INLINE Val<Complex<T>> operator-(Val<Complex<T>> a, Val<Complex<T>> b) {
  return parts::subtract(a, b);
}
template <class T> PG_INLINE Val<Complex<T>> operator*(Val<Complex<T>> a, Val<Complex<T>> b) {
  return parts::multiply(a, b);
}
template <class T> PG_INLINE Val<Complex<T>> operator/(Val<Complex<T>> a, Val<Complex<T>> b) {
  return parts::divide(a, b);
}
template <class T> PG_INLINE Val<Complex<T>> operator-(Val<Complex<T>> a) { return parts::negate(a); }
template <class T> PG_INLINE Val<bool> operator==(Val<Complex<T>> a, Val<Complex<T>> b) {
  return parts::equal(a, b);
}
template <class T> PG_INLINE Val<bool> operator!=(Val<Complex<T>> a, Val<Complex<T>> b) {
  return parts::not_equal(a, b);
}

}  // namespace pg::ir
