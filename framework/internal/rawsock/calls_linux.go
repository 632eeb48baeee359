//go:build !386 && !s390x

package rawsock

import "syscall"

const (
	sysSendto, sysRecvfrom = syscall.SYS_SENDTO, syscall.SYS_RECVFROM
	sysSendmsg, sysRecvmsg = syscall.SYS_SENDMSG, syscall.SYS_RECVMSG
)
