#pragma once

#include "faultgen/fault_list.hpp"
#include "faultgen/fault_set.hpp"
#include "faultgen/number_matrix.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Fault matrices of PyTorchALFI as fault sets.
/// Source: PyTorchALFI (IntelLabs, MIT licence), alficore/wrapper/ptfiwrap.py (what the rows mean,
/// how many columns there are, which images they meet) and pytorchfi/pytorchfi/errormodels.py,
/// core.py (which value is hit).
namespace bitquake::faultgen {

/// What the matrix is about.
enum class AlfiMode : std::uint8_t { neurons, weights };

inline constexpr std::array kAlfiModes{
    Named<AlfiMode>{AlfiMode::neurons, "neurons", "outputs of layers"},
    Named<AlfiMode>{AlfiMode::weights, "weights", "weights of layers"},
};

/// Layer types of PyTorchALFI by the kinds of sites they are here.
inline constexpr std::array kAlfiLayers{
    Named<SiteKind>{SiteKind::conv2d, "conv2d", "nn.Conv2d"},
    Named<SiteKind>{SiteKind::conv3d, "conv3d", "nn.Conv3d"},
    Named<SiteKind>{SiteKind::linear, "fcc", "nn.Linear"},
};

/// What a matrix does not say of itself.
struct AlfiOptions {
  AlfiMode mode = AlfiMode::neurons;
  std::vector<SiteKind> layers{SiteKind::conv2d};  ///< layer_types: which sites are counted
  std::uint32_t faults_per_group = 1;              ///< max_faults_per_image, > 0
  /// ptf_batch_size, the images of one batch there, > 0. None: that of the schedule for policy
  /// per_batch; else seen from the row of batch indices where it counts up and starts again.
  std::optional<std::uint64_t> batch_size{};
};

/// The matrix of a file: .npy, or CSV of numbers. Seven rows make a column of each fault. A matrix
/// of seven columns is turned round; a CSV of seven rows and seven columns can be either and is
/// refused.
/// @return Errc::fault_set; a pickle is named as one, with how to convert it
Result<NumberMatrix> parse_alfi_matrix(std::string_view bytes, const std::string& name);

/// The set that a matrix of 7 rows describes; -1 stands for "not used". Each column is a bit flip.
///
/// | row | neurons     | weights              |
/// |-----|-------------|----------------------|
/// | 0   | image within its batch | layer     |
/// | 1   | layer       | output channel       |
/// | 2   | channel     | input channel        |
/// | 3   | depth (conv3d)  | depth (conv3d)   |
/// | 4   | height      | height; fcc: output  |
/// | 5   | width       | width; fcc: input    |
/// | 6   | bit, 0 is the most significant: our bit 31 - it |||
///
/// - Layers are counted from 0 among the sites of the chosen kinds, in the order of calls; of
/// weights
///   a module counts once. (PyTorchALFI counts weights in the order of definition: the same for
///   models that define layers in the order they call them.)
/// - Neurons of fcc layers: the output has the dimensions batch and neuron there, so height is the
///   image within its batch, whatever row 0 says, and width is the neuron. Where the output has
///   another dimension, height is the position in that and row 0 the image.
/// - Policy per_image (neurons only): the columns are cut into batches of batch_size images, the
/// last
///   one of an epoch may be smaller, with faults_per_group columns for each image. Columns of a
///   batch go to the image that they name.
/// - Policies per_batch and per_epoch: each faults_per_group columns are a group. Row 0 is not
/// looked
///   at: PyTorchALFI puts the fault into each image. Neurons of fcc layers it puts into one image
///   alone, once for each image of the batch: that has no counterpart unless batches are of one
///   image.
/// - The columns must fill whole epochs. (Where the last batch is smaller and there are several
/// epochs,
///   PyTorchALFI generates fewer columns than it has batches.)
/// @param where  name of the list for messages
/// @return Errc::fault_set naming the column and row that cannot be mapped
/// @pre context.provenance.schedule is one that check_consistent accepts
Result<FaultSet> from_alfi(const NumberMatrix& matrix, const AlfiOptions& options,
                           const ListContext& context, const std::string& where);

}  // namespace bitquake::faultgen
