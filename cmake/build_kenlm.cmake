# KenLM's C++ library from the source in SPEECHQ_KENLM_SOURCE, built without Boost. KenLM is LGPL: it stays a shared
# library of its own, which anyone can replace, and none of its files but that library is installed.

# The cache entries are forced because KenLM's own option() would override plain variables. Compression libraries
# are left out so that what a build can read does not depend on the machine.
set(BUILD_PYTHON_STANDALONE ON CACHE BOOL "" FORCE)
set(KENLM_MAX_ORDER 6 CACHE STRING "" FORCE)
foreach(package Eigen3 ZLIB BZip2 LibLZMA)
  set(CMAKE_DISABLE_FIND_PACKAGE_${package} ON)
endforeach()
add_subdirectory(${SPEECHQ_KENLM_SOURCE} ${CMAKE_BINARY_DIR}/kenlm EXCLUDE_FROM_ALL)
foreach(package Eigen3 ZLIB BZip2 LibLZMA)
  unset(CMAKE_DISABLE_FIND_PACKAGE_${package})
endforeach()

# A name of our own: the loader keeps one library per name, and other packages bring a libkenlm.so whose largest
# order, and with it the size of a state, may differ.
set_target_properties(kenlm PROPERTIES OUTPUT_NAME speechq_kenlm)
target_compile_options(kenlm PRIVATE -w)
target_link_libraries(kenlm PRIVATE Threads::Threads)

add_library(speechq_kenlm INTERFACE)
add_library(speechq::kenlm ALIAS speechq_kenlm)
target_link_libraries(speechq_kenlm INTERFACE kenlm)
target_include_directories(speechq_kenlm SYSTEM INTERFACE ${SPEECHQ_KENLM_SOURCE})
target_compile_definitions(speechq_kenlm INTERFACE KENLM_MAX_ORDER=${KENLM_MAX_ORDER})
set(SPEECHQ_KENLM_LIBRARY kenlm)
