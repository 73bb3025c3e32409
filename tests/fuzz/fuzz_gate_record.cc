// What a sender writes to the gate: records, and the fields inside.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/mail/envelope.h"
#include "lib/net/gate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size), payload;
  hato::EnvelopeParser envelope;
  char type;
  try {
    while (hato::take_record(rest, type, payload)) {
      if (type == hato::gate_format::origin)
        if (const auto fields = hato::decode_fields(payload);
            fields && hato::encode_fields(*fields) != payload)
          abort();
      if (type == hato::gate_format::envelope) envelope.feed(payload);
    }
  } catch (const hato::TempError&) {
  }
  return 0;
}
