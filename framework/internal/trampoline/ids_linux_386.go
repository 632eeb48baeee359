package trampoline

import "syscall"

// Those without 32 have 16 bits.
const setgroups, setgid, setuid = syscall.SYS_SETGROUPS32, syscall.SYS_SETGID32, syscall.SYS_SETUID32
