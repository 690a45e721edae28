#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "decoders/ngram.h"

using speechq::decoders::Ngram;

namespace {

struct File {
  explicit File(const std::string& text) { std::ofstream(path) << text; }
  ~File() { std::remove(path.c_str()); }
  std::string path = "speechq_test_ngram.arpa";
};

const char* const kArpa =
    "\\data\\\nngram 1=4\nngram "
    "2=2\n\n\\1-grams:\n-1.5\t<unk>\n-99\t<s>\t-0.25\n-0.5\t</s>\n-0.75\ta\t-0.125\n\n"
    "\\2-grams:\n-0.375\t<s> a\n-0.0625\ta </s>\n\n\\end\\\n";

}  // namespace

TEST_CASE("scores are natural logs with back-off") {
  const File file(kArpa);
  const Ngram ngram(file.path);
  const double ln10 = std::log(10.0);
  const Ngram::Word a = ngram.number("a");
  CHECK(ngram.words()[a] == "a");
  CHECK(ngram.number("b") == Ngram::kUnknown);
  Ngram::Context first, second, end;
  CHECK(ngram.score(ngram.sentence_start(), a, first) == doctest::Approx(-0.375 * ln10));
  CHECK(ngram.score(first, a, second) == doctest::Approx((-0.125 - 0.75) * ln10));
  CHECK(ngram.score(second, ngram.sentence_end(), end) == doctest::Approx(-0.0625 * ln10));
  CHECK(ngram.score(first, Ngram::kUnknown, second) == doctest::Approx((-0.125 - 1.5) * ln10));
  CHECK(ngram.unigram(a) == doctest::Approx(-0.75 * ln10));
}

TEST_CASE("a damaged file is named") {
  const File file("\\data\\\nngram 1=4\n");
  CHECK_THROWS_WITH_AS(Ngram(file.path), doctest::Contains(file.path.c_str()), std::runtime_error);
}
