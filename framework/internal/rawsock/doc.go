// Package rawsock asks the system directly for what does not wait.
//
// Package syscall would tell the scheduler first, and where a process has just been woken that
// wakes the monitor thread of the runtime as well, which finds nothing to do: two or three of the
// six context switches of a request that a child serves, and a third of its CPU. That thread also
// takes the processor from a goroutine whose call lasts longer than its patience, 20 us, and to get
// it back takes 10 to 25 % of the CPU of a datagram. What the thread is for it has to be woken for,
// see [Monitor].
//
// A call here keeps its processor for as long as it lasts, and what stops the world waits for that:
// for a datagram that is what the system does to deliver it.
package rawsock
