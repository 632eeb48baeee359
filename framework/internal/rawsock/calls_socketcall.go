//go:build linux && (386 || s390x)

package rawsock

// Package syscall names only socketcall(2), which these have beside since Linux 4.3.
const (
	sysSendto, sysRecvfrom = 369, 371
	sysSendmsg, sysRecvmsg = 370, 372
)
