#pragma once

#include "results/columns.hpp"
#include "suite/base/big_vector.hpp"
#include "suite/base/h5.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// Row tables as HDF5 columns and back, driven by the tables of results/columns.hpp.
namespace bitquake::results {

/// Rows as columns /group/name. Chunk by chunk: a chunk of rows stays in the cache for all columns.
template <class Row, std::size_t N, class Rows>
void write_rows(h5::File& file, const std::string& group, const std::array<Column<Row>, N>& columns,
                const Rows& table) {
  const std::span<const Row> rows(table);
  std::vector<h5::ColumnWriter> writers;
  for (const Column<Row>& column : columns) {
    std::visit(
        [&]<class T>(T Row::*) {
          writers.push_back(
              file.create_column<T>(group + "/" + std::string(column.name), rows.size(),
                                    {std::string(column.units), std::string(column.doc)}));
        },
        column.member);
  }
  for (std::uint64_t begin = 0; begin < rows.size(); begin += h5::kChunkRows) {
    const auto chunk = rows.subspan(begin, std::min(h5::kChunkRows, rows.size() - begin));
    for (std::size_t i = 0; i < N; ++i) {
      std::visit(
          [&]<class T>(T Row::*member) {
            std::vector<T> values(chunk.size());
            for (std::size_t r = 0; r < chunk.size(); ++r) values[r] = chunk[r].*member;
            writers[i].write<T>(values);
          },
          columns[i].member);
    }
  }
}

/// Reads what write_rows wrote. Throws Exception when a column is missing, of another type or
/// length, or when the lengths promise more than a file of `file_size` bytes can hold.
template <class Rows, class Row, std::size_t N>
Rows read_rows(const h5::File& file, const std::string& group,
               const std::array<Column<Row>, N>& columns) {
  const auto path = [&](const Column<Row>& column) {
    return group + "/" + std::string(column.name);
  };
  const std::uint64_t length = file.length(path(columns.front()));
  for (const Column<Row>& column : columns) {
    const std::uint64_t own = file.length(path(column));
    if (own == length) continue;
    throw Exception({Errc::results, file.path().string(),
                     "column '" + path(column) + "' has " + std::to_string(own) + " rows, '" +
                         path(columns.front()) + "' has " + std::to_string(length),
                     "the file is damaged or of another format", ""});
  }
  Rows rows;
  for (const Column<Row>& column : columns) {
    std::visit(
        [&]<class T>(T Row::*member) {
          file.read_each<T>(path(column), [&](std::uint64_t i, T value) {
            if (rows.size() < length) rows.resize(length);  // a damaged length has been refused
            rows[i].*member = value;
          });
        },
        column.member);
  }
  return rows;
}

}  // namespace bitquake::results
