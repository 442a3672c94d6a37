#include "faultgen/fault_list.hpp"

#include "faultgen/bit_choice.hpp"
#include "suite/base/csv.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace bitquake::faultgen {
namespace {

// --- from listed faults to a set ---

/// Two faults of a group that share an element and a bit.
std::optional<std::pair<ListedFault, ListedFault>> clash(std::span<const ListedFault> group,
                                                         std::vector<ListedFault>& sorted) {
  sorted.assign(group.begin(), group.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const ListedFault& a, const ListedFault& b) {
    return place_of(a.fault) < place_of(b.fault);
  });
  const auto bits = [](const ListedFault& listed) {
    return listed.fault.bit_mask == 0 ? ~std::uint64_t{0} : listed.fault.bit_mask;
  };
  for (std::size_t i = 0; i < sorted.size();) {
    std::size_t end = i + 1;
    std::uint64_t taken = bits(sorted[i]);
    while (end < sorted.size() && place_of(sorted[end].fault) == place_of(sorted[i].fault)) {
      if ((taken & bits(sorted[end])) != 0) {
        const auto first = std::find_if(
            sorted.begin() + static_cast<std::ptrdiff_t>(i), sorted.end(),
            [&](const ListedFault& other) { return (bits(other) & bits(sorted[end])) != 0; });
        return std::pair{*first, sorted[end]};
      }
      taken |= bits(sorted[end++]);
    }
    i = end;
  }
  return std::nullopt;
}

Error list_error(const std::string& where, std::string what, std::string hint) {
  return {Errc::fault_set, where, std::move(what), std::move(hint), ""};
}

/// Slots of each epoch, and epochs.
struct Grid {
  std::uint64_t slots, epochs;
};

Result<Grid> grid_of(const std::vector<ListedFault>& faults, const ListContext& context,
                     const std::string& where, std::string_view origin) {
  Grid grid{context.samples ? context.provenance.schedule.slots(*context.samples) : 0, 0};
  for (const ListedFault& listed : faults) {
    if (context.samples && listed.slot >= grid.slots) {
      return list_error(
          where,
          fmt::format("{} {}: slot {} does not exist: {} samples have the slots 0 "
                      "to {}",
                      origin, listed.origin, listed.slot, *context.samples, grid.slots - 1),
          "correct the slot, or use more samples");
    }
    if (listed.slot == std::numeric_limits<std::uint64_t>::max()) {
      return list_error(
          where, fmt::format("{} {}: slot {} is too large", origin, listed.origin, listed.slot),
          "slots are counted from 0");
    }
    grid.slots = std::max(grid.slots, listed.slot + 1);
    grid.epochs = std::max(grid.epochs, std::uint64_t{listed.epoch} + 1);
  }
  std::uint64_t groups = 0;
  if (__builtin_mul_overflow(grid.slots, grid.epochs, &groups) ||
      groups > faults.size() + kMaxEmptyGroups || groups > kMaxFaults) {
    return list_error(where,
                      fmt::format("{} epochs of {} groups for {} faults are too many", grid.epochs,
                                  grid.slots, faults.size()),
                      "count epochs and slots from 0, without gaps");
  }
  return grid;
}

}  // namespace

