#include "graph/donated.h"

#include "support/error.h"
#include "support/format.h"

namespace pg {

NodeRef donated_node(const Aval& aval) {
  NodeRef node = buffer_node(nullptr, aval);
  node->abstract = true;  // so that everything asks before it reads
  return node;
}

void fail_donated(const Node& node) {
  fail(ErrorKind::value,
       concat("a tensor ", to_string(node.aval()),
              " is used after it was donated to a call of a jitted function (donate_argnums), which may have "
              "used its memory for results; use the results, or do not donate the argument"));
}

}  // namespace pg
