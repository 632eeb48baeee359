//go:build !386 && !arm

package trampoline

import "syscall"

const setgroups, setgid, setuid = syscall.SYS_SETGROUPS, syscall.SYS_SETGID, syscall.SYS_SETUID
