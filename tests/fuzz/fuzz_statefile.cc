// parse_state: no input is believed beyond its CRCs, and what is parsed is written the same again.
#include <stdlib.h>

#include "lib/store/statefile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hato;
  MessageKey key;
  key.fill('k');
  // The fuzzer cannot guess a CRC: its bytes are also taken as records' contents.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ParsedState raw = parse_state(bytes, key);
  if (raw.sound_bytes > size) abort();
  std::string file = encode_state_head(key);
  std::vector<StateRecord> written;
  for (std::string_view rest = bytes; rest.size() >= 2;) {
    const auto type = static_cast<StateType>(1 + static_cast<unsigned char>(rest[0]) % 4);
    const std::size_t n = std::min<std::size_t>(static_cast<unsigned char>(rest[1]), rest.size() - 2);
    written.push_back({type, static_cast<std::uint32_t>(n * 7919), std::string(rest.substr(2, n))});
    file += encode_state_record(written.back());
    rest.remove_prefix(2 + n);
  }
  if (parse_state(file, key).records != written) abort();
  // Damage in one place takes nothing but the end away.
  if (size > 0) {
    const std::size_t at = data[0] * 31U % file.size();
    file[at] = static_cast<char>(file[at] ^ (1 + data[size - 1] % 255));
    const ParsedState hurt = parse_state(file, key);
    if (hurt.records.size() > written.size()) abort();
    for (std::size_t i = 0; i < hurt.records.size(); ++i)
      if (hurt.records[i] != written[i]) abort();
  }
  return 0;
}
