// dot_general: the sum of products over labelled axes. Labels make both transposes one line each and need no
// permutes.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

struct Labels {
  Ints a, b, c;
  Ints added;  // of the third operand, in the result's order
};

// attrs: |a|, |b|, |c|, then the labels of a, b and c; with a third operand, which is added, its labels. Only
// the compiler writes that one (passes/absorb_addends.cpp), so no derivative rule sees it.
Labels labels_of(const Attrs& attrs) {
  const size_t na = static_cast<size_t>(attrs[0]), nb = static_cast<size_t>(attrs[1]),
               nc = static_cast<size_t>(attrs[2]);
  return {part(attrs, 3, na), part(attrs, 3 + na, nb), part(attrs, 3 + na + nb, nc),
          rest(attrs, 3 + na + nb + nc)};
}

int64_t position(const Ints& labels, int64_t label) {
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] == label) return static_cast<int64_t>(i);
  return -1;
}

std::string text(const Ints& labels) {
  std::string out;
  for (int64_t label : labels)
    out += label < 26 ? std::string(1, static_cast<char>('a' + label)) : concat("(", label, ")");
  return out;
}
std::string text(const Labels& l) {
  return concat(text(l.a), ",", text(l.b), "->", text(l.c), l.added.empty() ? "" : " + ", text(l.added));
}

void check_distinct(const Labels& all, const Ints& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    require(position(labels, labels[i]) == static_cast<int64_t>(i), ErrorKind::value, [&] {
      return concat("dot_general: label ", text({labels[i]}), " stands twice for one operand in ", text(all),
                    "; take the diagonal first");
    });
    const int times = (position(all.a, labels[i]) >= 0) + (position(all.b, labels[i]) >= 0) +
                      (position(all.c, labels[i]) >= 0);
    require(times >= 2, ErrorKind::value, [&] {
      return concat("dot_general: label ", text({labels[i]}), " stands only once in ", text(all),
                    "; sum or broadcast that axis separately");
    });
  }
}

// The third operand repeats over the labels that it lacks.
void check_added(const Labels& l, std::span<const Aval> in, const Shape& result) {
  require(in.size() == (l.added.empty() ? 2 : 3), ErrorKind::type,
          [&] { return concat("dot_general: labels ", text(l), " do not fit ", in.size(), " operands"); });
  for (size_t i = 0; i < l.added.size(); ++i) {
    const int64_t at = position(l.c, l.added[i]);
    require(at >= 0 && l.added.size() == in[2].shape.size() && in[2].shape[i] == result[at], ErrorKind::shape,
            [&] {
              return concat("dot_general: an addend of shape ", to_string(in[2].shape),
                            " does not fit the result ", to_string(result), " of ", text(l));
            });
  }
}

Aval infer_dot(std::span<const Aval> in, const Attrs& attrs) {
  same_dtype("matmul", in);
  const Labels l = labels_of(attrs);
  require(in.size() >= 2, ErrorKind::type,
          [&] { return concat("dot_general: takes 2 operands, got ", in.size()); });
  require(l.a.size() == in[0].shape.size() && l.b.size() == in[1].shape.size(), ErrorKind::shape, [&] {
    return concat("dot_general: labels ", text(l), " do not fit shapes ", to_string(in[0].shape), " and ",
                  to_string(in[1].shape));
  });
  check_distinct(l, l.a);
  check_distinct(l, l.b);
  check_distinct(l, l.c);
  for (size_t i = 0; i < l.a.size(); ++i) {
    const int64_t j = position(l.b, l.a[i]);
    require(j < 0 || in[0].shape[i] == in[1].shape[j], ErrorKind::shape, [&] {
      const bool inner = position(l.c, l.a[i]) < 0;
      return concat("matmul: ", inner ? "inner" : "batch", " sizes differ: ", to_string(in[0].shape), " @ ",
                    to_string(in[1].shape), " needs ", in[0].shape[i], " == ", in[1].shape[j], "; ",
                    inner ? "transpose one side?" : "broadcast the batch axes first");
    });
  }
  Aval out{{}, in[0].dtype, all_weak(in), in[0].device};
  for (int64_t label : l.c) {
    const int64_t at = position(l.a, label);
    out.shape.push_back(at >= 0 ? in[0].shape[at] : in[1].shape[position(l.b, label)]);
  }
  count_of(out.shape);
  check_added(l, in, out.shape);
  return out;
}

NodeRef transpose_dot(const NodeRef& ct, const RuleArgs& args, const Aval&, int i) {
  PG_INVARIANT(args.x.size() == 2, "a rule of a product with an addend");
  const Labels l = labels_of(args.attrs);
  return i == 0 ? dot_general(ct, args.x[1], l.c, l.b, l.a) : dot_general(ct, args.x[0], l.c, l.a, l.b);
}

// The batch axis is one more label.
Batched batch_dot(const BatchArgs& args) {
  const Labels l = labels_of(args.attrs);
  int64_t fresh = 0;
  for (const Ints* labels : {&l.a, &l.b})
    for (int64_t label : *labels) fresh = std::max(fresh, label + 1);
  const auto with = [&](bool batched, const Ints& labels) {
    return batched ? behind(fresh, labels) : labels;
  };
  return {dot_general(args.x[0].node, args.x[1].node, with(args.x[0].batched, l.a),
                      with(args.x[1].batched, l.b), with(true, l.c)),
          true};
}

}  // namespace

const Op& dot_general_op = define({.name = "dot_general",
                                   .doc = "Sum of products over the labels that are missing in the result.",
                                   .arity = -1,
                                   .infer = infer_dot,
                                   .lower = Call{},
                                   .facts = {linear(), linear()},
                                   .transpose = transpose_dot,
                                   .batch = batch_dot,
                                   .show = [](const Attrs& a) { return text(labels_of(a)); }});

// Labels are renumbered by first appearance, so that equal contractions are equal nodes and programs.
NodeRef dot_general(const NodeRef& a, const NodeRef& b, const Ints& la, const Ints& lb, const Ints& lc) {
  Attrs attrs{static_cast<int64_t>(la.size()), static_cast<int64_t>(lb.size()),
              static_cast<int64_t>(lc.size())};
  Ints seen;
  for (const Ints* labels : {&la, &lb, &lc})
    for (int64_t label : *labels) {
      int64_t at = position(seen, label);
      if (at < 0) {
        at = static_cast<int64_t>(seen.size());
        seen.push_back(label);
      }
      attrs.push_back(at);
    }
  return make(dot_general_op, {a, b}, std::move(attrs));
}

}  // namespace pg
