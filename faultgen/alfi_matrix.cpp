#include "faultgen/alfi_matrix.hpp"

#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace bitquake::faultgen {
namespace {

constexpr std::size_t kRows = 7;
constexpr std::size_t kBitRow = 6;
constexpr std::int64_t kUnused = -1;
constexpr std::int64_t kHighestBit = 31;

Error alfi_error(const std::string& where, std::string what, std::string hint = "") {
  return {Errc::fault_set, where, std::move(what), std::move(hint), ""};
}

class Importer {
 public:
  Importer(const NumberMatrix& matrix, const AlfiOptions& options, const ListContext& context,
           const std::string& where)
      : matrix_(matrix), options_(options), context_(context), where_(where) {}

  Result<FaultSet> run();

 private:
  using Column = std::array<std::int64_t, kRows>;
  /// A fault and, for neurons, the image within its batch that it hits.
  struct Located {
    Fault fault;
    std::uint64_t image = 0;
  };

  bool neurons() const { return options_.mode == AlfiMode::neurons; }
  const Schedule& schedule() const { return context_.provenance.schedule; }
  std::string_view row_name(std::size_t row) const;
  Error error(std::size_t column, std::size_t row, std::string what, std::string hint = "") const;

  std::optional<Error> read_columns();
  void count_layers();
  std::optional<Error> find_batch_size();
  Result<Located> locate(std::size_t column) const;
  Result<std::uint64_t> element(std::size_t column, const Site& site,
                                const std::vector<std::size_t>& rows) const;
  std::optional<Error> check_spread(std::size_t column, const Site& site) const;
  Result<std::vector<ListedFault>> by_image() const;
  Result<std::vector<ListedFault>> by_group() const;

  const NumberMatrix& matrix_;
  const AlfiOptions& options_;
  const ListContext& context_;
  const std::string& where_;
  std::vector<Column> columns_;
  std::vector<std::uint32_t> layers_;  ///< sites by layer number
  std::optional<std::uint64_t> batch_size_;
};

std::string_view Importer::row_name(std::size_t row) const {
  static constexpr std::array<std::string_view, kRows> kNeurons{
      "batch index", "layer", "channel", "depth", "height", "width", "bit"};
  static constexpr std::array<std::string_view, kRows> kWeights{
      "layer", "output channel", "input channel", "depth", "height", "width", "bit"};
  return neurons() ? kNeurons[row] : kWeights[row];
}

Error Importer::error(std::size_t column, std::size_t row, std::string what,
                      std::string hint) const {
  return alfi_error(where_,
                    fmt::format("column {}, row {} ({}): {}", column, row, row_name(row), what),
                    std::move(hint));
}

std::optional<Error> Importer::read_columns() {
  if (matrix_.rows != kRows) {
    return alfi_error(
        where_, fmt::format("{} rows, expected {}", matrix_.rows, kRows),
        "take the matrix as generated (…_fault_locs.bin without updated_rs): rows 0 to "
        "6, a fault in each column");
  }
  if (matrix_.columns == 0) return alfi_error(where_, "holds no fault");
  columns_.resize(matrix_.columns);
  for (std::size_t c = 0; c < matrix_.columns; ++c) {
    for (std::size_t r = 0; r < kRows; ++r) {
      const double value = matrix_.at(r, c);
      constexpr double kLargest = 4294967295.0;  // sizes of tensors are far below
      if (value != std::floor(value) || value < kUnused || value > kLargest) {
        return error(c, r, shortest(value) + " is no index",
                     "whole numbers from 0, or -1 for what is not used");
      }
      columns_[c][r] = static_cast<std::int64_t>(value);
    }
  }
  return std::nullopt;
}

void Importer::count_layers() {
  for (std::uint32_t i = 0; i < context_.sites.size(); ++i) {
    const Site& site = context_.sites[i];
    const bool chosen = std::find(options_.layers.begin(), options_.layers.end(), site.kind) !=
                        options_.layers.end();
    const Target target = neurons() ? Target::neuron : Target::weight;
    if (chosen && site_elements(site, target) > 0) layers_.push_back(i);
  }
}

/// Images of a batch: given, of the schedule, or seen from row 0.
std::optional<Error> Importer::find_batch_size() {
  batch_size_ = options_.batch_size;
  if (schedule().policy == Policy::per_batch) {
    if (batch_size_ && *batch_size_ != schedule().batch_size) {
      return alfi_error(where_,
                        fmt::format("batches of {} images there, but faults.batch_size is {}",
                                    *batch_size_, schedule().batch_size),
                        "make them equal");
    }
    batch_size_ = schedule().batch_size;
  }
  if (batch_size_ || !neurons()) return std::nullopt;
  std::int64_t highest = 0;
  for (const Column& column : columns_) highest = std::max(highest, column[0]);
  const auto size = static_cast<std::uint64_t>(highest) + 1;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c][0] != static_cast<std::int64_t>(c % size)) return std::nullopt;
  }
  batch_size_ = size;
  return std::nullopt;
}

