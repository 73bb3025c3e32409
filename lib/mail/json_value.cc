#include "lib/mail/json_value.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "lib/base/error.h"

namespace hato {

// The events of nlohmann's reader, made into our value; its own value type would take a second member of one
// name and any depth in silence. Each event returns whether to go on.
class JsonReading : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return put(JsonValue()); }
  bool boolean(bool b) override { return put_as(b); }
  bool number_integer(number_integer_t n) override { return put_as(std::int64_t{n}); }
  bool number_unsigned(number_unsigned_t n) override {
    if (n > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      return refuse("a number is too large");
    return put_as(static_cast<std::int64_t>(n));
  }
  bool number_float(number_float_t, const string_t& digits) override {
    return refuse("the number " + digits.substr(0, 40) + " is not whole, or too large");
  }
  bool string(string_t& text) override { return put_as(std::move(text)); }
  bool binary(binary_t&) override { return refuse("binary values are not JSON"); }
  bool start_object(std::size_t) override { return open(JsonValue::Members()); }
  bool start_array(std::size_t) override { return open(JsonValue::Items()); }
  bool key(string_t& name) override {
    if (std::get<JsonValue::Members>(open_.back().value_).contains(name))
      return refuse("\"" + name.substr(0, 80) + "\" is there twice");
    names_.back() = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("something is wrong at byte " + std::to_string(position));
  }

  JsonValue result() && { return std::move(result_); }
  const std::string& problem() const { return problem_; }

 private:
  bool refuse(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return false;
  }
  template <class T>
  bool put_as(T value) {
    JsonValue made;
    made.value_ = std::move(value);
    return put(std::move(made));
  }
  bool put(JsonValue value) {
    if (open_.empty())
      result_ = std::move(value);
    else if (auto* items = std::get_if<JsonValue::Items>(&open_.back().value_))
      items->push_back(std::move(value));
    else
      std::get<JsonValue::Members>(open_.back().value_).emplace(std::move(names_.back()), std::move(value));
    return true;
  }
  template <class T>
  bool open(T empty) {
    if (open_.size() == json_depth_limit) return refuse("more than 32 levels");
    open_.emplace_back().value_ = std::move(empty);
    names_.emplace_back();
    return true;
  }
  bool close() {
    JsonValue whole = std::move(open_.back());
    open_.pop_back();
    names_.pop_back();
    return put(std::move(whole));
  }

  JsonValue result_;
  std::vector<JsonValue> open_;     // arrays and objects that have not ended, the outermost first
  std::vector<std::string> names_;  // for each of them, the member that is being read
  std::string problem_;
};

JsonValue JsonValue::parse(std::string_view text) {
  if (text.size() > json_text_limit) throw PermError("JSON: more than 1 MiB");
  JsonReading reading;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reading))
    throw PermError("JSON: " + reading.problem());
  return std::move(reading).result();
}

const JsonValue* JsonValue::member(std::string_view name) const {
  const Members* all = members();
  if (all == nullptr) return nullptr;
  const auto found = all->find(name);
  return found == all->end() ? nullptr : &found->second;
}

}  // namespace hato
