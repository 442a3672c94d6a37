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

/// What a fault model is called and what it does.
struct FaultModelInfo {
  FaultModel value;
  std::string_view name;
  std::string_view doc;  ///< one line
  BitFunction bits;
};

/// The fault models that every program has. Their numbers are part of the fault-set format.
inline constexpr std::array kBuiltInFaultModels{
    FaultModelInfo{FaultModel::bit_flip, "bit_flip", "the bit is inverted (transient upset)",
                   [](std::uint64_t bit_mask, std::uint64_t bits) { return bits ^ bit_mask; }},
    FaultModelInfo{FaultModel::stuck_at_0, "stuck_at_0", "the bit reads 0",
                   [](std::uint64_t bit_mask, std::uint64_t bits) { return bits & ~bit_mask; }},
    FaultModelInfo{FaultModel::stuck_at_1, "stuck_at_1", "the bit reads 1",
                   [](std::uint64_t bit_mask, std::uint64_t bits) { return bits | bit_mask; }},
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
    Named<Target>{Target::neuron, "neurons", "outputs of convolution and linear sites"},
    Named<Target>{Target::weight, "weights", "weight parameters of convolution and linear sites"},
};

/// How a fault's element is drawn.
enum class Draw : std::uint8_t { elements, sites };

inline constexpr std::array kDraws{
    Named<Draw>{Draw::elements, "elements", "uniformly over all elements of the model"},
    Named<Draw>{Draw::sites, "sites", "a site uniformly first, then an element of it uniformly"},
};

}  // namespace bitquake::faultgen
