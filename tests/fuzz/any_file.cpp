#include "tests/fuzz/any_file.hpp"

#include "suite/base/h5.hpp"
#include "suite/base/seal.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

namespace bitquake::fuzz {
namespace {

constexpr auto kCode = Errc::internal;

/// The column as the first type that its reader accepts.
template <std::size_t I = 0>
Cells read_cells(const h5::File& file, const std::string& name) {
  using Vector = std::variant_alternative_t<I, Cells>;
  if constexpr (std::is_same_v<Vector, std::vector<std::string>>) {
    return file.read_strings(name);
  } else {
    try {
      return file.read_column<typename Vector::value_type>(name);
    } catch (const Exception&) {
      return read_cells<I + 1>(file, name);
    }
  }
}

std::vector<std::string> dataset_names(hid_t file) {
  std::vector<std::string> names;
  const auto visit = [](hid_t group, const char* name, const H5L_info_t*, void* list) {
    const h5::Handle dataset(H5Dopen2(group, name, H5P_DEFAULT), H5Dclose);
    if (dataset >= 0) static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return herr_t{0};
  };
  H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, visit, &names);
  return names;
}

std::vector<std::string> attribute_names(hid_t file) {
  std::vector<std::string> names;
  const auto visit = [](hid_t, const char* name, const H5A_info_t*, void* list) {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return herr_t{0};
  };
  H5Aiterate2(file, H5_INDEX_NAME, H5_ITER_INC, nullptr, visit, &names);
  return names;
}

void write_odd(hid_t file, const std::string& name, Odd odd) {
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links, 1);
  if (odd == Odd::group) {
    const h5::Handle group(H5Gcreate2(file, name.c_str(), links, H5P_DEFAULT, H5P_DEFAULT),
                           H5Gclose);
    return;
  }
  if (odd == Odd::loop) {
    H5Lcreate_soft(("/" + name).c_str(), file, name.c_str(), links, H5P_DEFAULT);
    return;
  }
  const hsize_t sizes[2] = {3, 1};
  const h5::Handle space(odd == Odd::scalar ? H5Screate(H5S_SCALAR)
                         : odd == Odd::null
                             ? H5Screate(H5S_NULL)
                             : H5Screate_simple(odd == Odd::two_dimensions ? 2 : 1, sizes, nullptr),
                         H5Sclose);
  const h5::Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(text, H5T_VARIABLE);
  const hid_t type = odd == Odd::variable_strings ? static_cast<hid_t>(text) : H5T_STD_U64LE;
  const h5::Handle dataset(
      H5Dcreate2(file, name.c_str(), type, space, links, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
}

// --- edits ---

std::uint64_t any_number(FuzzedDataProvider& bytes) {
  constexpr std::uint64_t kEdges[] = {
      0, 1, 2, 3, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1ULL << 62, 1ULL << 63, ~0ULL};
  return bytes.ConsumeBool() ? bytes.ConsumeIntegral<std::uint64_t>()
                             : bytes.PickValueInArray(kEdges);
}

template <class T>
T any_cell(FuzzedDataProvider& bytes) {
  if constexpr (std::is_same_v<T, std::string>) {
    std::string text = bytes.ConsumeRandomLengthString(40);
    return text.substr(0, text.find('\0'));
  } else if constexpr (std::is_floating_point_v<T>) {
    constexpr T kEdges[] = {0,
                            1,
                            -1,
                            std::numeric_limits<T>::infinity(),
                            std::numeric_limits<T>::quiet_NaN(),
                            std::numeric_limits<T>::min()};
    return bytes.ConsumeBool() ? bytes.ConsumeFloatingPoint<T>() : bytes.PickValueInArray(kEdges);
  } else {
    return static_cast<T>(any_number(bytes));
  }
}

void change_cell(Cells& cells, FuzzedDataProvider& bytes) {
  std::visit(
      [&](auto& column) {
        if constexpr (!std::is_same_v<decltype(column), Odd&>) {
          if (column.empty()) return;
          const auto at = bytes.ConsumeIntegralInRange<std::size_t>(0, column.size() - 1);
          column[at] = any_cell<typename std::remove_cvref_t<decltype(column)>::value_type>(bytes);
        }
      },
      cells);
}

/// New rows repeat the last one.
void resize(Cells& cells, std::size_t rows) {
  std::visit(
      [&](auto& column) {
        if constexpr (!std::is_same_v<decltype(column), Odd&>) {
          using Cell = typename std::remove_cvref_t<decltype(column)>::value_type;
          const Cell last = column.empty() ? Cell{} : Cell(column.back());
          column.resize(rows, last);
        }
      },
      cells);
}

std::size_t any_length(FuzzedDataProvider& bytes) {
  constexpr std::size_t kLongest = 20'000;  // more than a chunk
  return bytes.ConsumeIntegralInRange<unsigned>(0, 63) == 63
             ? bytes.ConsumeIntegralInRange<std::size_t>(0, kLongest)
             : bytes.ConsumeIntegralInRange<std::size_t>(0, 8);
}

void resize_group(AnyFile& file, const std::string& member, std::size_t rows) {
  const std::string group = member.substr(0, member.find('/') + 1);
  for (auto& [name, cells] : file.columns) {
    if (name.starts_with(group)) resize(cells, rows);
  }
}

/// A column of another type and the same length, or something odd.
Cells retyped(const Cells& cells, FuzzedDataProvider& bytes) {
  std::size_t rows = 3;
  std::visit(
      [&](const auto& column) {
        if constexpr (!std::is_same_v<decltype(column), const Odd&>) rows = column.size();
      },
      cells);
  const auto pick = bytes.ConsumeIntegralInRange<std::size_t>(0, std::variant_size_v<Cells> - 1);
  Cells made = static_cast<Odd>(bytes.ConsumeIntegralInRange<unsigned>(0, 5));
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((I == pick ? (made = std::variant_alternative_t<I, Cells>(rows), 0) : 0), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Cells> - 1>());
  return made;
}

void change_attribute(AnyFile& file, FuzzedDataProvider& bytes) {
  if (file.attributes.empty()) return;
  const auto at = bytes.ConsumeIntegralInRange<std::size_t>(0, file.attributes.size() - 1);
  const auto attribute = std::next(file.attributes.begin(), static_cast<std::ptrdiff_t>(at));
  switch (bytes.ConsumeIntegralInRange<unsigned>(0, 2)) {
    case 0:
      attribute->second = any_number(bytes);
      break;
    case 1:
      attribute->second = any_cell<std::string>(bytes);
      break;
    default:
      file.attributes.erase(attribute);
  }
}

}  // namespace

AnyFile read_any(const std::filesystem::path& path) {
  AnyFile any;
  const h5::File file = value_or_throw(h5::File::open(path, kCode));
  const h5::Handle raw(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  for (const std::string& name : dataset_names(raw)) any.columns[name] = read_cells(file, name);
  for (const std::string& name : attribute_names(raw)) {
    try {
      any.attributes[name] = file.string_attribute(name);
    } catch (const Exception&) {
      any.attributes[name] = file.integer_attribute(name);
    }
  }
  return any;
}

void edit(AnyFile& file, FuzzedDataProvider& bytes) {
  constexpr int kMostEdits = 64;
  for (int i = 0; i < kMostEdits && bytes.remaining_bytes() > 0 && !file.columns.empty(); ++i) {
    const auto at = bytes.ConsumeIntegralInRange<std::size_t>(0, file.columns.size() - 1);
    const auto column = std::next(file.columns.begin(), static_cast<std::ptrdiff_t>(at));
    switch (bytes.ConsumeIntegralInRange<unsigned>(0, 15)) {
      case 0:
        file.columns.erase(column);
        break;
      case 1:
        column->second = retyped(column->second, bytes);
        break;
      case 2:
        resize(column->second, any_length(bytes));
        break;
      case 3:
      case 4:
        resize_group(file, column->first, any_length(bytes));
        break;
      case 5:
      case 6:
        change_attribute(file, bytes);
        break;
      default:
        change_cell(column->second, bytes);
    }
  }
}

void write_any(const AnyFile& any, const std::filesystem::path& path) {
  h5::File file = h5::File::create(path, kCode);
  for (const auto& [name, value] : any.attributes) {
    std::visit([&, &key = name](const auto& v) { file.set_attribute(key, v); }, value);
  }
  std::vector<std::pair<std::string, Odd>> odd;
  for (const auto& [name, cells] : any.columns) {
    std::visit(
        [&, &key = name](const auto& column) {
          using Column = std::remove_cvref_t<decltype(column)>;
          if constexpr (std::is_same_v<Column, Odd>) {
            odd.emplace_back(key, column);
          } else if constexpr (std::is_same_v<Column, std::vector<std::string>>) {
            file.write_strings(key, column, {});
          } else {
            file.write_column<typename Column::value_type>(key, column, {});
          }
        },
        cells);
  }
  file.close();
  if (!odd.empty()) {
    const h5::Handle raw(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    for (const auto& [name, what] : odd) write_odd(raw, name, what);
  }
  seal_file(path);
}

}  // namespace bitquake::fuzz
