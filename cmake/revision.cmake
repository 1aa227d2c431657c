# The revision is a source file of its own, so that a new commit recompiles one file.
set(revision "${PA_REVISION}")
if(NOT revision)
  execute_process(COMMAND git -C ${CMAKE_CURRENT_SOURCE_DIR} describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT revision)
  set(revision "unknown")
endif()
set(REVISION_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/version.c)
configure_file(${CMAKE_CURRENT_SOURCE_DIR}/cmake/version.c.in ${REVISION_SOURCE} @ONLY)
