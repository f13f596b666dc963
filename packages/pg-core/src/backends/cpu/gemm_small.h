#pragma once
// Many products that are small: operands stay in the caches, so nothing is packed.

#include "backends/cpu/library.h"

namespace pg::cpu {

/// Is each product of this description, with columns of c side by side, one of these? Decided by the extents
/// and strides of one product alone, so that parts of a batch sum as the whole does.
bool is_small_product(const MatmulDesc& desc, int64_t item);

/// c (+)= a * b for every product of the batch; on the calling thread alone if there is little to do.
template <class T> void small_products(const MatmulDesc& desc, const T* a, const T* b, T* c, bool accumulate);

/// Where the operands of one product after another begin.
class BatchWalk {
 public:
  BatchWalk(const MatmulDesc& desc, int64_t first) : desc_(desc), place_(desc.batch.size(), 0) {
    for (size_t axis = place_.size(); axis-- > 0; first /= desc.batch[axis]) {
      place_[axis] = first % desc.batch[axis];
      move(axis, place_[axis]);
    }
  }
  void next() {
    for (size_t axis = place_.size(); axis-- > 0;) {
      move(axis, 1);
      if (++place_[axis] < desc_.batch[axis]) return;
      move(axis, -place_[axis]);
      place_[axis] = 0;
    }
  }
  int64_t a = 0, b = 0, c = 0;

 private:
  void move(size_t axis, int64_t by) {
    a += by * desc_.a_batch[axis];
    b += by * desc_.b_batch[axis];
    c += by * desc_.c_batch[axis];
  }

  const MatmulDesc& desc_;
  std::vector<int64_t> place_;
};

}  // namespace pg::cpu
