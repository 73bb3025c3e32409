// Every control file of the suite, for qmail-showctl: the same table as man/qmail-control.5.
#pragma once

#include <string>
#include <vector>

namespace hato {

enum class ControlShape {
  number,      // first line, decimal
  line,        // first line
  line_or_me,  // first line; without the file, control/me
  list,        // lines, comments left out
  withheld,    // whether it is there, never what is in it
};

struct ControlFile {
  const char* name;
  ControlShape shape;
  const char* fallback;  // number and line: the value without the file (line_or_me: without me, too); list
                         // and withheld: a sentence
  const char* before;    // what is printed in front of a value, or of each line; withheld: when it is there
  const char* after;     // and behind it
};

// By name, but for rcpthosts, morercpthosts and morercpthosts.cdb, which are shown together.
const std::vector<ControlFile>& control_files();

}  // namespace hato
