#pragma once

#include <string>

namespace bitquake::scenario {

/// The table of keys as a JSON Schema, for editors and other programs: types, ranges, words,
/// defaults, meanings, mandatory keys, sections, keys that exclude their section. Every scenario
/// that the reader accepts is valid. The reverse does not hold: a schema sees values, not how they
/// are written (010, 1e3, 1.0 for an integer), and not the rules between keys (schema.hpp).
///
/// Draft 7, the newest that editors (the YAML language server, hence the YAML extension of VS
/// Code), valijson and python3-jsonschema all understand; newer drafts add nothing needed here.
/// Source: Wright, Andrews, Luff, "JSON Schema Validation",
/// draft-handrews-json-schema-validation-01.
std::string json_schema();

}  // namespace bitquake::scenario
