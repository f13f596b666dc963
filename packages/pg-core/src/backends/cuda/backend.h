#pragma once
#include "compiler/backend.h"

namespace pg {

/// The backend of a GPU. Raises DeviceError when there is none.
const Backend& cuda_backend(int index);

}  // namespace pg
