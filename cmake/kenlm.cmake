# KenLM's C++ library, queried natively: target speechq::kenlm (headers and shared library).
#
# pip fetches the source archive of the Python package, which carries the whole C++ library; it is unpacked in the
# build folder and built without Boost. KenLM is LGPL: it stays a shared library of its own, which anyone can
# replace, and none of its files but that library is installed.
set(SPEECHQ_KENLM_VERSION 0.3.0)
set(SPEECHQ_KENLM_SHA256 c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8)
set(SPEECHQ_KENLM_DIR ${CMAKE_BINARY_DIR}/kenlm-${SPEECHQ_KENLM_VERSION})

function(speechq_fetch_kenlm)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  set(download ${CMAKE_BINARY_DIR}/kenlm-download)
  file(REMOVE_RECURSE ${download})
  execute_process(
    COMMAND ${Python_EXECUTABLE} -m pip download --quiet --disable-pip-version-check --no-deps
            --no-binary kenlm --dest ${download} kenlm==${SPEECHQ_KENLM_VERSION}
    RESULT_VARIABLE result
    ERROR_VARIABLE errors)
  set(archive ${download}/kenlm-${SPEECHQ_KENLM_VERSION}.tar.gz)
  if(NOT result EQUAL 0 OR NOT EXISTS ${archive})
    message(FATAL_ERROR
      "The source of KenLM ${SPEECHQ_KENLM_VERSION} could not be fetched: "
      "'${Python_EXECUTABLE} -m pip download --no-deps --no-binary kenlm kenlm==${SPEECHQ_KENLM_VERSION}' failed. "
      "The build needs pip and a package index that has kenlm's source archive; without a network put that "
      "archive and setuptools into a folder and name it in the environment variable PIP_FIND_LINKS.\n${errors}")
  endif()
  file(SHA256 ${archive} sum)
  if(NOT sum STREQUAL SPEECHQ_KENLM_SHA256)
    message(FATAL_ERROR
      "${archive} is not the source of KenLM ${SPEECHQ_KENLM_VERSION}: "
      "its SHA-256 is ${sum}, expected ${SPEECHQ_KENLM_SHA256}.")
  endif()
  file(ARCHIVE_EXTRACT INPUT ${archive} DESTINATION ${download})
  file(REMOVE_RECURSE ${SPEECHQ_KENLM_DIR})
  file(RENAME ${download}/kenlm-${SPEECHQ_KENLM_VERSION} ${SPEECHQ_KENLM_DIR})
  file(REMOVE_RECURSE ${download})
endfunction()

if(NOT EXISTS ${SPEECHQ_KENLM_DIR}/CMakeLists.txt)
  speechq_fetch_kenlm()
endif()

# The cache entries are forced because KenLM's own option() would override plain variables. Compression libraries
# are left out so that what a build can read does not depend on the machine.
set(BUILD_PYTHON_STANDALONE ON CACHE BOOL "" FORCE)
set(KENLM_MAX_ORDER 6 CACHE STRING "" FORCE)
foreach(package Eigen3 ZLIB BZip2 LibLZMA)
  set(CMAKE_DISABLE_FIND_PACKAGE_${package} ON)
endforeach()
add_subdirectory(${SPEECHQ_KENLM_DIR} ${CMAKE_BINARY_DIR}/kenlm EXCLUDE_FROM_ALL)
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
target_include_directories(speechq_kenlm SYSTEM INTERFACE ${SPEECHQ_KENLM_DIR})
target_compile_definitions(speechq_kenlm INTERFACE KENLM_MAX_ORDER=${KENLM_MAX_ORDER})
