#pragma once
// Ending long work early: a thread that computes can be asked, now and then, whether it should go on.

#include "support/function_ref.h"

namespace pg {

/// While one lives, parallel_for calls `check` on this thread between pieces of its work, some twenty times a
/// second. What it throws ends the work: no further piece is begun, and parallel_for throws it.
class Interruptible {
 public:
  explicit Interruptible(FunctionRef<void()> check);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  void check() const { check_(); }

 private:
  FunctionRef<void()> check_;
  const Interruptible* outer_;
};

}  // namespace pg
