#include "faultgen/bits.hpp"
#include "faultgen/fault_set.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/sealed_h5.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace bitquake::faultgen {
namespace {

constexpr const char* kFormat = "bitquake fault set";
constexpr std::uint64_t kMaxStorages = 1'000'000, kMaxStrata = 100'000'000;

/// One member of every row as a column of its own.
template <class T, class Rows, class Get>
struct Column {
  const Rows& rows;
  Get get;
};
template <class T, class Rows, class Get>
Column<T, Rows, Get> column(const Rows& rows, Get get) {
  return {rows, get};
}

template <class Get>
std::vector<std::string> texts(const std::vector<Site>& sites, Get get) {
  std::vector<std::string> values;
  for (const Site& site : sites) values.push_back(get(site));
  return values;
}

/// "0 bit_flip, 1 stuck_at_0, …" for the doc of a column of codes.
template <class Registry>
std::string codes(const Registry& registry) {
  std::string text;
  for (const auto& entry : registry) {
    if (!text.empty()) text += ", ";
    text += std::to_string(static_cast<unsigned>(entry.value)) + " " + std::string(entry.name);
  }
  return text;
}

using Codes = std::array<std::uint8_t, kMaxFaultModels>;

/// Fault models by their codes in the file: the built-in ones, then the registered ones that occur,
/// by name. So equal sets give equal bytes, whatever a program registers and in which order.
std::vector<Named<std::uint8_t>> models_of(const BigVector<Fault>& faults) {
  std::array<bool, kMaxFaultModels> occurs{};
  for (const Fault& fault : faults) {
    occurs[static_cast<std::size_t>(fault.model)] = true;
  }
  std::vector<Named<std::uint8_t>> models;
  for (const FaultModelInfo& info : fault_models()) {
    if (is_registered_by_program(info.value) && !occurs[static_cast<std::size_t>(info.value)]) {
      continue;
    }
    models.push_back({0, info.name, info.doc});
  }
  std::sort(models.begin() + kBuiltInFaultModels.size(), models.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (std::size_t i = 0; i < models.size(); ++i) models[i].value = static_cast<std::uint8_t>(i);
  return models;
}

/// The code in the file of each fault model of this process.
Codes codes_in_file(const std::vector<Named<std::uint8_t>>& models) {
  Codes codes;
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  for (const auto& [code, name, doc] : models) {
    codes[static_cast<std::size_t>(value_of(fault_models(), name).value())] = code;
  }
  return codes;
}

template <class T, class Rows, class Get>
void write(h5::File& file, const std::string& name, const Column<T, Rows, Get>& values,
           std::string doc) {
  file.write_column<T>(name, values.rows, values.get, {"1", std::move(doc)});
}

void write_provenance(h5::File& file, const Provenance& provenance) {
  file.set_attribute("format", std::string(kFormat));
  file.set_attribute("format_version", kFaultSetVersion);
  file.set_attribute("seed", provenance.seed);
  file.set_attribute("generator", provenance.generator);
  file.set_attribute("model_sha256", provenance.model_sha256);
  file.set_attribute("input_shape", shape_text(provenance.input_shape));
  file.set_attribute("policy", std::string(name_of(kPolicies, provenance.schedule.policy)));
  file.set_attribute("batch_size", provenance.schedule.batch_size);
  file.set_attribute("scenario", provenance.scenario);
}

/// The storages that occur, fp32 first, and for each fault its row.
void write_storages(h5::File& file, const BigVector<Fault>& faults) {
  std::vector<Storage> storages{Storage{}};
  std::size_t last = 0;  // neighbours are often alike
  const auto row_of = [&](const Fault& fault) {
    if (storages[last] != fault.storage) {
      last = static_cast<std::size_t>(std::find(storages.begin(), storages.end(), fault.storage) -
                                      storages.begin());
      if (last == storages.size()) storages.push_back(fault.storage);
    }
    return static_cast<std::uint32_t>(last);
  };
  write(file, "faults/storage", column<std::uint32_t>(faults, row_of),
        "row of /storages: how the value is held");
  using S = Storage;
  write(file, "storages/format",
        column<std::uint8_t>(storages,
                             [](const S& s) { return static_cast<std::uint8_t>(s.format); }),
        codes(kNumberFormats));
  write(file, "storages/scale", column<float>(storages, [](const S& s) { return s.scale; }),
        "int8: value of one step");
  write(file, "storages/zero_point",
        column<std::int32_t>(storages, [](const S& s) { return s.zero_point; }),
        "int8: what stands for 0");
  write(file, "storages/integer_bits",
        column<std::uint8_t>(storages, [](const S& s) { return s.integer_bits; }),
        "fixed: bits before the point");
  write(file, "storages/fraction_bits",
        column<std::uint8_t>(storages, [](const S& s) { return s.fraction_bits; }),
        "fixed: bits behind the point");
}

constexpr std::int64_t kAll = -1;  ///< in a column of sites or bits

std::int64_t or_all(const std::optional<std::uint32_t>& number) {
  return number ? std::int64_t{*number} : kAll;
}

void write_strata(h5::File& file, const FaultSet& set) {
  write(file, "faults/stratum", column<std::uint32_t>(set.stratum, std::identity()),
        "row of /strata");
  const auto& strata = set.strata;
  using S = Stratum;
  write(file, "strata/site",
        column<std::int64_t>(strata, [](const S& s) { return or_all(s.site); }),
        "row of /sites; -1: all chosen sites");
  write(file, "strata/bit", column<std::int64_t>(strata, [](const S& s) { return or_all(s.bit); }),
        "bit; -1: all chosen bits");
  write(file, "strata/population",
        column<std::uint64_t>(strata, [](const S& s) { return s.population; }),
        "single faults: elements x bits x levels");
  write(file, "strata/size", column<std::uint64_t>(strata, [](const S& s) { return s.size; }),
        "faults drawn from it without replacement");
}

void write_faults(h5::File& file, const FaultSet& set) {
  const auto& faults = set.faults;
  const auto models = models_of(faults);
  const Codes model_codes = codes_in_file(models);
  write(file, "faults/site", column<std::uint32_t>(faults, [](const Fault& f) { return f.site; }),
        "row of /sites");
  write(file, "faults/target",
        column<std::uint8_t>(faults,
                             [](const Fault& f) { return static_cast<std::uint8_t>(f.target); }),
        codes(kTargets));
  write(file, "faults/element",
        column<std::uint64_t>(faults, [](const Fault& f) { return f.element; }),
        "row-major position in the tensor as stored; neurons: without the batch dimension");
  write(file, "faults/bit_mask",
        column<std::uint64_t>(faults, [](const Fault& f) { return f.bit_mask; }),
        "bits concerned, LSB = bit 0; fp32: 0-22 mantissa, 23-30 exponent, 31 sign");
  write(file, "faults/fault_model",
        column<std::uint8_t>(
            faults, [&](const Fault& f) { return model_codes[static_cast<std::size_t>(f.model)]; }),
        codes(models));
  write(file, "faults/value",
        column<float>(faults, [](const Fault& f) { return from_bits(f.value); }),
        "set by set_value and random_value, added by gaussian; else 0");
  write(file, "faults/active_probability",
        column<float>(faults, [](const Fault& f) { return f.active_probability; }),
        "with which the fault acts in a trial");
  write(file, "faults/sampling_weight", column<double>(set.sampling_weight, std::identity()),
        "how much the fault counts in a rate over uniformly drawn elements");
  write_storages(file, faults);
  if (!set.strata.empty()) write_strata(file, set);
}

void write_groups(h5::File& file, const BigVector<FaultGroup>& groups) {
  using Group = FaultGroup;
  write(file, "groups/epoch", column<std::uint32_t>(groups, [](const Group& g) { return g.epoch; }),
        "pass over the data set, from 0");
  write(file, "groups/slot", column<std::uint64_t>(groups, [](const Group& g) { return g.slot; }),
        "which samples of the epoch: position of the sample (policy per_image) or of the batch of "
        "batch_size samples (per_batch) in the subset; 0: all (per_epoch)");
  write(file, "groups/first_fault",
        column<std::uint64_t>(groups, [](const Group& g) { return g.first_fault; }),
        "first row of /faults");
  write(file, "groups/n_faults",
        column<std::uint32_t>(groups, [](const Group& g) { return g.n_faults; }),
        "faults present together, rows of /faults");
}

struct ShapeColumn {
  const char* name = nullptr;
  const char* doc = nullptr;
  std::vector<std::int64_t> Site::*member = nullptr;
  bool optional = false;  ///< version 1 had none
};
constexpr std::array kShapeColumns{
    ShapeColumn{"sites/weight_shape", "weight tensor as stored, outermost dimension first",
                &Site::weight_shape},
    ShapeColumn{"sites/output_shape",
                "output tensor without the batch dimension, outermost dimension first",
                &Site::output_shape},
    ShapeColumn{"sites/bias_shape", "bias tensor; empty: none", &Site::bias_shape, true},
    ShapeColumn{"sites/stats_shape", "stored mean and variance; empty: none", &Site::stats_shape,
                true},
    ShapeColumn{"sites/input_shape", "input tensor without the batch dimension; empty: no target",
                &Site::input_shape, true}};

void write_sites(h5::File& file, const std::vector<Site>& sites) {
  file.write_strings("sites/path", texts(sites, [](const Site& s) { return s.path; }),
                     {"1", "module path"});
  write(file, "sites/call", column<std::uint32_t>(sites, [](const Site& s) { return s.call; }),
        "0: first call of the module, 1: second, and so on");
  file.write_strings("sites/kind",
                     texts(sites, [](const Site& s) { return std::string(to_string(s.kind)); }),
                     {"1", "operation"});
  for (const ShapeColumn& shapes : kShapeColumns) {
    file.write_strings(shapes.name,
                       texts(sites, [&](const Site& s) { return shape_text(s.*shapes.member); }),
                       {"1", shapes.doc});
  }
  write(
      file, "sites/neurons",
      column<std::uint64_t>(sites, [](const Site& s) { return site_elements(s, Target::neuron); }),
      "elements of the output that neuron faults can hit");
  write(
      file, "sites/weights",
      column<std::uint64_t>(sites, [](const Site& s) { return site_elements(s, Target::weight); }),
      "elements of the weight that weight faults can hit; 0 for a repeated call");
}

void write_file(const FaultSet& set, const std::filesystem::path& path) {
  h5::File file = h5::File::create(path, Errc::results);
  write_provenance(file, set.provenance);
  write_faults(file, set);
  write_groups(file, set.groups);
  write_sites(file, set.sites);
  file.close();
  seal_file(path);
}

/// "6x1x5x5" -> {6, 1, 5, 5}, "" -> {}; nothing when it is no shape.
std::optional<std::vector<std::int64_t>> parse_shape(std::string_view text) {
  std::vector<std::int64_t> shape;
  if (text.empty()) return shape;
  const char* next = text.data();
  const char* const end = next + text.size();
  while (true) {
    std::int64_t size = 0;
    const auto [rest, status] = std::from_chars(next, end, size);
    if (status != std::errc{} || size < 0) return std::nullopt;
    shape.push_back(size);
    if (rest == end) return shape;
    if (*rest != 'x') return std::nullopt;
    next = rest + 1;
  }
}

/// "0 bit_flip, 1 stuck_at_0" -> the names by their codes, "" where there is none; nothing when it
/// is no such table.
std::optional<std::array<std::string, kMaxFaultModels>> parse_codes(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";
  std::array<std::string, kMaxFaultModels> names;
  while (true) {
    std::uint8_t code = 0;
    const auto [rest, status] = std::from_chars(text.data(), text.data() + text.size(), code);
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    if (status != std::errc{} || !text.starts_with(' ')) return std::nullopt;
    text.remove_prefix(1);
    const std::size_t letters = std::min(text.find_first_not_of(kLetters), text.size());
    if (letters == 0 || !names[code].empty()) return std::nullopt;
    names[code] = text.substr(0, letters);
    text.remove_prefix(letters);
    if (text.empty()) return names;
    if (!text.starts_with(", ")) return std::nullopt;
    text.remove_prefix(2);
  }
}

/// Reads the parts of a file one after the other; every failure is an Exception (fault_set).
class Reader {
 public:
  explicit Reader(const h5::File& file) : file_(file) {}

  FaultSet read() const {
    check_format();
    FaultSet set;
    set.provenance = read_provenance();
    set.sites = read_sites();
    set.groups = read_groups();
    set.faults = read_faults();
    fill("faults/sampling_weight", set.faults.size(), set.sampling_weight);
    if (file_.has("strata/site")) read_strata(set);
    return set;
  }

  /// /sites counts its elements for people; they must agree with the shapes all the same.
  /// @pre the sites are consistent
  void check_site_counts(const std::vector<Site>& sites) const {
    for (const Target target : {Target::neuron, Target::weight}) {
      const std::string name = target == Target::neuron ? "sites/neurons" : "sites/weights";
      const auto counts = read_column<std::uint64_t>(name, sites.size());
      for (std::size_t i = 0; i < sites.size(); ++i) {
        if (counts[i] == site_elements(sites[i], target)) continue;
        refuse("column '" + name + "' disagrees with the shapes of site " + std::to_string(i),
               "the file is damaged; draw the set again");
      }
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& hint) const {
    throw Exception({Errc::fault_set, file_.path().string(), what, hint, ""});
  }

  void check_format() const {
    if (!file_.has_attribute("format")) {
      refuse("is no fault set: it has no attribute 'format'", "name a fault set file");
    }
    const std::string format = file_.string_attribute("format");
    if (format != kFormat) {
      refuse("holds '" + format + "', expected '" + kFormat + "'", "name a fault set file");
    }
    const std::uint64_t version = file_.integer_attribute("format_version");
    if (version < 1 || version > kFaultSetVersion) {
      refuse("has format version " + std::to_string(version) + ", this program reads up to " +
                 std::to_string(kFaultSetVersion),
             "use a newer Bitquake, or draw the set again");
    }
  }

  std::vector<std::int64_t> shape(const std::string& text, const std::string& name) const {
    auto parsed = parse_shape(text);
    if (!parsed) refuse(name + " is '" + text + "', expected a shape such as 6x1x5x5", "");
    return std::move(*parsed);
  }

  Provenance read_provenance() const {
    Provenance provenance;
    provenance.seed = file_.integer_attribute("seed");
    provenance.generator = file_.string_attribute("generator");
    provenance.model_sha256 = file_.string_attribute("model_sha256");
    provenance.input_shape = shape(file_.string_attribute("input_shape"), "input_shape");
    provenance.schedule = read_schedule();
    provenance.scenario = file_.string_attribute("scenario");
    return provenance;
  }

  Schedule read_schedule() const {
    const std::string name = file_.string_attribute("policy");
    const auto policy = value_of(kPolicies, name);
    if (!policy) {
      refuse("unknown policy '" + name + "'", "use a newer Bitquake, or draw the set again");
    }
    return {*policy, file_.integer_attribute("batch_size")};
  }

  void check_length(const std::string& name, std::uint64_t length, std::uint64_t rows) const {
    if (length == rows) return;
    refuse("column '" + name + "' has " + std::to_string(length) + " rows, expected " +
               std::to_string(rows),
           "the file is damaged; draw the set again");
  }

  /// Refuses a column that has not so many rows, or cannot have them.
  void check_rows(const std::string& name, std::uint64_t rows, std::uint64_t width) const {
    check_length(name, file_.length(name), rows);
    if (plausible(rows, width)) return;
    refuse("column '" + name + "' claims " + std::to_string(rows) +
               " rows, more than the file can hold",
           "the file is damaged; draw the set again");
  }

  template <class T>
  std::vector<T> read_column(const std::string& name, std::uint64_t rows) const {
    check_rows(name, rows, sizeof(T));
    return file_.read_column<T>(name);
  }

  /// Calls take(row, value) for the rows of a column, which are those of `table`.
  template <class T, class Row, class Take>
  void read_into(const std::string& name, std::uint64_t rows, BigVector<Row>& table,
                 Take take) const {
    check_rows(name, rows, sizeof(T));
    table.resize(rows);
    file_.read_each<T>(name, take);
  }
  template <class T, class Row>
  void fill(const std::string& name, std::uint64_t rows, BigVector<Row>& table,
            T Row::*member) const {
    read_into<T>(name, rows, table, [&](std::uint64_t i, T value) { table[i].*member = value; });
  }
  template <class T>
  void fill(const std::string& name, std::uint64_t rows, BigVector<T>& values) const {
    read_into<T>(name, rows, values, [&](std::uint64_t i, T value) { values[i] = value; });
  }

  std::vector<std::string> read_strings(const std::string& name, std::uint64_t rows) const {
    check_length(name, file_.length(name), rows);
    return file_.read_strings(name);
  }

  /// Whether `rows` numbers can come out of the file at all: a header can claim any length. Deflate
  /// shrinks by 1032 at most (Deutsch, RFC 1951: 258 bytes for 2 bits).
  bool plausible(std::uint64_t rows, std::uint64_t width) const {
    constexpr std::uint64_t kMostShrink = 1032;
    std::error_code status;
    const std::uintmax_t bytes = std::filesystem::file_size(file_.path(), status);
    return !status && rows / kMostShrink <= bytes / width;
  }

  /// Rows of a table, bounded before anything is allocated for them.
  std::uint64_t rows(const std::string& name, std::uint64_t most) const {
    const std::uint64_t length = file_.length(name);
    if (length > most) {
      refuse("column '" + name + "' has " + std::to_string(length) + " rows, expected at most " +
                 std::to_string(most),
             "the file is damaged; draw the set again");
    }
    return length;
  }

  SiteKind kind(const std::string& name) const {
    if (const auto known = value_of(kSiteKinds, name)) return *known;
    refuse("unknown kind of site '" + name + "'", "use a newer Bitquake, or draw the set again");
  }

  std::vector<Site> read_sites() const {
    constexpr std::uint64_t kMaxSites = 1'000'000;
    const std::uint64_t n = rows("sites/path", kMaxSites);
    const auto paths = read_strings("sites/path", n);
    const auto calls = read_column<std::uint32_t>("sites/call", n);
    const auto kinds = read_strings("sites/kind", n);
    std::vector<Site> sites;
    for (std::uint64_t i = 0; i < n; ++i) {
      sites.push_back({paths[i], calls[i], kind(kinds[i]), {}, {}});
    }
    for (const ShapeColumn& shapes : kShapeColumns) {
      if (shapes.optional && !file_.has(shapes.name)) continue;
      const auto texts = read_strings(shapes.name, n);
      for (std::uint64_t i = 0; i < n; ++i) {
        sites[i].*shapes.member = shape(texts[i], shapes.name);
      }
    }
    return sites;
  }

  BigVector<FaultGroup> read_groups() const {
    BigVector<FaultGroup> groups;
    const std::uint64_t n = rows("groups/epoch", kMaxFaults);
    fill("groups/epoch", n, groups, &FaultGroup::epoch);
    fill("groups/slot", n, groups, &FaultGroup::slot);
    fill("groups/first_fault", n, groups, &FaultGroup::first_fault);
    fill("groups/n_faults", n, groups, &FaultGroup::n_faults);
    return groups;
  }

  /// The fault models of the file, by name: another program can have registered them in another
  /// order. Without a table of names (a set made with h5py) the codes are those of built-in models.
  std::array<std::string, kMaxFaultModels> read_model_names() const {
    const std::string table = file_.column_doc("faults/fault_model").doc;
    if (table.empty()) {
      std::array<std::string, kMaxFaultModels> names;
      for (const FaultModelInfo& info : kBuiltInFaultModels) {
        names[static_cast<std::size_t>(info.value)] = info.name;
      }
      return names;
    }
    auto names = parse_codes(table);
    if (!names) {
      refuse("attribute 'doc' of column 'faults/fault_model' is no table of codes and names",
             "write it as in: 0 bit_flip, 1 stuck_at_0, 2 stuck_at_1");
    }
    return std::move(*names);
  }

  /// Fault models of this process for the codes of the file.
  void read_models(BigVector<Fault>& faults) const {
    const auto names = read_model_names();
    std::array<std::optional<FaultModel>, kMaxFaultModels> models;
    for (std::size_t code = 0; code < names.size(); ++code) {
      models[code] = value_of(fault_models(), names[code]);
    }
    read_into<std::uint8_t>("faults/fault_model", faults.size(), faults,
                            [&](std::uint64_t i, std::uint8_t code) {
                              if (!models[code]) refuse_model(i, code, names[code]);
                              faults[i].model = *models[code];
                            });
  }

  [[noreturn]] void refuse_model(std::size_t fault, unsigned code, const std::string& name) const {
    const std::string where = "fault " + std::to_string(fault) + ": ";
    if (name.empty()) {
      refuse(where + "unknown fault model " + std::to_string(code),
             "the file is damaged; draw the set again");
    }
    refuse(where + "fault model '" + name + "' is not registered in this program",
           "read the file with a program that registers it first "
           "(faultgen::register_fault_model)");
  }

  BigVector<Fault> read_faults() const {
    BigVector<Fault> faults;
    const std::uint64_t n = rows("faults/site", kMaxFaults);
    fill("faults/site", n, faults, &Fault::site);
    read_into<std::uint8_t>("faults/target", n, faults, [&](std::uint64_t i, std::uint8_t target) {
      faults[i].target = Target{target};
    });
    fill("faults/element", n, faults, &Fault::element);
    fill("faults/bit_mask", n, faults, &Fault::bit_mask);
    read_models(faults);
    if (file_.has("faults/value")) {
      read_into<float>("faults/value", n, faults,
                       [&](std::uint64_t i, float value) { faults[i].value = to_bits(value); });
    }
    if (file_.has("faults/active_probability")) {
      fill("faults/active_probability", n, faults, &Fault::active_probability);
    }
    if (file_.has("faults/storage")) read_storages(faults);
    return faults;
  }

  void read_strata(FaultSet& set) const {
    const std::uint64_t n = rows("strata/site", kMaxStrata);
    const auto sites = read_column<std::int64_t>("strata/site", n);
    const auto bits = read_column<std::int64_t>("strata/bit", n);
    const auto populations = read_column<std::uint64_t>("strata/population", n);
    const auto sizes = read_column<std::uint64_t>("strata/size", n);
    for (std::uint64_t i = 0; i < n; ++i) {
      set.strata.push_back({number(sites[i], "strata/site"), number(bits[i], "strata/bit"),
                            populations[i], sizes[i]});
    }
    fill("faults/stratum", set.faults.size(), set.stratum);
  }

  /// Of a column of sites or bits.
  std::optional<std::uint32_t> number(std::int64_t value, const char* name) const {
    if (value == kAll) return std::nullopt;
    if (value >= 0 && value <= std::numeric_limits<std::uint32_t>::max()) {
      return static_cast<std::uint32_t>(value);
    }
    refuse("column '" + std::string(name) + "' holds " + std::to_string(value),
           "the file is damaged; draw the set again");
  }

  void read_storages(BigVector<Fault>& faults) const {
    const std::uint64_t n = rows("storages/format", kMaxStorages);
    const auto formats = read_column<std::uint8_t>("storages/format", n);
    const auto scales = read_column<float>("storages/scale", n);
    const auto zeros = read_column<std::int32_t>("storages/zero_point", n);
    const auto integers = read_column<std::uint8_t>("storages/integer_bits", n);
    const auto fractions = read_column<std::uint8_t>("storages/fraction_bits", n);
    const auto take = [&](std::uint64_t i, std::uint32_t row) {
      if (row >= n || formats[row] >= kNumberFormats.size()) {
        refuse("fault " + std::to_string(i) + ": storage " + std::to_string(row) +
                   " does not exist or has an unknown format",
               "the file is damaged; draw the set again");
      }
      faults[i].storage = {NumberFormat{formats[row]}, scales[row], zeros[row], integers[row],
                           fractions[row]};
    };
    read_into<std::uint32_t>("faults/storage", faults.size(), faults, take);
  }

  const h5::File& file_;
};

}  // namespace

void write_fault_set(const FaultSet& set, const std::filesystem::path& path) {
  write_durably(path, [&](const std::filesystem::path& temporary) { write_file(set, temporary); });
}

Result<FaultSet> read_fault_set(const std::filesystem::path& path) {
  return read_sealed_h5(path, SealRule::optional, Errc::fault_set, "draw the set again",
                        [&](const h5::File& file) {
                          const Reader reader(file);
                          FaultSet set = reader.read();
                          value_or_throw(check_consistent(set, path.string()));
                          reader.check_site_counts(set.sites);
                          return set;
                        });
}

}  // namespace bitquake::faultgen
