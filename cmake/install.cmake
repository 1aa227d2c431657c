# `cmake --install build/release`: the binary, the systemd unit and the documents, below CMAKE_INSTALL_PREFIX (/usr/local).
# The image's build stage has the sources alone, and installs nothing.
if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/deploy)
  return()
endif()
include(GNUInstallDirs)
install(TARGETS port-agent RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# The unit names the binary by its whole path.
file(READ deploy/systemd/port-agent.service unit)
string(REPLACE "/usr/local/bin/" "${CMAKE_INSTALL_FULL_BINDIR}/" unit "${unit}")
file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/port-agent.service CONTENT "${unit}")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/port-agent.service DESTINATION lib/systemd/system)
install(FILES LICENSE README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs deploy DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES bench/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/bench)
