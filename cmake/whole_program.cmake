# The image's agent is optimised as one program: the functions that every event passes are small, and stand in many files.
# Linking takes half a minute with it, so other builds are without, except for the benchmark's.
option(PA_WHOLE_PROGRAM "Optimise the release across its files, when it is linked" OFF)
if(PA_WHOLE_PROGRAM)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT PA_HAS_IPO LANGUAGES C)
  if(PA_HAS_IPO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    # Code is made when it is linked, so what keeps the folder out of the binary (hardening.cmake) is needed there too.
    add_link_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
  endif()
endif()