Result<FaultSet> assemble(std::vector<ListedFault> faults, const ListContext& context,
                          const std::string& where, std::string_view origin) {
  if (faults.empty()) return list_error(where, "holds no fault", "list at least one");
  if (faults.size() > kMaxFaults) {
    return list_error(where,
                      fmt::format("{} faults, expected at most {}", faults.size(), kMaxFaults),
                      "split the list");
  }
  const auto grid = grid_of(faults, context, where, origin);
  if (!grid) return grid.error();
  std::stable_sort(faults.begin(), faults.end(), [](const ListedFault& a, const ListedFault& b) {
    return std::tie(a.epoch, a.slot) < std::tie(b.epoch, b.slot);
  });

  FaultSet set;
  set.provenance = context.provenance;
  set.sites = context.sites;
  set.groups.reserve(grid->slots * grid->epochs);
  set.faults.reserve(faults.size());
  set.sampling_weight.reserve(faults.size());
  std::vector<ListedFault> sorted;
  std::size_t next = 0;
  for (std::uint64_t g = 0; g < grid->slots * grid->epochs; ++g) {
    const auto epoch = static_cast<std::uint32_t>(g / grid->slots);
    const std::uint64_t slot = g % grid->slots;
    const std::size_t first = next;
    while (next < faults.size() && faults[next].epoch == epoch && faults[next].slot == slot) {
      set.faults.push_back(faults[next].fault);
      set.sampling_weight.push_back(faults[next].sampling_weight);
      ++next;
    }
    const std::size_t count = next - first;
    if (count > std::numeric_limits<std::uint32_t>::max()) {
      return list_error(where, fmt::format("group {} has {} faults", g, count), "split the group");
    }
    set.groups.push_back({epoch, slot, first, static_cast<std::uint32_t>(count)});
    if (count < 2) continue;
    const auto shared = clash(std::span(faults).subspan(first, count), sorted);
    if (!shared) continue;
    const auto& [a, b] = *shared;
    return list_error(
        where,
        fmt::format("{0} {1} and {0} {2} hit the same bit of element {3} of the {4} of "
                    "{5} in one group (epoch {6}, slot {7})",
                    origin, a.origin, b.origin, a.fault.element, name_of(kTargets, a.fault.target),
                    site_name(set.sites[a.fault.site]), epoch, slot),
        "leave one of them out, or put them into different groups");
  }
  const auto checked = check_consistent(set, where);
  if (!checked) return checked.error();
  return set;
}

// --- storage ---

