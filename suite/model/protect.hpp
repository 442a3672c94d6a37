#pragma once

#include "suite/model/reference_executor.hpp"

#include <optional>
#include <string>

namespace bitquake::model {

/// Puts the guards of a protection into a prepared model, whose sites and points stay what they
/// are.
/// @param where  file name for messages
/// Errc::scenario when a guard does not fit its site.
std::optional<Error> protect(PreparedModel& model, const Protection& protection,
                             const std::string& where);

}  // namespace bitquake::model
