#include "suite/scenario/source.hpp"
#include "suite/scenario/yaml_reader.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <string_view>

using namespace bitquake;
using namespace bitquake::scenario;
using fuzz::require;

namespace {

/// The text up to the next option --set; `rest` goes on behind it.
std::string next_part(std::string_view& rest) {
  constexpr std::string_view kOption = "\n--set ";
  const std::size_t end = std::min(rest.find(kOption), rest.size());
  std::string part(rest.substr(0, end));
  rest.remove_prefix(std::min(end + kOption.size(), rest.size()));
  return part;
}

void check_message(const Error& error) {
  require(error.code == Errc::scenario || error.code == Errc::usage, "a refusal is of its kind");
  require(!error.where.empty() && !error.what.empty(), "a message says where and what");
  for (const std::string& line : {error.where, error.what, error.hint}) {
    require(printable(line) == line, "a message can be shown");
  }
}

}  // namespace

/// A scenario, then lines "--set KEY=VALUE" with its overrides.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string text = next_part(rest);
  std::vector<Override> overrides;
  while (!rest.empty()) {
    const std::string part = next_part(rest);
    const std::size_t equals = std::min(part.find('='), part.size());
    overrides.emplace_back(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())));
  }
  const auto read = parse_scenario(text, "a.yaml", "/home", overrides);
  if (!read) {
    require(!read.error().empty(), "a refusal has a reason");
    for (const Error& error : read.error()) check_message(error);
    return 0;
  }
  const auto again = parse_scenario(to_yaml(*read), "b.yaml", "/home");
  require(again.ok() && *again == *read, "the effective scenario reads back as the same");
  return 0;
}
