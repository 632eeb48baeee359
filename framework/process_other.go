//go:build !linux

package framework

const processesSupported = false
