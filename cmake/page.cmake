# The live page lies in the binary as it is in its source, with a policy that allows its own script and style and nothing else.
set(PAGE_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/live_page.c)
add_custom_command(OUTPUT ${PAGE_SOURCE}
                   COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/page.py
                           ${CMAKE_CURRENT_SOURCE_DIR}/agent/status/page.html ${PAGE_SOURCE}
                   DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/page.py ${CMAKE_CURRENT_SOURCE_DIR}/agent/status/page.html VERBATIM)
