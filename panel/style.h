// How the pages look: one style sheet, for a phone first, light and dark; and the bird.
#pragma once

namespace hato::panel {

extern const char style_sheet[];
extern const char bird[];  // an SVG drawing, for inside a line

}  // namespace hato::panel
