# Run by cpack over the package's files before they are packed: what is not below /usr, and what names the folder of the binary.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(unit ${root}/usr/lib/systemd/system/port-agent.service)
file(READ ${unit} text)
string(REGEX REPLACE "/[^ \n]*/port-agent\n" "/usr/bin/port-agent\n" text "${text}")
file(WRITE ${unit} "${text}")
file(COPY ${CMAKE_CURRENT_LIST_DIR}/../deploy/debian/environment DESTINATION ${root}/etc/port-agent)
file(COPY_FILE ${CMAKE_CURRENT_LIST_DIR}/../LICENSE ${root}/usr/share/doc/port-agent/copyright)
