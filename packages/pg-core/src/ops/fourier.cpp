// fft: the discrete Fourier transform over some axes, without scaling. Its matrix is symmetric, so it is its
// own transpose.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

// attrs: inverse (the sign of the exponent), then the axes, ascending
Aval infer_fft(std::span<const Aval> in, const Attrs& attrs) {
  require(is_complex(in[0].dtype), ErrorKind::dtype, [&] {
    return concat("fft: transforms complex64 and complex128, got ", name_of(in[0].dtype),
                  "; cast with .astype(pg.complex64)");
  });
  const int64_t rank = static_cast<int64_t>(in[0].shape.size());
  for (size_t i = 1; i < attrs.size(); ++i)
    require(attrs[i] >= 0 && attrs[i] < rank && (i == 1 || attrs[i - 1] < attrs[i]), ErrorKind::index,
            [&] { return concat("fft: axes ", to_string(rest(attrs, 1)), " of rank ", rank); });
  return in[0];
}

NodeRef transpose_fft(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return make(fft_op, {ct}, args.attrs);
}

Batched batch_fft(const BatchArgs& args) {
  return {make(fft_op, {args.x[0].node}, behind({args.attrs[0]}, words(shifted(rest(args.attrs, 1))))), true};
}

NodeRef simplify_fft(std::span<const NodeRef> x, const Attrs& attrs) {
  return attrs.size() == 1 ? x[0] : nullptr;
}

}  // namespace

const Op& fft_op = define(
    {.name = "fft",
     .doc = "The discrete Fourier transform over some axes, without scaling.",
     .infer = infer_fft,
     .lower = Call{},
     .facts = {linear()},
     .transpose = transpose_fft,
     .batch = batch_fft,
     .simplify = simplify_fft,
     .show = [](const Attrs& a) { return concat(a[0] ? "inverse, " : "", field("axes", rest(a, 1))); }});

}  // namespace pg
