// The syntax of JSON.
#pragma once

#include <string_view>

namespace speechq::engine::json {

// `text` without the blanks around it. Throws Error, saying at which byte, unless it is one JSON value.
std::string_view checked(std::string_view text);

}  // namespace speechq::engine::json
