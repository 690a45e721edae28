# The source of KenLM's C++ library, unpacked in the build folder: SPEECHQ_KENLM_SOURCE. pip fetches the source
# archive of the Python package, which carries the whole C++ library.
set(SPEECHQ_KENLM_VERSION 0.3.0)
set(SPEECHQ_KENLM_SHA256 c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8)
set(SPEECHQ_KENLM_SOURCE ${CMAKE_BINARY_DIR}/kenlm-${SPEECHQ_KENLM_VERSION})

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
  file(REMOVE_RECURSE ${SPEECHQ_KENLM_SOURCE})
  file(RENAME ${download}/kenlm-${SPEECHQ_KENLM_VERSION} ${SPEECHQ_KENLM_SOURCE})
  file(REMOVE_RECURSE ${download})
endfunction()

if(NOT EXISTS ${SPEECHQ_KENLM_SOURCE}/CMakeLists.txt)
  speechq_fetch_kenlm()
endif()
