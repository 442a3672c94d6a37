#include "suite/scenario/yaml_document.hpp"

#include "suite/base/text.hpp"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <sstream>
#include <vector>

namespace bitquake::scenario {

Position position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(std::max(mark.line, 0)),
          static_cast<std::size_t>(std::max(mark.column, 0))};
}

namespace {

/// Notes where the documents of a text start.
class DocumentStarts : public YAML::EventHandler {
 public:
  std::vector<Position> starts;

  void OnDocumentStart(const YAML::Mark& mark) override { starts.push_back(position_of(mark)); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

}  // namespace

Result<YAML::Node, SyntaxError> load_document(const std::string& text) {
  try {
    // YAML::Load stops after the first document and says nothing about the rest.
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentStarts documents;
    if (parser.HandleNextDocument(documents) && parser.HandleNextDocument(documents)) {
      if (documents.starts.front() == documents.starts.back()) {
        // The parser stumbles over a character without passing it, and would do so for ever.
        return SyntaxError{documents.starts.back(), "not valid YAML: unexpected character", ""};
      }
      return SyntaxError{documents.starts.back(), "a second YAML document starts here",
                         "a scenario is one document"};
    }
    return YAML::Load(text);
  } catch (const YAML::DeepRecursion& error) {
    return SyntaxError{position_of(error.mark), "nested too deeply",
                       "a scenario has two levels: sections and keys"};
  } catch (const YAML::Exception& error) {
    // yaml-cpp quotes single bytes of the text: half a character, or its own mark of the end.
    return SyntaxError{position_of(error.mark), "not valid YAML: " + printable(error.msg), ""};
  }
}

}  // namespace bitquake::scenario
