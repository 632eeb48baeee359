package framework

const processesSupported = true
