# What the bytes of charsets stand for is asked of Python's codecs: the agent needs no tables beside its binary.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(CHARSET_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/charset_tables.c)
add_custom_command(OUTPUT ${CHARSET_SOURCE}
                   COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/charset_tables.py ${CHARSET_SOURCE}
                   DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/charset_tables.py VERBATIM)
