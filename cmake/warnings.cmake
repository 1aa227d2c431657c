add_compile_options(
  -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wcast-qual -Wvla -Wformat=2 -Wundef -Wnull-dereference)
# Rows of tables leave their last members zero; gcc, which builds all but the fuzz targets, takes that as it is meant.
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  add_compile_options(-Wno-missing-field-initializers)
endif()
