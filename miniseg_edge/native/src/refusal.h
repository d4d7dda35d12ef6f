// How the inside of the library says no: an exception that the interface turns into a code and a message.
#pragma once

#include <stdexcept>
#include <string>

#include "miniseg.h"

namespace miniseg {

class Refusal : public std::runtime_error {
 public:
  Refusal(miniseg_code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  miniseg_code code() const { return code_; }

 private:
  miniseg_code code_;
};

}  // namespace miniseg