/// The element that the rows index, outermost dimension first; all other rows but `used` ones must
/// be unused.
Result<std::uint64_t> Importer::element(std::size_t column, const Site& site,
                                        const std::vector<std::size_t>& rows) const {
  const Target target = neurons() ? Target::neuron : Target::weight;
  const auto& shape = tensor_shape(site, target);
  if (rows.size() != shape.size()) {
    return alfi_error(
        where_, fmt::format("column {}: the {} of {} are {}, which PyTorchALFI cannot "
                            "index",
                            column, name_of(kTargets, target), site_name(site), shape_text(shape)));
  }
  std::uint64_t position = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t index = columns_[column][rows[i]];
    if (index < 0 || index >= shape[i]) {
      return error(column, rows[i],
                   fmt::format("{} is outside the {} of {}, which are {}", index,
                               name_of(kTargets, target), site_name(site), shape_text(shape)),
                   "are these the layers (--layers) and the input of the model the list is for?");
    }
    position = position * static_cast<std::uint64_t>(shape[i]) + static_cast<std::uint64_t>(index);
  }
  for (std::size_t row = neurons() ? 2 : 1; row < kBitRow; ++row) {
    const bool used = std::find(rows.begin(), rows.end(), row) != rows.end();
    // The height of an fcc neuron is an image.
    const bool image = neurons() && rows.size() == 1 && row == 4;
    if (used || image || columns_[column][row] == kUnused) continue;
    return error(
        column, row,
        fmt::format("{}, but {} is a {} layer, which does not use it", columns_[column][row],
                    site_name(site), name_of(kAlfiLayers, site.kind)),
        "are these the layers (--layers) of the model the list is for?");
  }
  return position;
}

Result<Importer::Located> Importer::locate(std::size_t c) const {
  const Column& column = columns_[c];
  const std::size_t layer_row = neurons() ? 1 : 0;
  const std::int64_t layer = column[layer_row];
  if (layer < 0 || static_cast<std::size_t>(layer) >= layers_.size()) {
    std::vector<std::string_view> names;
    for (const SiteKind kind : options_.layers) names.push_back(name_of(kAlfiLayers, kind));
    return error(
        c, layer_row,
        fmt::format("{} does not exist: the model has {} {} layer{}", layer, layers_.size(),
                    fmt::join(names, ", "), layers_.size() == 1 ? "" : "s"),
        "name the layer_types that the list was made with: --layers");
  }
  const std::int64_t bit = column[kBitRow];
  if (bit < 0 || bit > kHighestBit) {
    return error(c, kBitRow, fmt::format("{} is no bit of fp32, 0 (sign) to 31", bit),
                 bit == kUnused ? "the list leaves the bit to the moment of injection "
                                  "(bitflip_weighted, bitflip_bounds): it cannot be imported"
                                : "lists of rnd_value_type number cannot be imported");
  }
  Located located;
  located.fault.site = layers_[static_cast<std::size_t>(layer)];
  located.fault.target = neurons() ? Target::neuron : Target::weight;
  located.fault.bit_mask = std::uint64_t{1} << static_cast<unsigned>(kHighestBit - bit);
  const Site& site = context_.sites[located.fault.site];
  const std::size_t rank = tensor_shape(site, located.fault.target).size();
  const bool linear = site.kind == SiteKind::linear;
  std::vector<std::size_t> rows;
  if (linear && neurons() && rank == 1) {
    rows = {5};
  } else if (linear) {
    rows = {4, 5};
  } else {
    if (!neurons()) rows.push_back(1);
    rows.push_back(2);
    if (site.kind == SiteKind::conv3d) rows.push_back(3);
    rows.push_back(4);
    rows.push_back(5);
  }
  const auto position = element(c, site, rows);
  if (!position) return position.error();
  located.fault.element = *position;
  if (!neurons()) return located;
  const std::size_t image_row = rows.size() == 1 ? 4 : 0;
  if (column[image_row] < 0) return error(c, image_row, "-1 names no image of a batch");
  located.image = static_cast<std::uint64_t>(column[image_row]);
  return located;
}

/// Whether a fault that all images of a group share does hit all of them there.
std::optional<Error> Importer::check_spread(std::size_t column, const Site& site) const {
  const bool one_image =
      neurons() && site.kind == SiteKind::linear && site.output_shape.size() == 1;
  if (!one_image || (columns_[column][4] == 0 && batch_size_.value_or(0) == 1)) return std::nullopt;
  return error(
      column, 4,
      fmt::format("of the fcc layer {}: PyTorchALFI hits the neuron in this one image of a "
                  "batch, once for each image, so an even number of times means not at all",
                  site_name(site)),
      batch_size_ ? "leave fcc layers out of the list, or import it with policy per_image"
                  : "if batches had one image, say so: --alfi-batch 1");
}

