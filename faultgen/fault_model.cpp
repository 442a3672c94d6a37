#include "faultgen/fault_model.hpp"

#include "suite/base/text.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

namespace bitquake::faultgen {
namespace {

struct Registry {
  std::vector<FaultModelInfo> models{kBuiltInFaultModels.begin(), kBuiltInFaultModels.end()};
  std::deque<std::string> texts;  // what the views in `models` point to; a deque never moves them

  Registry() { models.reserve(kMaxFaultModels); }  // spans of it stay valid
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

namespace detail {

std::uint64_t replaced(const Storage& storage, std::uint32_t value, std::uint64_t /*bits*/) {
  return encode(storage, std::bit_cast<float>(value));
}

std::uint64_t zeroed(const Storage& storage, std::uint32_t /*value*/, std::uint64_t /*bits*/) {
  return encode(storage, 0.0F);
}

std::uint64_t negated(const Storage& storage, std::uint32_t /*value*/, std::uint64_t bits) {
  const bool has_sign_bit =
      storage.format != NumberFormat::int8 && storage.format != NumberFormat::fixed;
  if (has_sign_bit) return bits ^ (std::uint64_t{1} << (storage_bits(storage) - 1));
  return encode(storage, -decode(storage, bits));
}

std::uint64_t increased(const Storage& storage, std::uint32_t value, std::uint64_t bits) {
  return encode(storage, decode(storage, bits) + std::bit_cast<float>(value));
}

std::uint64_t made_nan(const Storage& storage, std::uint32_t /*value*/, std::uint64_t /*bits*/) {
  return encode(storage, std::numeric_limits<float>::quiet_NaN());
}

std::uint64_t made_infinite(const Storage& storage, std::uint32_t /*value*/, std::uint64_t bits) {
  const bool negative = std::signbit(decode(storage, bits));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return encode(storage, negative ? -kInfinity : kInfinity);
}

}  // namespace detail

std::span<const FaultModelInfo> fault_models() { return registry().models; }

const FaultModelInfo& fault_model_info(FaultModel model) {
  const auto models = fault_models();
  const auto number = static_cast<std::size_t>(model);
  if (number >= models.size()) {
    throw Exception({Errc::internal, "", "no fault model has the number " + std::to_string(number),
                     "register it first: faultgen::register_fault_model", ""});
  }
  return models[number];
}

Result<FaultModel> register_fault_model(std::string name, std::string doc, BitFunction bits) {
  const auto refused = [&](std::string what, std::string hint) {
    return Error{Errc::usage, "fault model '" + name + "'", std::move(what), std::move(hint), ""};
  };
  auto& [models, texts] = registry();
  if (!is_registry_name(name)) {
    return refused("the name is malformed",
                   "use lower-case letters, digits and '_', a letter first, at most 64");
  }
  if (value_of(models, name)) return refused("the name is taken", "choose another name");
  if (!is_one_line(doc)) {
    return refused("its description is empty or has control characters",
                   "say in one line what happens to a faulty bit");
  }
  if (bits == nullptr) return refused("it has no function", "give what makes the faulty bits");
  if (models.size() == kMaxFaultModels) {
    return refused("there are " + std::to_string(kMaxFaultModels) + " fault models already",
                   "register only what the program uses");
  }
  const auto value = static_cast<FaultModel>(models.size());
  const std::string_view kept_name = texts.emplace_back(std::move(name));
  const std::string_view kept_doc = texts.emplace_back(std::move(doc));
  models.push_back({value, kept_name, kept_doc, bits});
  return value;
}

}  // namespace bitquake::faultgen
