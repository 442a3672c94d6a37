#include "results/segment.hpp"

#include "results/row_file.hpp"
#include "suite/base/durable.hpp"
#include "suite/base/seal.hpp"

#include <limits>
#include <utility>

namespace bitquake::results {
namespace {

constexpr auto kContent = "bitquake segment";

Segment read(const h5::File& file) {
  check_format(file, kContent);
  Segment segment;
  segment.first_unit = file.integer_attribute("first_unit");
  segment.n_units = file.integer_attribute("n_units");
  segment.campaign = file.string_attribute("campaign");
  segment.fingerprint = file.string_attribute("fingerprint");
  if (segment.n_units == 0 ||
      segment.n_units > std::numeric_limits<std::uint64_t>::max() - segment.first_unit) {
    throw Exception({Errc::results, file.path().string(),
                     "holds " + std::to_string(segment.n_units) + " units from unit " +
                         std::to_string(segment.first_unit) + " on",
                     "the file is damaged", ""});
  }
  RowTables tables = read_tables(file);
  segment.trials = std::move(tables.trials);
  segment.injections = std::move(tables.injections);
  segment.observed = std::move(tables.observed);
  segment.golden = std::move(tables.golden);
  segment.messages = std::move(tables.messages);
  return segment;
}

}  // namespace

void write_segment(const std::filesystem::path& path, const Segment& segment) {
  write_durably(path, [&](const std::filesystem::path& temporary) {
    h5::File file = h5::File::create(temporary, Errc::results);
    write_format(file, kContent);
    file.set_attribute("first_unit", segment.first_unit);
    file.set_attribute("n_units", segment.n_units);
    file.set_attribute("campaign", segment.campaign);
    file.set_attribute("fingerprint", segment.fingerprint);
    write_tables(file, segment.trials, segment.injections, segment.observed, segment.golden,
                 segment.messages);
    file.close();
    seal_file(temporary);
  });
}

Result<Segment> read_segment(const std::filesystem::path& path) { return read_file(path, read); }

}  // namespace bitquake::results
