# What ships is optimised as one program: the functions that every event passes are small, and stand in many files.
# Not where a sanitizer or a counter of what ran wants each file as it was written.
include(CheckIPOSupported)
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT PA_SANITIZE AND NOT PA_COVERAGE)
  check_ipo_supported(RESULT PA_HAS_IPO LANGUAGES C)
  if(PA_HAS_IPO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    # Code is made when it is linked, so what keeps the folder out of the binary (hardening.cmake) is needed there too.
    add_link_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
  endif()
endif()