Result<std::vector<ListedFault>> Importer::by_group() const {
  const std::uint64_t columns = columns_.size();
  const std::uint64_t size = options_.faults_per_group;
  const bool per_epoch = schedule().policy == Policy::per_epoch;
  const std::uint64_t slots = per_epoch          ? 1
                              : context_.samples ? schedule().slots(*context_.samples)
                                                 : std::max<std::uint64_t>(columns / size, 1);
  if (columns % size != 0 || columns / size % slots != 0) {
    return alfi_error(
        where_,
        fmt::format("{} columns do not fill epochs of {} group{} of {} fault{}", columns, slots,
                    slots == 1 ? "" : "s", size, size == 1 ? "" : "s"),
        "correct data.samples, faults.batch_size and faults.per_group; where the last "
        "batch is smaller, PyTorchALFI makes too few columns for several epochs");
  }
  std::vector<ListedFault> faults;
  faults.reserve(columns);
  for (std::uint64_t c = 0; c < columns; ++c) {
    const auto located = locate(c);
    if (!located) return located.error();
    if (const auto failed = check_spread(c, context_.sites[located->fault.site])) return *failed;
    const std::uint64_t group = c / size;
    if (group / slots > std::numeric_limits<std::uint32_t>::max()) {
      return alfi_error(where_, "too many columns");
    }
    faults.push_back(
        {static_cast<std::uint32_t>(group / slots), group % slots, located->fault, 1, c});
  }
  return faults;
}

Result<std::vector<ListedFault>> Importer::by_image() const {
  if (!neurons()) {
    return alfi_error(where_, "PyTorchALFI has no weight faults of single images",
                      "set faults.policy to per_batch or per_epoch");
  }
  if (!batch_size_) {
    return alfi_error(where_,
                      "the row of batch indices does not count up and start again: the images of a "
                      "batch are not known",
                      "give ptf_batch_size of the list: --alfi-batch");
  }
  const std::uint64_t columns = columns_.size();
  const std::uint64_t each = options_.faults_per_group;
  const std::uint64_t samples =
      context_.samples.value_or(std::max<std::uint64_t>(columns / each, 1));
  if (columns % each != 0 || columns / each % samples != 0) {
    return alfi_error(
        where_,
        fmt::format("{} columns do not fill epochs of {} image{} with {} fault{} each", columns,
                    samples, samples == 1 ? "" : "s", each, each == 1 ? "" : "s"),
        "correct data.samples and faults.per_group");
  }
  std::vector<ListedFault> faults;
  faults.reserve(columns);
  for (std::uint64_t c = 0; c < columns; ++c) {
    const auto located = locate(c);
    if (!located) return located.error();
    const std::uint64_t image_column = c / each;  // of all images, were they in order
    const std::uint64_t epoch = image_column / samples;
    const std::uint64_t first = image_column % samples / *batch_size_ * *batch_size_;
    const std::uint64_t images = std::min(*batch_size_, samples - first);
    if (located->image >= images) {
      const Site& site = context_.sites[located->fault.site];
      const bool height = site.kind == SiteKind::linear && site.output_shape.size() == 1;
      return error(c, height ? 4 : 0,
                   fmt::format("image {} of a batch of {}", located->image, images),
                   "correct data.samples, --alfi-batch and faults.per_group");
    }
    if (epoch > std::numeric_limits<std::uint32_t>::max()) {
      return alfi_error(where_, "too many columns");
    }
    faults.push_back(
        {static_cast<std::uint32_t>(epoch), first + located->image, located->fault, 1, c});
  }
  return faults;
}

Result<FaultSet> Importer::run() {
  if (const auto failed = read_columns()) return *failed;
  count_layers();
  if (const auto failed = find_batch_size()) return *failed;
  auto faults = schedule().policy == Policy::per_image ? by_image() : by_group();
  if (!faults) return faults.error();
  return assemble(std::move(*faults), context_, where_, "column");
}

}  // namespace

Result<NumberMatrix> parse_alfi_matrix(std::string_view bytes, const std::string& name) {
  constexpr std::string_view kNpy = "\x93NUMPY";
  constexpr char kPickle = '\x80';  // opcode PROTO, the first of protocol 2 and later
  if (bytes.starts_with(kPickle)) {
    return alfi_error(name, "is a Python pickle, which can run any code when it is read",
                      "convert it: python3 -c \"import pickle,numpy,sys; numpy.save('faults.npy', "
                      "pickle.load(open(sys.argv[1],'rb')))\" fault_locs.bin");
  }
  const bool csv = !bytes.starts_with(kNpy);
  auto matrix = csv ? parse_number_csv(bytes, name) : parse_npy(bytes, name);
  if (!matrix) return matrix;
  if (csv && matrix->rows == kRows && matrix->columns == kRows) {
    return alfi_error(name,
                      "seven rows of seven numbers: each can be a fault, or one property of all",
                      "save the matrix as .npy, where a column is a fault");
  }
  if (matrix->rows == kRows || matrix->columns != kRows) return matrix;
  NumberMatrix turned{matrix->columns, matrix->rows, {}};
  turned.values.reserve(matrix->values.size());
  for (std::size_t column = 0; column < matrix->columns; ++column) {
    for (std::size_t row = 0; row < matrix->rows; ++row) {
      turned.values.push_back(matrix->at(row, column));
    }
  }
  return turned;
}

Result<FaultSet> from_alfi(const NumberMatrix& matrix, const AlfiOptions& options,
                           const ListContext& context, const std::string& where) {
  return Importer(matrix, options, context, where).run();
}

}  // namespace bitquake::faultgen
