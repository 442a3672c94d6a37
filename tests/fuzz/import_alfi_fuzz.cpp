#include "suite/base/text.hpp"
#include "suite/scenario/import_alfi.hpp"
#include "suite/scenario/yaml_reader.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/scenario/fill_placeholders.hpp"

#include <string>

using namespace bitquake;
using namespace bitquake::scenario;
using fuzz::require;

/// A scenario of PyTorchALFI.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto made = import_alfi(text, "a.yml");
  if (!made) {
    require(!made.error().empty(), "a refusal has a reason");
    for (const Error& error : made.error()) {
      require(error.code == Errc::scenario, "a refusal is of its kind");
      require(!error.where.empty() && !error.what.empty(), "a message says where and what");
      require(printable(error.what) == error.what, "a message can be shown");
    }
    return 0;
  }
  for (const std::string& note : made->notes) {
    require(printable(note) == note, "a note can be shown");
  }
  const std::string filled = fill_placeholders(made->yaml, {{"model.file", "m.pt"},
                                                            {"model.input", "[1, 8, 8]"},
                                                            {"model.output", "logits"},
                                                            {"data.name", "digits"},
                                                            {"data.images", "i.gz"}});
  require(parse_scenario(filled, "b.yaml", "/home").ok(),
          "an imported scenario is one once its placeholders are filled in");
  return 0;
}
