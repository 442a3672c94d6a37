#pragma once

#include "faultgen/fault.hpp"
#include "suite/base/named.hpp"

#include <array>

namespace bitquake::faultgen {

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

}  // namespace bitquake::faultgen
