#pragma once

#include "faultgen/fault.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bitquake::faultgen {

/// The bits a fault leaves behind where it found `bits`. Pure: the same arguments give the same
/// result, in any thread, without side effects. fp32 values come and go in the low 32 bits; what
/// the function sets above them is dropped.
using BitFunction = std::uint64_t (*)(std::uint64_t bit_mask, std::uint64_t bits);

/// The pattern that a fault of a whole value leaves behind where it found `bits`, both in
/// `storage`.
/// @param value  fp32 bits of Fault::value
using ValueFunction = std::uint64_t (*)(const Storage& storage, std::uint32_t value,
                                        std::uint64_t bits);

/// Where the value of a whole-value model comes from.
enum class ValueSource : std::uint8_t {
  none,     ///< it needs none
  given,    ///< the scenario
  uniform,  ///< drawn uniformly from an interval
  normal,   ///< drawn from a normal distribution around 0
};

/// What a fault model is called and what it does: to bits, or to a value as a whole.
struct FaultModelInfo {
  FaultModel value;
  std::string_view name;
  std::string_view doc;        ///< one line
  BitFunction bits = nullptr;  ///< or
  ValueFunction whole = nullptr;
  ValueSource source = ValueSource::none;
};

namespace detail {
std::uint64_t replaced(const Storage& storage, std::uint32_t value, std::uint64_t bits);
std::uint64_t zeroed(const Storage& storage, std::uint32_t value, std::uint64_t bits);
std::uint64_t negated(const Storage& storage, std::uint32_t value, std::uint64_t bits);
std::uint64_t increased(const Storage& storage, std::uint32_t value, std::uint64_t bits);
std::uint64_t made_nan(const Storage& storage, std::uint32_t value, std::uint64_t bits);
std::uint64_t made_infinite(const Storage& storage, std::uint32_t value, std::uint64_t bits);
}  // namespace detail

/// The fault models that every program has. Their numbers are part of the fault-set format.
inline constexpr std::array kBuiltInFaultModels{
    FaultModelInfo{FaultModel::bit_flip, "bit_flip", "the bit is inverted (transient upset)",
                   [](std::uint64_t bit_mask, std::uint64_t bits) { return bits ^ bit_mask; }},
    FaultModelInfo{FaultModel::stuck_at_0, "stuck_at_0", "the bit reads 0",
                   [](std::uint64_t bit_mask, std::uint64_t bits) { return bits & ~bit_mask; }},
    FaultModelInfo{FaultModel::stuck_at_1, "stuck_at_1", "the bit reads 1",
                   [](std::uint64_t bit_mask, std::uint64_t bits) { return bits | bit_mask; }},
    FaultModelInfo{FaultModel::set_value, "set_value", "the value is replaced by faults.value",
                   nullptr, detail::replaced, ValueSource::given},
    FaultModelInfo{FaultModel::zero, "zero", "the value is replaced by 0", nullptr, detail::zeroed},
    FaultModelInfo{FaultModel::sign_flip, "sign_flip", "the value is negated", nullptr,
                   detail::negated},
    FaultModelInfo{FaultModel::random_value, "random_value",
                   "the value is replaced by one drawn uniformly from faults.value_range", nullptr,
                   detail::replaced, ValueSource::uniform},
    FaultModelInfo{FaultModel::gaussian, "gaussian",
                   "a normal deviate with standard deviation faults.sigma is added", nullptr,
                   detail::increased, ValueSource::normal},
    FaultModelInfo{FaultModel::nan, "nan",
                   "the value is replaced by NaN; by what stands for it in the format", nullptr,
                   detail::made_nan},
    FaultModelInfo{FaultModel::inf, "inf",
                   "the value is replaced by infinity of its sign; by the largest where the format "
                   "has none",
                   nullptr, detail::made_infinite},
};

/// Most fault models of one program, the built-in ones included: a FaultModel is one byte.
inline constexpr std::size_t kMaxFaultModels = 256;

/// All fault models: the built-in ones, then the registered ones in the order of their
/// registration. Element i has the value FaultModel{i}.
std::span<const FaultModelInfo> fault_models();

/// Adds a fault model of the program's own. From then on scenarios accept its name, the sampler
/// draws it and fault sets are written with, and read by, its name. The name stands for the
/// function in every file: give a function that does something else another name.
/// @param name  lower-case letters, digits and '_', a letter first, at most 64; not taken
/// @param doc   what happens to a faulty bit: one line, not empty
/// @param bits  not null
/// @return its number in this process, or Errc::usage with what is wrong with the arguments
/// @note Not thread-safe. Register at the start of the program, before it does anything else with
///       Bitquake: tables such as the scenario keys are made once, from what is registered then.
Result<FaultModel> register_fault_model(std::string name, std::string doc, BitFunction bits);

/// Whether the program registered the model, as opposed to the built-in ones.
constexpr bool is_registered_by_program(FaultModel model) {
  return static_cast<std::size_t>(model) >= kBuiltInFaultModels.size();
}

/// The entry of a model. Throws Exception (internal) for a number that stands for none.
const FaultModelInfo& fault_model_info(FaultModel model);

inline constexpr std::array kTargets{
    Named<Target>{Target::neuron, "neurons", "outputs of sites"},
    Named<Target>{Target::weight, "weights", "weight parameters of sites"},
    Named<Target>{Target::bias, "biases", "bias parameters of sites"},
    Named<Target>{Target::running_mean, "running_means", "stored means of batch norms"},
    Named<Target>{Target::running_var, "running_vars", "stored variances of batch norms"},
    Named<Target>{Target::site_input, "site_inputs",
                  "what a site reads; other readers of the same tensor see the right value"},
    Named<Target>{Target::network_input, "network_input", "the sample as the network reads it"},
};

/// How a fault's element is drawn.
enum class Draw : std::uint8_t { elements, sites, weighted_sites };

inline constexpr std::array kDraws{
    Named<Draw>{Draw::elements, "elements", "uniformly over all elements of the chosen sites"},
    Named<Draw>{Draw::sites, "sites", "a site uniformly first, then an element of it uniformly"},
    Named<Draw>{Draw::weighted_sites, "weighted_sites",
                "a site with the weights of faults.site_weights first, then an element of it"},
};

}  // namespace bitquake::faultgen
