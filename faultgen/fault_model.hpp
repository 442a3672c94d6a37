#pragma once

#include "faultgen/fault.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace bitquake::faultgen {

/// One registered word of the scenario language and what it means.
template <class T>
struct Named {
  T value;
  std::string_view name;
  std::string_view doc;
};

inline constexpr std::array kFaultModels{
    Named<FaultModel>{FaultModel::bit_flip, "bit_flip", "the bit is inverted (transient upset)"},
    Named<FaultModel>{FaultModel::stuck_at_0, "stuck_at_0", "the bit reads 0"},
    Named<FaultModel>{FaultModel::stuck_at_1, "stuck_at_1", "the bit reads 1"},
};

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

/// How groups of faults meet samples.
enum class Policy : std::uint8_t { per_image };

inline constexpr std::array kPolicies{
    Named<Policy>{Policy::per_image, "per_image", "a fresh group for each sample and epoch"},
};

/// Name of a registered value; every enumerator is registered.
template <class T, std::size_t N>
constexpr std::string_view name_of(const std::array<Named<T>, N>& registry, T value) {
  for (const auto& entry : registry) {
    if (entry.value == value) return entry.name;
  }
  return "";
}

template <class T, std::size_t N>
constexpr std::optional<T> value_of(const std::array<Named<T>, N>& registry,
                                    std::string_view name) {
  for (const auto& entry : registry) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace bitquake::faultgen
