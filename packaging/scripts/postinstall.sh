#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers socketserver.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart socketserver.service
fi
# What is wrong with the configuration is shown, and is no reason not to install.
/usr/bin/socketserver validate --no-plugins -c /etc/socketserver ||
	echo "socketserver: mend /etc/socketserver before you start socketserver.service" >&2