namespace {

Error storage_error(std::string_view text, std::string what = "is no storage") {
  return {Errc::fault_set, "", in_quotes(text) + " " + std::move(what),
          "write it as in fp16, int8 scale 0.05 zero_point -3, or fixed Q3.12", ""};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<Storage> parse_storage(std::string_view text) {
  const auto words = split(text, ' ');
  const auto format = value_of(kNumberFormats, words[0]);
  if (!format) return storage_error(text);
  Storage storage;
  storage.format = *format;
  if (*format == NumberFormat::int8) {
    if (words.size() != 5 || words[1] != "scale" || words[3] != "zero_point") {
      return storage_error(text);
    }
    const auto scale = to_number<float>(words[2]);
    const auto zero_point = to_number<std::int32_t>(words[4]);
    if (!scale || !zero_point) return storage_error(text);
    storage.scale = *scale;
    storage.zero_point = *zero_point;
  } else if (*format == NumberFormat::fixed) {
    if (words.size() != 2 || !words[1].starts_with('Q')) return storage_error(text);
    const auto digits = split(words[1].substr(1), '.');
    if (digits.size() != 2) return storage_error(text);
    const auto integer = to_number<std::uint8_t>(digits[0]);
    const auto fraction = to_number<std::uint8_t>(digits[1]);
    if (!integer || !fraction) return storage_error(text);
    storage.integer_bits = *integer;
    storage.fraction_bits = *fraction;
  } else if (words.size() != 1) {
    return storage_error(text);
  }
  if (const auto bad = malformed(storage))
    return storage_error(text, "is no storage: " + bad->what);
  return storage;
}

// --- CSV ---

namespace {

enum class Column : std::uint8_t {
  fault,
  epoch,
  slot,
  site,
  call,
  target,
  element,
  index,
  bits,
  fault_model,
  value,
  storage,
  active_probability,
  sampling_weight,
};
constexpr std::array<std::string_view, 14> kColumns{"fault",
                                                    "epoch",
                                                    "slot",
                                                    "site",
                                                    "call",
                                                    "target",
                                                    "element",
                                                    "index",
                                                    "bits",
                                                    "fault_model",
                                                    "value",
                                                    "storage",
                                                    "active_probability",
                                                    "sampling_weight"};

class ListReader {
 public:
  ListReader(std::string_view text, const std::string& name, const ListContext& context);
  Result<FaultSet> read();

 private:
  using Row = std::vector<CsvCell>;
  std::optional<Error> read_header();
  std::optional<Error> read_row(const Row& row);
  std::optional<Error> read_group(const Row& row, ListedFault& listed);
  std::optional<Error> read_place(const Row& row, Fault& fault);
  std::optional<Error> read_site(const Row& row, Fault& fault);
  std::optional<Error> read_element(const Row& row, Fault& fault);
  std::optional<Error> read_model(const Row& row, Fault& fault);
  std::optional<Error> order_rows();
  Result<std::optional<std::uint64_t>> element_of_index(const Row& row, const Fault& fault);

  /// The cell of a column; none when there is no such column or the cell is empty.
  const CsvCell* given(const Row& row, Column column) const;
  /// A cell to blame: that of the column, or where the row starts.
  const CsvCell& place(const Row& row, Column column) const;
  Error error(const Row& row, Column column, std::string what, std::string hint = "") const;
  bool has(Column column) const { return columns_[static_cast<std::size_t>(column)].has_value(); }

  /// The number in a cell; `standard` where none is given.
  template <class T>
  Result<T> number(const Row& row, Column column, T standard) const;

  CsvReader reader_;
  std::string name_;
  const ListContext& context_;
  std::array<std::optional<std::size_t>, kColumns.size()> columns_;
  std::size_t width_ = 0;
  std::map<std::pair<std::string_view, std::uint32_t>, std::uint32_t> sites_;
  std::vector<ListedFault> faults_;
  std::vector<std::uint64_t> numbers_;  // column `fault`
};

std::string column_name(Column column) {
  return std::string(kColumns[static_cast<std::size_t>(column)]);
}

ListReader::ListReader(std::string_view text, const std::string& name, const ListContext& context)
    : reader_(Errc::fault_set, name, text), name_(name), context_(context) {
  for (std::uint32_t i = 0; i < context.sites.size(); ++i) {
    sites_.emplace(std::pair{std::string_view(context.sites[i].path), context.sites[i].call}, i);
  }
}

const CsvCell* ListReader::given(const Row& row, Column column) const {
  const auto at = columns_[static_cast<std::size_t>(column)];
  return at && !row[*at].text.empty() ? &row[*at] : nullptr;
}

const CsvCell& ListReader::place(const Row& row, Column column) const {
  return row[columns_[static_cast<std::size_t>(column)].value_or(0)];
}

Error ListReader::error(const Row& row, Column column, std::string what, std::string hint) const {
  return reader_.error(place(row, column), column_name(column) + ": " + std::move(what),
                       std::move(hint));
}

template <class T>
Result<T> ListReader::number(const Row& row, Column column, T standard) const {
  const CsvCell* cell = given(row, column);
  if (cell == nullptr) return standard;
  if (const auto value = to_number<T>(cell->text)) return *value;
  return error(row, column,
               fmt::format("expected {}, got {}",
                           std::is_integral_v<T> ? fmt::format("a whole number from 0 to {}",
                                                               std::numeric_limits<T>::max())
                                                 : std::string("a number"),
                           in_quotes(cell->text)));
}

std::optional<Error> ListReader::read_header() {
  const auto header = reader_.next();
  if (!header) return header.error();
  if (header->empty()) {
    return list_error(name_, "is empty",
                      "start with a header such as site,target,element,bits,fault_model");
  }
  width_ = header->size();
  for (std::size_t i = 0; i < width_; ++i) {
    const CsvCell& cell = (*header)[i];
    const auto* found = std::find(kColumns.begin(), kColumns.end(), cell.text);
    if (found == kColumns.end()) {
      const std::string_view near = did_you_mean(std::string_view(cell.text).substr(0, 64),
                                                 {kColumns.begin(), kColumns.end()});
      return reader_.error(cell, "unknown column " + in_quotes(cell.text),
                           near.empty() ? fmt::format("columns: {}", fmt::join(kColumns, ", "))
                                        : fmt::format("did you mean '{}'?", near));
    }
    auto& column = columns_[static_cast<std::size_t>(found - kColumns.begin())];
    if (column) return reader_.error(cell, fmt::format("column '{}' twice", cell.text));
    column = i;
  }
  const auto missing = [&](std::string_view what) {
    return reader_.error(header->front(), fmt::format("column {} is missing", what),
                         fmt::format("columns: {}", fmt::join(kColumns, ", ")));
  };
  for (const Column column : {Column::site, Column::target, Column::fault_model}) {
    if (!has(column)) return missing("'" + column_name(column) + "'");
  }
  if (!has(Column::element) && !has(Column::index)) return missing("'element' or 'index'");
  const bool per_epoch = context_.provenance.schedule.policy == Policy::per_epoch;
  if (has(Column::slot) && !has(Column::epoch)) return missing("'epoch', which goes with 'slot',");
  if (has(Column::epoch) && !has(Column::slot) && !per_epoch) {
    return missing("'slot', which goes with 'epoch',");
  }
  return std::nullopt;
}

std::optional<Error> ListReader::read_group(const Row& row, ListedFault& listed) {
  if (!has(Column::epoch)) {
    const std::uint64_t group = faults_.size();
    const Schedule& schedule = context_.provenance.schedule;
    const bool per_epoch = schedule.policy == Policy::per_epoch;
    const std::uint64_t slots = per_epoch          ? 1
                                : context_.samples ? schedule.slots(*context_.samples)
                                                   : std::numeric_limits<std::uint64_t>::max();
    if (group / slots > std::numeric_limits<std::uint32_t>::max()) {
      return error(row, Column::site, "too many rows");
    }
    listed.epoch = static_cast<std::uint32_t>(group / slots);
    listed.slot = group % slots;
    return std::nullopt;
  }
  for (const Column column : {Column::epoch, Column::slot}) {
    if (has(column) && given(row, column) == nullptr) return error(row, column, "is empty");
  }
  const auto epoch = number<std::uint32_t>(row, Column::epoch, 0);
  if (!epoch) return epoch.error();
  const auto slot = number<std::uint64_t>(row, Column::slot, 0);
  if (!slot) return slot.error();
  if (*slot > 0 && context_.provenance.schedule.policy == Policy::per_epoch) {
    return error(row, Column::slot, fmt::format("{}, but policy per_epoch has only slot 0", *slot),
                 "use another policy, or give the group an epoch of its own");
  }
  listed.epoch = *epoch;
  listed.slot = *slot;
  return std::nullopt;
}

std::optional<Error> ListReader::read_site(const Row& row, Fault& fault) {
  const CsvCell* cell = given(row, Column::site);
  // The network itself is a module whose path may be empty.
  const std::string_view path = cell == nullptr ? std::string_view() : cell->text;
  const auto call = number<std::uint32_t>(row, Column::call, 0);
  if (!call) return call.error();
  const auto found = sites_.find({path, *call});
  if (found != sites_.end()) {
    fault.site = found->second;
    return std::nullopt;
  }
  const auto calls = std::count_if(context_.sites.begin(), context_.sites.end(),
                                   [&](const Site& site) { return site.path == path; });
  if (calls > 0) {
    return error(row, Column::call, fmt::format("{} has no call {}", in_quotes(path), *call),
                 calls == 1 ? "it is called once: 0" : fmt::format("0 to {}", calls - 1));
  }
  std::vector<std::string_view> paths;
  for (const Site& site : context_.sites) paths.push_back(site.path);
  const std::string_view near = did_you_mean(path.substr(0, 64), paths);
  return error(row, Column::site, "the model has no site " + in_quotes(path),
               near.empty() ? "`bitquake model info` shows the sites"
                            : fmt::format("did you mean '{}'?", near));
}

Result<std::optional<std::uint64_t>> ListReader::element_of_index(const Row& row,
                                                                  const Fault& fault) {
  const auto& shape = tensor_shape(context_.sites[fault.site], fault.target);
  const CsvCell* cell = given(row, Column::index);
  if (cell == nullptr) {
    const bool scalar = has(Column::index) && shape.empty();
    return scalar ? std::optional<std::uint64_t>(0) : std::nullopt;
  }
  const auto parts = split(cell->text, ';');
  if (parts.size() != shape.size()) {
    return error(row, Column::index,
                 fmt::format("{} numbers for the {} dimensions of {}", parts.size(), shape.size(),
                             shape.empty() ? "a scalar" : shape_text(shape)),
                 "separate them with ';'");
  }
  std::uint64_t element = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto position = to_number<std::uint64_t>(parts[i]);
    const auto size = static_cast<std::uint64_t>(shape[i]);
    if (!position || *position >= size) {
      return error(row, Column::index,
                   fmt::format("{} is outside {}", in_quotes(cell->text), shape_text(shape)));
    }
    element = element * size + *position;
  }
  return std::optional(element);
}

std::optional<Error> ListReader::read_element(const Row& row, Fault& fault) {
  const Site& site = context_.sites[fault.site];
  const std::uint64_t count = site_elements(site, fault.target);
  if (count == 0) {
    const bool repeated = is_parameter(fault.target) && site.call > 0;
    return error(row, Column::target,
                 fmt::format("{} has no {}", site_name(site), name_of(kTargets, fault.target)),
                 repeated ? "parameters belong to the first call: call 0" : "");
  }
  const auto indexed = element_of_index(row, fault);
  if (!indexed) return indexed.error();
  const CsvCell* cell = given(row, Column::element);
  if (cell == nullptr && !*indexed) {
    return error(row, has(Column::element) ? Column::element : Column::index, "is empty");
  }
  const auto element = number<std::uint64_t>(row, Column::element, indexed->value_or(0));
  if (!element) return element.error();
  if (*element >= count) {
    return error(row, Column::element,
                 fmt::format("{} is outside the {} of {}, which has {}", *element,
                             name_of(kTargets, fault.target), site_name(site), count));
  }
  if (*indexed && **indexed != *element) {
    return error(row, Column::index,
                 fmt::format("names element {}, column element {}", **indexed, *element),
                 "correct or remove one of them");
  }
  fault.element = *element;
  return std::nullopt;
}

std::optional<Error> ListReader::read_place(const Row& row, Fault& fault) {
  if (auto failed = read_site(row, fault)) return failed;
  const std::string& word = place(row, Column::target).text;
  const auto target = value_of(kTargets, word);
  if (!target) {
    std::vector<std::string_view> names;
    for (const auto& entry : kTargets) names.push_back(entry.name);
    const std::string_view near = did_you_mean(std::string_view(word).substr(0, 64), names);
    return error(row, Column::target, "unknown target " + in_quotes(word),
                 near.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                              : fmt::format("did you mean '{}'?", near));
  }
  fault.target = *target;
  return read_element(row, fault);
}

std::optional<Error> ListReader::read_model(const Row& row, Fault& fault) {
  if (const CsvCell* cell = given(row, Column::storage)) {
    const auto storage = parse_storage(cell->text);
    if (!storage) return error(row, Column::storage, storage.error().what, storage.error().hint);
    fault.storage = *storage;
  }
  const std::string& word = place(row, Column::fault_model).text;
  const auto model = value_of(fault_models(), word);
  if (!model) {
    std::vector<std::string_view> names;
    for (const auto& entry : fault_models()) names.push_back(entry.name);
    const std::string_view near = did_you_mean(std::string_view(word).substr(0, 64), names);
    return error(row, Column::fault_model, "unknown fault model " + in_quotes(word),
                 near.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                              : fmt::format("did you mean '{}'?", near));
  }
  fault.model = *model;
  const FaultModelInfo& info = fault_model_info(*model);

  const CsvCell* bits = given(row, Column::bits);
  if (info.bits == nullptr && bits != nullptr) {
    return error(row, Column::bits, fmt::format("{} acts on values, not on bits", word),
                 "leave the cell empty");
  }
  if (info.bits != nullptr) {
    if (bits == nullptr) {
      return error(row, Column::bits, fmt::format("{} needs bits", word),
                   "write them in column `bits`: 3;7, 23-30 or exponent");
    }
    std::vector<std::string> items;
    for (const std::string_view item : split(bits->text, ';')) items.emplace_back(item);
    const auto numbers = bits_of(items, fault.storage);
    if (!numbers) {
      return error(row, Column::bits, printable(numbers.error().what), numbers.error().hint);
    }
    for (const std::uint32_t bit : *numbers) fault.bit_mask |= std::uint64_t{1} << bit;
  }

  const CsvCell* value = given(row, Column::value);
  if (info.source == ValueSource::none && value != nullptr) {
    return error(row, Column::value, fmt::format("{} needs no value", word),
                 "leave the cell empty");
  }
  if (info.source != ValueSource::none) {
    if (value == nullptr) return error(row, Column::value, fmt::format("{} needs a value", word));
    const auto number_given = number<float>(row, Column::value, 0);
    if (!number_given) return number_given.error();
    fault.value = std::isnan(*number_given) ? to_bits(std::numeric_limits<float>::quiet_NaN())
                                            : to_bits(*number_given);
  }
  return std::nullopt;
}

std::optional<Error> ListReader::read_row(const Row& row) {
  ListedFault listed;
  listed.origin = row.front().line;
  if (auto failed = read_group(row, listed)) return failed;
  if (auto failed = read_place(row, listed.fault)) return failed;
  if (auto failed = read_model(row, listed.fault)) return failed;
  const auto active = number<float>(row, Column::active_probability, 1);
  if (!active) return active.error();
  if (!(*active > 0 && *active <= 1)) {
    return error(row, Column::active_probability,
                 fmt::format("{}, expected a number above 0, at most 1", shortest(*active)));
  }
  listed.fault.active_probability = *active;
  const auto weight = number<double>(row, Column::sampling_weight, 1);
  if (!weight) return weight.error();
  if (!std::isfinite(*weight) || *weight <= 0) {
    return error(row, Column::sampling_weight,
                 fmt::format("{}, expected a finite number above 0", shortest(*weight)));
  }
  listed.sampling_weight = *weight;
  if (has(Column::fault)) {
    if (given(row, Column::fault) == nullptr) return error(row, Column::fault, "is empty");
    const auto number_of_row = number<std::uint64_t>(row, Column::fault, 0);
    if (!number_of_row) return number_of_row.error();
    numbers_.push_back(*number_of_row);
  }
  faults_.push_back(listed);
  return std::nullopt;
}

/// Puts rows in the order of their numbers; a number twice is an error.
std::optional<Error> ListReader::order_rows() {
  if (numbers_.empty()) return std::nullopt;
  std::vector<std::size_t> order(faults_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return numbers_[a] < numbers_[b]; });
  std::vector<ListedFault> ordered;
  ordered.reserve(faults_.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && numbers_[order[i]] == numbers_[order[i - 1]]) {
      return list_error(
          name_,
          fmt::format("line {} and line {} are both fault {}", faults_[order[i - 1]].origin,
                      faults_[order[i]].origin, numbers_[order[i]]),
          "number them differently, or remove the column 'fault'");
    }
    ordered.push_back(faults_[order[i]]);
  }
  faults_ = std::move(ordered);
  return std::nullopt;
}

