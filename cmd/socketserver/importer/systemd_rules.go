package importer

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

const (
	socketOption = "this option of a socket is the system's"
	hardening    = "it hardens one service; here the unit of the daemon is hardened, for all servers"
	ofManager    = "systemd runs the daemon, not its servers"
	asksFirst    = "a program that says whether a client is served is not asked"
)

// systemdRules are the settings of the sections Socket and Service.
var systemdRules = withAll(withAll(map[string]rule{
	"ListenStream": {}, "ListenDatagram": {}, "ListenSequentialPacket": {}, "Accept": {}, "Service": {}, "BindIPv6Only": {}, "SocketMode": {}, "SocketUser": {}, "SocketGroup": {},
	"NoDelay": {}, "ReusePort": {}, "Backlog": {}, "IPAddressAllow": {}, "IPAddressDeny": {}, "FileDescriptorName": {}, "RemoveOnStop": {},
	"ExecStart": {}, "StandardInput": {}, "StandardOutput": {}, "StandardError": {}, "Environment": {},

	"MaxConnections":          {do: func(s *server, x setting) { count(s, x, s.bound) }},
	"MaxConnectionsPerSource": {do: func(s *server, x setting) { count(s, x, func(n int) { s.perSource(x, n) }) }},
	"PollLimitBurst":          {}, "PollLimitIntervalSec": {}, "KeepAlive": {},

	"User": {to: "process.user", as: asText}, "Group": {to: "process.group", as: asText},
	"UMask": {to: "process.umask", as: asMode}, "Nice": {to: "process.nice", as: asNumber},
	"WorkingDirectory": {},
	"LimitAS":          {to: "process.limits.memory", as: asLimit}, "LimitCPU": {to: "process.limits.cpu", as: asProcessorTime},
	"LimitNOFILE": {to: "process.limits.files", as: asLimit}, "LimitNPROC": {to: "process.limits.processes", as: asLimit},
	"LimitFSIZE": {to: "process.limits.file_size", as: asLimit},

	"RuntimeMaxSec": {to: "timeouts.request", as: asDuration},
	"TimeoutStartSec": {do: func(s *server, x setting) {
		if s.values["timeouts.request"] == cty.NilVal {
			s.lose(x, ofManager)
		}
	}},

	"EnvironmentFile": {lost: "its variables are not known; write them into process.environment"},
	"DynamicUser": {do: func(s *server, x setting) {
		if isYes(x) {
			s.refuse(x, "there are no users for one process; write an existing one")
		}
	}},
	"Type": {do: func(s *server, x setting) {
		if x.value() == "forking" {
			s.differ(x, "a connection is over when the program ends, whatever it has started")
		}
	}},
}, map[string][]string{
	"there are sockets of TCP, UDP, Unix and VSOCK":      {"ListenFIFO", "ListenSpecial", "ListenNetlink", "ListenMessageQueue", "ListenUSBFunction"},
	"a socket that is triggered too often is not closed": {"TriggerLimitIntervalSec", "TriggerLimitBurst"},
	socketOption: {
		"KeepAliveTimeSec", "KeepAliveIntervalSec", "KeepAliveProbes", "DeferAcceptSec", "ReceiveBuffer", "SendBuffer", "IPTOS", "IPTTL", "Mark", "FreeBind",
		"Transparent", "Broadcast", "PassCredentials", "PassSecurity", "PassPacketInfo", "Timestamping", "TCPCongestion", "DirectoryMode",
		"Priority", "Writable", "SocketProtocol", "MaxConnectionsPerUser",
	},
	hardening: {
		"AmbientCapabilities", "CapabilityBoundingSet", "DevicePolicy", "DeviceAllow", "LockPersonality", "MemoryDenyWriteExecute",
		"NoNewPrivileges", "PrivateDevices", "PrivateMounts", "PrivateNetwork", "PrivateTmp", "PrivateUsers", "PrivateIPC", "ProcSubset", "ProtectClock",
		"ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
		"ProtectSystem", "ReadOnlyPaths", "ReadWritePaths", "RemoveIPC", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
		"RestrictSUIDSGID", "SecureBits", "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallFilter",
		"BindPaths", "BindReadOnlyPaths", "ExecPaths", "NoExecPaths", "KeyringMode", "SupplementaryGroups",
	},
	"a process has limits of memory, cpu, files, processes and file size": {
		"MemoryMax", "MemoryHigh", "MemoryLimit", "TasksMax", "CPUQuota", "CPUWeight", "CPUShares", "IOWeight", "LimitCORE", "LimitDATA", "LimitSTACK",
		"LimitRSS", "LimitMEMLOCK", "LimitNICE", "LimitRTPRIO", "OOMScoreAdjust", "IOSchedulingClass", "CPUSchedulingPolicy",
	},
	"the program alone is started": {"ExecStartPre", "ExecStartPost", "ExecStopPost", "ExecStop", "ExecReload", "ExecStopPre"},
	ofManager: {
		"Restart", "RestartSec", "KillMode", "KillSignal", "TimeoutStopSec", "TimeoutSec", "RemainAfterExit", "SuccessExitStatus", "PIDFile", "Slice", "CollectMode",
		"OOMPolicy", "NotifyAccess", "SyslogIdentifier", "SyslogFacility", "SyslogLevel", "NonBlocking", "FlushPending", "RuntimeDirectory", "StateDirectory",
		"CacheDirectory", "LogsDirectory", "ConfigurationDirectory", "RuntimeDirectoryMode", "StateDirectoryMode", "Delegate", "IgnoreSIGPIPE", "SendSIGHUP", "Symlinks",
		"WatchdogSec", "TTYPath", "UtmpIdentifier", "LoadCredential", "SetCredential", "ImportCredential", "PassEnvironment", "UnsetEnvironment",
		"StartLimitIntervalSec", "StartLimitBurst", "Sockets",
	},
}, false), map[string][]string{
	"clients of one interface, network or label alone reach it there": {
		"BindToDevice", "SmackLabel", "SmackLabelIPIn", "SmackLabelIPOut", "SELinuxContextFromNet", "NetworkNamespacePath", "RestrictNetworkInterfaces",
		"IPIngressFilterPath", "IPEgressFilterPath", "BPFProgram",
	},
	"there is no jail for a program": {
		"RootDirectory", "RootImage", "RootMStack", "InaccessiblePaths", "TemporaryFileSystem", "SELinuxContext", "AppArmorProfile", "SmackProcessLabel",
	},
	asksFirst: {"ExecCondition", "PAMName"},
}, true)

// withAll adds rules for settings that are lost for the same reason; without those that are vital a server must not run.
func withAll(rules map[string]rule, lost map[string][]string, vital bool) map[string]rule {
	for why, all := range lost {
		for _, name := range all {
			rules[name] = rule{lost: why, vital: vital}
		}
	}
	return rules
}

// asDuration reads a time span; a number alone is of seconds.
func asDuration(words []string) (cty.Value, error) {
	return cty.StringVal(seconds(strings.Join(words, ""))), nil
}

func seconds(span string) string {
	if _, err := strconv.ParseFloat(span, 64); err == nil {
		return span + "s"
	}
	if span == "infinity" {
		return "0"
	}
	return units.Replace(span) // the configuration refuses it where it has another unit
}

// units are those of systemd.time(7) in the words of the configuration.
var units = strings.NewReplacer("msec", "ms", "usec", "us",
	"seconds", "s", "second", "s", "sec", "s", "minutes", "m", "minute", "m", "min", "m", "hours", "h", "hour", "h", "hr", "h")
