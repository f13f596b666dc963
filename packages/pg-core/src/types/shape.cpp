#include "types/shape.h"

#include <limits>

#include "support/error.h"
#include "support/format.h"

namespace pg {

int64_t count_of(const Shape& shape) {
  int64_t total = 1;
  bool overflow = false;
  for (const int64_t n : shape) {
    if (n == 0) return 0;
    overflow = overflow || __builtin_mul_overflow(total, n, &total);
  }
  // Room for the widest element: sizes in bytes do not overflow either.
  require(!overflow && total <= std::numeric_limits<int64_t>::max() / 16, ErrorKind::shape,
          [&] { return concat("a tensor of shape ", to_string(shape), " has more than 2**59 elements"); });
  return total;
}

Ints strides_of(const Shape& shape) {
  Ints strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* what) {
  const Shape& wide = a.size() >= b.size() ? a : b;
  const Shape& slim = a.size() >= b.size() ? b : a;
  Shape out = wide;
  const size_t lead = wide.size() - slim.size();
  for (size_t i = 0; i < slim.size(); ++i) {
    int64_t& n = out[lead + i];
    if (n == 1) n = slim[i];
    else
      require(slim[i] == 1 || slim[i] == n, ErrorKind::shape, [&] {
        return concat(what, ": shapes ", to_string(a), " and ", to_string(b), " do not broadcast: axis ",
                      int64_t(lead + i) - int64_t(wide.size()), " has ", wide[lead + i], " and ", slim[i],
                      "; extents must be equal or 1 (reshape, or add an axis with None)");
      });
  }
  return out;
}

int64_t normalize_axis(int64_t axis, int64_t rank, const char* what) {
  require(axis >= -rank && axis < rank, ErrorKind::index, [&] {
    return rank == 0 ? concat(what, ": axis ", axis, " given for a 0-d tensor, which has no axes")
                     : concat(what, ": axis ", axis, " is out of range for a tensor of ", rank,
                              " dimensions; use ", -rank, " to ", rank - 1);
  });
  return axis < 0 ? axis + rank : axis;
}

std::string to_string(const Shape& shape) { return "(" + join(shape) + (shape.size() == 1 ? ",)" : ")"); }

}  // namespace pg
