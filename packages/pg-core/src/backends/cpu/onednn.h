#pragma once
// Matrix products and convolutions by oneDNN, if it can be loaded. See library.h for the meaning of the
// descriptors.

#include <string>

#include "backends/cpu/library.h"

namespace pg::cpu {

/// Where the library may be: set by the bindings, which ask importlib.metadata for the installed wheel.
/// Called at the first need, with no lock held; an empty answer means that there is none. PG_LIBDNNL=path
/// overrides it, PG_ONEDNN=0 forbids the library.
extern std::string (*find_onednn_library)();

bool onednn_available();
/// Loads from a path; raises ValueError saying why it cannot. Does nothing when the library is already
/// loaded.
void onednn_load(const char* path);
/// Why onednn_available() is false, for people; empty when it is true.
std::string onednn_status();
/// Switches between library and fallback at run time (tests, comparisons).
void onednn_enable(bool on);

/// Each returns false, having done nothing, when the library is absent or does not know the case.
bool onednn_matmul(const MatmulDesc& desc, const void* a, const void* b, void* c);
bool onednn_conv_forward(const ConvDesc& desc, const void* x, const void* w, const float* bias, void* y);
bool onednn_conv_input_grad(const ConvDesc& desc, const void* ct, const void* w, void* dx);
bool onednn_conv_weight_grad(const ConvDesc& desc, const void* x, const void* ct, void* dw);

}  // namespace pg::cpu
