#pragma once
// Factorisations by LAPACK: the OpenBLAS that NumPy's wheels bring, called without NumPy and without the
// interpreter's lock.
//
// Stacks of row-major matrices. A row-major matrix is the transpose of what LAPACK, which stores columns,
// sees; most routines here factorise that transpose and read the factors back transposed, so that nothing is
// moved in memory.

#include <span>
#include <string>
#include <string_view>

#include "graph/op.h"

namespace pg::cpu {

/// Fills the results from the operands. False: LAPACK refused (a singular matrix, one that is not positive
/// definite, no convergence), or the numbers are not what it should be given; results are then undefined.
using LapackRoutine = bool (*)(std::span<const Aval> in, void* const* inputs, std::span<const Aval> out,
                               void* const* outputs);

/// Loads the library once; false if it is no OpenBLAS with 64-bit integers as NumPy's wheels have it.
bool load_lapack(const std::string& path);

/// cholesky, lu, lu_nonsingular, solve, inv, slogdet, det, qr_reduced, qr_complete, eigh, eigvalsh, svd_full,
/// svd_reduced, svdvals: operands and results as the functions of _linalg/host.py have them. Null: another
/// name. To be called after load_lapack returned true.
LapackRoutine lapack_routine(std::string_view name);

}  // namespace pg::cpu
