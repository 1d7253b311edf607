// JSON, written as it comes: values in order, commas where they belong.
#ifndef VATTENTION_BENCH_NATIVE_JSON_H_
#define VATTENTION_BENCH_NATIVE_JSON_H_

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace vattention::bench {

class Json {
 public:
  Json& Open(char bracket) { return Put(std::string(1, bracket), false); }
  Json& Close(char bracket) {
    text_ += bracket;
    comma_ = true;
    return *this;
  }
  Json& Key(const std::string& key) { return Put(Quoted(key) + ":", false); }
  Json& Value(const std::string& value) { return Put(Quoted(value), true); }
  Json& Value(const char* value) { return Value(std::string(value)); }
  Json& Value(bool value) { return Put(value ? "true" : "false", true); }
  Json& Value(int value) { return Put(std::to_string(value), true); }
  // null for what is no number.
  Json& Value(double value) {
    char digits[32];
    std::snprintf(digits, sizeof(digits), "%.6g", value);
    return Put(std::isfinite(value) ? digits : "null", true);
  }
  Json& Value(const std::vector<double>& values) {
    Open('[');
    for (const double value : values) Value(value);
    return Close(']');
  }

  // A value that is JSON already.
  Json& Raw(const std::string& text) { return Put(text, true); }

  const std::string& text() const { return text_; }

 private:
  Json& Put(const std::string& text, bool comma_after) {
    if (comma_) text_ += ',';
    text_ += text;
    comma_ = comma_after;
    return *this;
  }

  static std::string Quoted(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return quoted + '"';
  }

  std::string text_;
  bool comma_ = false;
};

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_JSON_H_
