# Installs the library, builds the example against the installation in every way that the documentation names, and
# compares what the programs print with the example of the build.
cmake_minimum_required(VERSION 3.24)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGV}: ${result}\n${output}")
  endif()
endfunction()

function(compare program)
  execute_process(COMMAND ${program} ${WORK}/am.sqm ${WORK}/frames.f32 beam=8
                  OUTPUT_VARIABLE found COMMAND_ERROR_IS_FATAL ANY)
  if(NOT found STREQUAL expected)
    message(FATAL_ERROR "${program} prints\n${found}\ninstead of\n${expected}")
  endif()
endfunction()

set(prefix ${WORK}/prefix)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${SAMPLE} ${WORK})
execute_process(COMMAND ${EXAMPLE} ${WORK}/am.sqm ${WORK}/frames.f32 beam=8
                OUTPUT_VARIABLE expected COMMAND_ERROR_IS_FATAL ANY)
if(NOT expected MATCHES "[A-C']\n[0-9.]+\t[0-9.]+\t")
  message(FATAL_ERROR "The example prints no words:\n${expected}")
endif()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

set(example ${SOURCE}/../example)
file(COPY ${example}/recognize.c ${example}/CMakeLists.txt DESTINATION ${WORK}/example)
set(configure ${CMAKE_COMMAND} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM} -DCMAKE_PREFIX_PATH=${prefix})
run(${configure} -S ${WORK}/example -B ${WORK}/c)
run(${CMAKE_COMMAND} --build ${WORK}/c)
compare(${WORK}/c/recognize)

run(${configure} -S ${SOURCE}/package -B ${WORK}/both -DEXAMPLE_SOURCE=${WORK}/example/recognize.c)
run(${CMAKE_COMMAND} --build ${WORK}/both)
compare(${WORK}/both/recognize_speechq)
compare(${WORK}/both/recognize_static)

find_program(PKG_CONFIG NAMES pkg-config pkgconf)
find_program(CC NAMES cc gcc clang)
if(NOT PKG_CONFIG OR NOT CC)
  message("pkg-config and cc are not both there: their part is left out")
  return()
endif()
file(GLOB_RECURSE description ${prefix}/speechq.pc)
cmake_path(GET description PARENT_PATH folder)
set(ENV{PKG_CONFIG_PATH} ${folder})
execute_process(COMMAND ${PKG_CONFIG} --cflags --libs speechq
                OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${PKG_CONFIG} --variable=libdir speechq
                OUTPUT_VARIABLE libdir OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CC} -std=c99 ${example}/recognize.c -o ${WORK}/by_pkg_config ${flags} -Wl,-rpath,${libdir})
compare(${WORK}/by_pkg_config)

# The static library, as far as it goes without a linker for C++.
execute_process(COMMAND ${PKG_CONFIG} --static --cflags --libs speechq
                OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "-lspeechq " "-Wl,-Bstatic -lspeechq -Wl,-Bdynamic " flags "${flags} ")
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CC} -std=c99 ${example}/recognize.c -o ${WORK}/static_by_pkg_config ${flags} -Wl,-rpath,${libdir})
compare(${WORK}/static_by_pkg_config)
