#include "backends/cpu/codegen/writer.h"

#include <bit>
#include <cstdio>

#include "graph/op.h"
#include "support/format.h"

namespace pg::codegen {

std::string_view register_type(DType dtype) {
  switch (dtype) {
  case DType::bool_: return "i1";
  case DType::int8:
  case DType::uint8: return "i8";
  case DType::int16:
  case DType::uint16: return "i16";
  case DType::int32:
  case DType::uint32: return "i32";
  case DType::int64:
  case DType::uint64: return "i64";
  case DType::float16:
  case DType::bfloat16:
  case DType::float32: return "float";
  case DType::float64: return "double";
  case DType::complex64:
  case DType::complex128: break;
  }
  throw Unsupported{"complex numbers"};
}

std::string_view memory_type(DType dtype) {
  if (is_bool(dtype)) return "i8";
  return is_half(dtype) ? "i16" : register_type(dtype);
}

int bits_of(DType dtype) { return is_bool(dtype) ? 1 : static_cast<int>(size_of(compute_type(dtype))) * 8; }

std::string Writer::vector(int n, std::string_view element) {
  return n == 1 ? std::string(element) : concat("<", n, " x ", element, ">");
}
std::string Writer::type(std::string_view element) const {
  return wide ? concat("<", lanes_, " x ", element, ">") : std::string(element);
}

std::string Writer::suffix(std::string_view element, int n) {
  const std::string name = element == "float" ? "f32" : element == "double" ? "f64" : std::string(element);
  return n ? concat("v", n, name) : name;
}

std::string Writer::literal(DType dtype, int64_t bits) const {
  const std::string_view element = register_type(dtype);
  std::string text;
  if (is_float(dtype)) {
    double value = bits_as_double(bits);
    if (dtype != DType::float64) value = static_cast<double>(static_cast<float>(value));
    char hex[24];
    std::snprintf(hex, sizeof hex, "0x%016llX",
                  static_cast<unsigned long long>(std::bit_cast<uint64_t>(value)));
    text = hex;
  } else if (is_bool(dtype)) {
    text = bits ? "true" : "false";
  } else {  // as a signed number of its width, which every parser takes
    const int unused = 64 - bits_of(dtype);
    text = std::to_string(static_cast<int64_t>(static_cast<uint64_t>(bits) << unused) >> unused);
  }
  return wide ? concat("splat (", element, " ", text, ")") : text;
}

std::string Writer::integer(std::string_view element, int64_t value) const {
  return wide ? concat("splat (", element, " ", value, ")") : std::to_string(value);
}

std::string Writer::number(DType dtype, double value) const {
  return literal(dtype, is_float(dtype) ? scalar_bits(value) : static_cast<int64_t>(value));
}

std::string Writer::put(const std::string& instruction) {
  const auto [found, fresh_one] = known_.try_emplace(instruction);
  if (!fresh_one) return found->second;
  found->second = effect(instruction);
  scopes_.back().push_back(instruction);
  return found->second;
}

std::string Writer::effect(const std::string& instruction) {
  std::string name = fresh();
  line(concat(name, " = ", instruction));
  return name;
}

void Writer::line(const std::string& text) {
  body_ += "  ";
  body_ += text;
  body_ += '\n';
}

std::string Writer::call(const std::string& result, const std::string& name, const std::string& types,
                         const std::string& arguments) {
  declarations_.insert(concat("declare ", result, " @", name, "(", types, ")\n"));
  return put(concat("call ", result, " @", name, "(", arguments, ")"));
}

std::string Writer::load_call(const std::string& result, const std::string& name, const std::string& types,
                              const std::string& arguments) {
  declarations_.insert(concat("declare ", result, " @", name, "(", types, ")\n"));
  return effect(concat("call ", result, " @", name, "(", arguments, ")"));
}

void Writer::call_void(const std::string& name, const std::string& types, const std::string& arguments) {
  declarations_.insert(concat("declare void @", name, "(", types, ")\n"));
  line(concat("call void @", name, "(", arguments, ")"));
}

std::string Writer::stack(const std::string& type, int alignment) {
  std::string name = fresh();
  head_ += concat("  ", name, " = alloca ", type, ", align ", alignment, "\n");
  return name;
}

void Writer::begin_block(const std::string& label) {
  body_ += label;
  body_ += ":\n";
  block_ = label;
}

void Writer::branch(const std::string& condition, const std::string& yes, const std::string& no) {
  line(concat("br i1 ", condition, ", label %", yes, ", label %", no));
}

void Writer::close_scope() {
  for (const std::string& instruction : scopes_.back()) known_.erase(instruction);
  scopes_.pop_back();
}

void Writer::begin_function(const std::string& header) {
  functions_ += concat("define ", header, " {\nentry:\n");
  head_.clear();
  body_.clear();
  next_ = next_label_ = 0;
  block_ = "entry";
  open_scope();
}

void Writer::end_function() {
  close_scope();
  functions_ += head_ + body_ + "}\n";
}

std::string Writer::module() const {
  std::string out = functions_;
  for (const std::string& d : declarations_) out += d;
  return out + "!0 = !{i32 1}\n";
}

}  // namespace pg::codegen
