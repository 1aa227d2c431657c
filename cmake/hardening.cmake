# Hardening for every build; sanitizers replace what they cannot live with. What makes a build the same everywhere, and what counts, for coverage.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
add_compile_options(-fstack-protector-strong -fno-plt)
if(NOT BUILD_SHARED_LIBS)
  add_compile_options(-fPIE)
  add_link_options(-pie)
endif()
add_link_options(-Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
# What not every processor or compiler has: a stack that is not jumped over, and jumps that only end where they may (x86-64, then arm64).
foreach(option -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
  string(MAKE_C_IDENTIFIER "PA_HAS${option}" has)
  check_c_compiler_flag("-Werror ${option}" ${has})
  if(${has})
    add_compile_options(${option})
  endif()
endforeach()
if(PA_SANITIZE)
  add_compile_options(-fsanitize=${PA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PA_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  # 3 also checks where only the running program knows the size; glibc before 2.35 and gcc before 12 do not know it.
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -Werror")
  check_c_source_compiles("#include <stdio.h>
    #if __USE_FORTIFY_LEVEL != 3
    #error 3 is taken for less
    #endif
    int main(void) { return 0; }" PA_HAS_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  if(PA_HAS_FORTIFY_3)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  else()
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  # The binary is the same whichever folder this is.
  add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
endif()
if(PA_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