Result<FaultSet> ListReader::read() {
  if (const auto failed = read_header()) return *failed;
  while (true) {
    const auto row = reader_.next();
    if (!row) return row.error();
    if (row->empty()) break;
    if (row->size() != width_) {
      return reader_.error(row->front(),
                           fmt::format("{} cells, the header has {}", row->size(), width_));
    }
    if (faults_.size() >= kMaxFaults) {
      return reader_.error(row->front(), fmt::format("more than {} faults", kMaxFaults));
    }
    if (const auto failed = read_row(*row)) return *failed;
  }
  const Schedule& schedule = context_.provenance.schedule;
  if (!has(Column::epoch) && context_.samples && schedule.policy != Policy::per_epoch &&
      faults_.size() % schedule.slots(*context_.samples) != 0) {
    return list_error(
        name_,
        fmt::format("{} rows do not fill epochs of {} groups", faults_.size(),
                    schedule.slots(*context_.samples)),
        "give columns 'epoch' and 'slot', or as many samples as the list has groups for");
  }
  if (const auto failed = order_rows()) return *failed;
  return assemble(std::move(faults_), context_, name_, "line");
}

}  // namespace

Result<FaultSet> parse_fault_list(std::string_view text, const std::string& name,
                                  const ListContext& context) {
  return ListReader(text, name, context).read();
}

}  // namespace bitquake::faultgen
