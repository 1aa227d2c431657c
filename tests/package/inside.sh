#!/bin/sh
# inside.sh FILE.deb: installs the package, starts what is in it, removes it and purges it, as root, in the root that it runs in.
# Says what was not as it should be, and exits with 1.
set -eu
package=$1
fail() { echo "package: $*" >&2; exit 1; }
systemctl_is_not_asked_here() { [ ! -d /run/systemd/system ]; }

systemctl_is_not_asked_here || fail "this would touch the services of this machine"
dpkg --status port-agent >/dev/null 2>&1 && fail "port-agent is installed already"
dpkg --install "$package"
[ "$(stat -c %a /etc/port-agent)" = 755 ] || fail "/etc/port-agent has other permissions"
/usr/bin/port-agent --version
code=0
(cd /etc/port-agent && exec /usr/bin/port-agent) 2>/dev/null || code=$?
[ "$code" = 78 ] || fail "without settings the agent exits with $code"
grep -q '^ExecStart=/usr/bin/port-agent$' /usr/lib/systemd/system/port-agent.service || fail "the unit starts another program"
if command -v systemd-analyze >/dev/null; then systemd-analyze verify --man=no /usr/lib/systemd/system/port-agent.service; fi
echo PORT_ORG_ID=org_x >>/etc/port-agent/environment
echo secret >/etc/port-agent/client-secret
dpkg --remove port-agent
[ ! -e /usr/bin/port-agent ] || fail "the agent is still there"
grep -q org_x /etc/port-agent/environment || fail "the settings are gone after dpkg --remove"
dpkg --purge port-agent
[ ! -e /etc/port-agent ] || fail "/etc/port-agent is still there after dpkg --purge: $(ls /etc/port-agent)"
echo "package: installed, started, removed and purged"
