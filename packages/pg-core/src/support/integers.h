#pragma once
// Whole numbers, for sizes.

#include <type_traits>

namespace pg {

/// a / b, rounded up, of what is not negative.
template <class T> constexpr T ceil_div(T a, std::type_identity_t<T> b) { return (a + b - 1) / b; }
/// The least multiple of `to` that is not below `n`.
template <class T> constexpr T round_up(T n, std::type_identity_t<T> to) { return ceil_div(n, to) * to; }

}  // namespace pg
